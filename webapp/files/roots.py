"""The data directory as a root of the path gate. No torch: every process uses it."""

from pathlib import Path

from filebrowser.access.gate import Place, Root, parse_path
from filebrowser.own_folders import STAGING_FOLDER, TRASH_FOLDER
from generator.data_folders import EMBEDDINGS_FOLDER, EXTENSIONS_FOLDER, MODELS_FOLDER, STATE_FOLDER
from webapp.settings.state_files import OPTIONS_FILE, STYLES_FILE

DATA = "data"
BROWSER_FOLDERS = frozenset({TRASH_FOLDER, STAGING_FOLDER})
"""What lies hidden at the top of every tree: deleted things, unfinished uploads."""

HIDDEN = BROWSER_FOLDERS | {
    STATE_FOLDER, f"{STATE_FOLDER}.damaged-*", f"{OPTIONS_FILE}*", "auth.json", ".env",
}  # fmt: skip
"""What the data directory has for nobody: our own state, settings that may hold secrets."""

PROTECTED = HIDDEN | {
    MODELS_FOLDER, EMBEDDINGS_FOLDER, EXTENSIONS_FOLDER, f"{STYLES_FILE}*",
}  # fmt: skip
"""Where no caller's picture may go: what lies there is loaded, or is ours."""


def picture_root(data_dir: Path) -> Root:
    """The data directory for who saves pictures."""
    return Root(DATA, data_dir, hidden=HIDDEN, sealed=PROTECTED)


def data_root(data_dir: Path) -> Root:
    """The data directory for readers: nothing is changed, and what is ours alone is not there."""
    return Root(DATA, data_dir, writable=False, hidden=HIDDEN)


def data_place(root: Root, path: str) -> Place:
    """The place of a path below the data directory. Raises as
    :func:`filebrowser.access.gate.parse_path`.
    """
    return parse_path(f"{DATA}/{path}", [root])
