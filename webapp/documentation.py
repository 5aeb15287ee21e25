"""Pages of docs/ that are made from tables: ``make docs`` writes them, a test compares them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from webapp import config, settings

PAGES: Mapping[str, Callable[[], str]] = {
    "flags.md": config.documentation,
    "options.md": settings.documentation,
}


def write(folder: Path) -> None:
    """Write every page afresh."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).resolve().parents[1] / "docs")
