"""Upload policy: limits set by flags, and which kinds of file may lie where."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from filebrowser.uploads.rules import ContentRules, FolderRule
from filebrowser.uploads.space import UploadLimits
from filebrowser.uploads.upload_locks import SharedTurns
from filebrowser.uploads.upload_store import UploadStore
from filebrowser.watch.file_events import FileEvent
from generator.data_folders import MODELS_FOLDER
from generator.models.kinds import FOLDERS_BY_KIND
from webapp.files.caller_rights import CODE_FOLDERS
from webapp.files.roots import DATA

if TYPE_CHECKING:
    from webapp.settings.config import Config

PICKLE_ENDINGS = frozenset({".ckpt", ".pt", ".pth", ".bin"})
OTHER_PICKLE_ENDINGS = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".pt2", ".ptl"})
PROGRAM_ENDINGS = frozenset(
    {".py", ".pyc", ".pyo", ".pyd", ".pyw", ".pyz", ".egg", ".whl", ".so", ".dylib", ".ko"}
    | {".sh", ".bash", ".zsh", ".csh", ".ksh", ".fish", ".command", ".run", ".elf", ".appimage"}
    | {".exe", ".dll", ".sys", ".com", ".scr", ".cpl", ".msi", ".msix", ".appx", ".pif", ".gadget"}
    | {".bat", ".cmd", ".ps1", ".psm1", ".vbs", ".vbe", ".wsf", ".wsh", ".jse", ".reg", ".inf"}
    | {".lnk", ".url", ".scf", ".desktop", ".service", ".application", ".jar", ".class", ".war"}
    | {".apk", ".ipa", ".node", ".wasm", ".swf", ".crx", ".xpi", ".chm", ".js", ".mjs", ".cjs"}
    | {".jsx", ".tsx", ".php", ".php5", ".phtml", ".phar", ".asp", ".aspx", ".jsp", ".cgi", ".pl"}
    | {".pm", ".rb", ".lua", ".tcl"}
)
PAGE_ENDINGS = frozenset(
    {".html", ".htm", ".xhtml", ".xht", ".shtml", ".mht", ".mhtml", ".hta", ".xsl", ".xslt"}
)
MODEL_SIDECAR_ENDINGS = frozenset(
    {".json", ".yaml", ".yml", ".txt", ".md", ".info", ".toml", ".png", ".jpg", ".jpeg", ".webp"}
    | {".gif", ".avif", ".mp4", ".webm"}
)
"""What describes a model beside it: previews, trigger words, configurations."""

PLAIN_ENDINGS = frozenset(
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
NO_UNKNOWN_KINDS = "Programs, pages and unknown kinds of file are not taken."


def uploads_of(
    config: "Config", tell: Callable[[FileEvent], None], turns: SharedTurns | None = None
) -> UploadStore:
    """The uploads of this service; nothing of theirs runs or was read yet.

    ``turns``: where other web processes take uploads, too.
    """
    rules = rules_of(config.allow_pickle_upload)
    return UploadStore(limits_of(config), rules, tell, shared=turns)


def limits_of(config: "Config") -> UploadLimits:
    """What the flags allow."""
    return UploadLimits(
        largest=config.upload_largest,
        quota=config.upload_quota or None,
        spare=config.upload_spare,
        keep=config.upload_keep * 3600.0,
    )


def rules_of(pickles: bool) -> ContentRules:
    """Weights and what describes them in the folders of models; all but programs elsewhere.

    Among models and code only known kinds are taken. Anywhere else a file of an unknown kind, or
    without an ending, is somebody's own: it is given back as an attachment.
    """
    endings_allowed = PLAIN_ENDINGS | PICKLE_ENDINGS if pickles else PLAIN_ENDINGS
    pickle_endings = frozenset() if pickles else PICKLE_ENDINGS | OTHER_PICKLE_ENDINGS
    refused_endings = PROGRAM_ENDINGS | PAGE_ENDINGS | pickle_endings
    why = "" if pickles else f" {NO_PICKLES}"
    rules = [FolderRule(DATA, "", why=f"{NO_PROGRAMS}{why}", refused_endings=refused_endings)]
    rules += [
        FolderRule(DATA, name, endings_allowed, f"{NO_UNKNOWN_KINDS}{why}")
        for name in (MODELS_FOLDER, *CODE_FOLDERS)
    ]
    for shelf in FOLDERS_BY_KIND.values():
        weights = frozenset(shelf.suffixes) - pickle_endings | {".safetensors"}
        for folder in (*shelf.created, *shelf.also):
            endings = weights | MODEL_SIDECAR_ENDINGS
            rules.append(FolderRule(DATA, folder, endings, NO_PICKLES, weight_endings=weights))
    return ContentRules(tuple(rules))
