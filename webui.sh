#!/usr/bin/env bash
# Set up what is missing, then start Easel: ./webui.sh [flags] | ./webui.sh generate "a red house" ...
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)"
exec 9<&0
. "$here/setup.sh"
prepare_runtime "$here" >&2
prepare_page "$here" >&2
export EASEL_HOME="$here" HF_HUB_OFFLINE=1
exec "$here/.venv/bin/python" -P -m webapp "$@" <&9 9<&-
