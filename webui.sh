#!/usr/bin/env bash
# Set up what is missing, then start Easel: ./webui.sh [flags] | ./webui.sh generate "a red house" ...
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)"
. "$here/setup.sh"
prepare_runtime "$here" >&2 </dev/null
case " ${1:-} ${COMMANDLINE_ARGS:-} $* " in
*" --webui "*) prepare_page "$here" >&2 </dev/null ;;
" generate "* | " version "* | " models "* | " users "* | " tokens "* | " usage "* | " mcp "* | " plugin "* | " status "* | " down "* | " logs "* | " worker "* | *" --nowebui "* | *" --edition api "* | *" --edition=api "* | *" --help "* | *" -h "*) ;; # no page
*) prepare_page "$here" >&2 </dev/null ;;
esac
export EASEL_HOME="$here" HF_HUB_OFFLINE=1 PYTHONSAFEPATH=1
exec "$here/.venv/bin/python" -m webapp "$@" 8>&-
