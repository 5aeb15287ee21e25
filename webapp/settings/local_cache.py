"""Where a machine keeps what it can compute anew, while the data directory is a network mount.

No Flask, no torch.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from filebrowser.watch.mounts import read_mounts, supports_inotify

if TYPE_CHECKING:
    from webapp.settings.config import Config


def local_cache(data_id: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of this user and machine for what can be computed anew of a service's models."""
    home = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "easel" / data_id


def is_shared_mount(config: "Config") -> bool:
    """Whether web processes of other machines may have the same data directory."""
    return config.queue_url is not None and not supports_inotify(config.data_dir, read_mounts())


def keep_caches_here(config: "Config", data_id: str) -> "Config":
    """The configuration with this machine's own cache, unless its flags name one."""
    return config if config.cache_dir else replace(config, cache_dir=local_cache(data_id))
