"""Upload policy: limits set by flags, and which kinds of file may lie where."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from filebrowser.happenings import Happening
from filebrowser.uploads.rules import FolderRule, Rules
from filebrowser.uploads.space import Limits
from filebrowser.uploads.uploads import Uploads
from generator.models.kinds import SHELVES
from webapp.browsing import CODE
from webapp.roots import DATA

if TYPE_CHECKING:
    from webapp.config import Config

PICKLES = frozenset({".ckpt", ".pt", ".pth", ".bin"})
OTHER_PICKLES = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".pt2", ".ptl"})
PROGRAMS = frozenset(
    {".py", ".pyc", ".pyo", ".pyd", ".pyw", ".pyz", ".egg", ".whl", ".so", ".dylib", ".ko"}
    | {".sh", ".bash", ".zsh", ".csh", ".ksh", ".fish", ".command", ".run", ".elf", ".appimage"}
    | {".exe", ".dll", ".sys", ".com", ".scr", ".cpl", ".msi", ".msix", ".appx", ".pif", ".gadget"}
    | {".bat", ".cmd", ".ps1", ".psm1", ".vbs", ".vbe", ".wsf", ".wsh", ".jse", ".reg", ".inf"}
    | {".lnk", ".url", ".scf", ".desktop", ".service", ".application", ".jar", ".class", ".war"}
    | {".apk", ".ipa", ".node", ".wasm", ".swf", ".crx", ".xpi", ".chm", ".js", ".mjs", ".cjs"}
    | {".jsx", ".tsx", ".php", ".php5", ".phtml", ".phar", ".asp", ".aspx", ".jsp", ".cgi", ".pl"}
    | {".pm", ".rb", ".lua", ".tcl"}
)
PAGES = frozenset(
    {".html", ".htm", ".xhtml", ".xht", ".shtml", ".mht", ".mhtml", ".hta", ".xsl", ".xslt"}
)
BESIDE_MODELS = frozenset(
    {".json", ".yaml", ".yml", ".txt", ".md", ".info", ".toml", ".png", ".jpg", ".jpeg", ".webp"}
    | {".gif", ".avif", ".mp4", ".webm"}
)
"""What describes a model beside it: previews, trigger words, configurations."""

PLAIN = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".bmp", ".tif", ".tiff", ".svg", ".psd"}
    | {".mp4", ".webm", ".mov", ".mkv", ".avi", ".mp3", ".wav", ".flac", ".ogg", ".m4a"}
    | {".txt", ".md", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".csv", ".tsv", ".log", ".info"}
    | {".caption", ".pdf", ".zip", ".tar", ".gz", ".7z", ".safetensors", ".npy", ".npz", ".ttf"}
    | {".otf", ".vtt", ".srt"}
)
"""What may lie among models and code too: nothing that a program or a browser runs by itself."""

NO_PICKLES = (
    "A pickle can run code when a program opens it: bring the .safetensors of it, or start with "
    "--allow-pickle-upload."
)
NO_PROGRAMS = "Programs and pages are not taken."
NO_OTHERS = "Programs, pages and unknown kinds of file are not taken."


def uploads_of(config: "Config", tell: Callable[[Happening], None]) -> Uploads:
    """The uploads of this service; nothing of theirs runs or was read yet."""
    return Uploads(limits_of(config), rules_of(config.allow_pickle_upload), tell)


def limits_of(config: "Config") -> Limits:
    """What the flags allow."""
    return Limits(
        largest=config.upload_largest,
        quota=config.upload_quota or None,
        spare=config.upload_spare,
        keep=config.upload_keep * 3600.0,
    )


def rules_of(pickles: bool) -> Rules:
    """Weights and what describes them in the folders of models; all but programs elsewhere.

    Among models and code only known kinds are taken. Anywhere else a file of an unknown kind, or
    without an ending, is somebody's own: it is given back as an attachment.
    """
    taken = PLAIN | PICKLES if pickles else PLAIN
    pickled = frozenset() if pickles else PICKLES | OTHER_PICKLES
    refused = PROGRAMS | PAGES | pickled
    why = "" if pickles else f" {NO_PICKLES}"
    rules = [FolderRule(DATA, "", why=f"{NO_PROGRAMS}{why}", refused=refused)]
    rules += [FolderRule(DATA, name, taken, f"{NO_OTHERS}{why}") for name in ("models", *CODE)]
    for shelf in SHELVES.values():
        weights = frozenset(shelf.suffixes) - pickled | {".safetensors"}
        for folder in (*shelf.made, *shelf.also):
            endings = weights | BESIDE_MODELS
            rules.append(FolderRule(DATA, folder, endings, NO_PICKLES, weights=weights))
    return Rules(tuple(rules))
