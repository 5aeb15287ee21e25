"""The plugin that was ended for hanging, noted for the next start."""

import json
from pathlib import Path

from generator.atomic_file import write_atomically

HUNG_FILE = "plugins-hung.json"  # in .easel: those that the process was left for


def read_hung(easel_dir: Path) -> dict[str, str]:
    """Plugins that a process was left for since the last reload, with what to tell of them."""
    try:
        return {
            str(name): str(reason)
            for name, reason in json.loads(_read_hung_file(easel_dir)).items()
        }
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _read_hung_file(easel_dir: Path) -> str:
    return (easel_dir / HUNG_FILE).read_text(encoding="utf-8")


def mark_hung(easel_dir: Path, name: str, what: str) -> None:
    """Keep a plugin out of every process until the next reload: ``what`` of it does not end."""
    reason = f"{what} did not end and could not be broken off; the process was started anew."
    marks = read_hung(easel_dir) | {name: reason[0].upper() + reason[1:]}
    write_atomically(easel_dir / HUNG_FILE, json.dumps(marks).encode())


def clear_hung(easel_dir: Path) -> None:
    """Delete the record of plugins that hung, so that the next load tries them again."""
    (easel_dir / HUNG_FILE).unlink(missing_ok=True)
