"""Writes plugins into a temporary data directory."""

import logging
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

from plugins.api import Side
from plugins.host import Choice, Host

VERSION = "0.1.0"


def make_plugin(
    data_dir: Path,
    name: str,
    *,
    web: str = "",
    worker: str = "",
    hooks: str = "",
    more: str = "",
    manifest: str | None = None,
) -> Path:
    """A plugin's folder; ``hooks`` are names between blanks, ``more`` further lines of TOML."""
    folder = data_dir / "extensions" / name
    folder.mkdir(parents=True)
    listed = ", ".join(f'"{hook}"' for hook in hooks.split())
    text = f'name = "{name}"\nversion = "1.0"\nlicence = "MIT"\nhooks = [{listed}]\n{more}\n'
    (folder / "easel-plugin.toml").write_text(text if manifest is None else manifest)
    for side, code in (("web", web), ("worker", worker)):
        if code:
            (folder / f"{side}.py").write_text("from plugins import hook\n" + dedent(code))
    return folder


def load_host(
    data_dir: Path,
    side: Side = Side.WORKER,
    choice: Choice | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Host:
    """A loaded host; ``settings`` by plugin."""
    log = logging.getLogger("easel.plugins")
    host = Host(side, data_dir, VERSION, lambda name: (settings or {}).get(name, {}), log)
    host.load(choice or Choice())
    return host


def status_of(host: Host, name: str):
    """How the plugin of this name stands."""
    return next(each for each in host.standings if each.name == name)
