"""What a file is, by its name: for sorting, for icons, for the type it is served with."""

import stat
from collections.abc import Mapping
from enum import StrEnum
from pathlib import PurePosixPath
from types import MappingProxyType


class Kind(StrEnum):
    """The kinds that a listing tells apart."""

    FOLDER = "folder"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"
    MARKDOWN = "markdown"
    PDF = "pdf"
    MODEL = "model"
    ARCHIVE = "archive"
    FILE = "file"  # anything else
    LINK = "link"  # a symbolic link: it is listed and never followed
    SPECIAL = "special"  # a pipe, socket or device, or a name that cannot be asked for


BYTES = "application/octet-stream"
PLAIN = "text/plain; charset=utf-8"
TYPES: Mapping[str, tuple[Kind, str]] = MappingProxyType(
    {
        ".png": (Kind.IMAGE, "image/png"),
        ".jpg": (Kind.IMAGE, "image/jpeg"),
        ".jpeg": (Kind.IMAGE, "image/jpeg"),
        ".webp": (Kind.IMAGE, "image/webp"),
        ".gif": (Kind.IMAGE, "image/gif"),
        ".avif": (Kind.IMAGE, "image/avif"),
        ".bmp": (Kind.IMAGE, "image/bmp"),
        ".ico": (Kind.IMAGE, "image/x-icon"),
        ".tif": (Kind.IMAGE, "image/tiff"),
        ".tiff": (Kind.IMAGE, "image/tiff"),
        ".svg": (Kind.IMAGE, "image/svg+xml"),
        ".mp4": (Kind.VIDEO, "video/mp4"),
        ".m4v": (Kind.VIDEO, "video/mp4"),
        ".webm": (Kind.VIDEO, "video/webm"),
        ".mkv": (Kind.VIDEO, "video/x-matroska"),
        ".mov": (Kind.VIDEO, "video/quicktime"),
        ".avi": (Kind.VIDEO, "video/x-msvideo"),
        ".mp3": (Kind.AUDIO, "audio/mpeg"),
        ".wav": (Kind.AUDIO, "audio/wav"),
        ".flac": (Kind.AUDIO, "audio/flac"),
        ".ogg": (Kind.AUDIO, "audio/ogg"),
        ".opus": (Kind.AUDIO, "audio/ogg"),
        ".m4a": (Kind.AUDIO, "audio/mp4"),
        ".md": (Kind.MARKDOWN, PLAIN),
        ".markdown": (Kind.MARKDOWN, PLAIN),
        ".pdf": (Kind.PDF, "application/pdf"),
        **dict.fromkeys(
            (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx"), (Kind.MODEL, BYTES)
        ),
        ".zip": (Kind.ARCHIVE, "application/zip"),
        **dict.fromkeys(
            (".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".7z", ".rar"),
            (Kind.ARCHIVE, BYTES),
        ),
        **dict.fromkeys(
            (
                *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".ini"),
                *(".cfg", ".conf", ".log", ".py", ".js", ".ts", ".css", ".html", ".htm", ".xml"),
                *(".sh", ".bat", ".srt", ".vtt", ".info", ".env"),
            ),
            (Kind.TEXT, PLAIN),
        ),
    }
)
"""By suffix: the kind, and the type it is shown with. Whatever could run is plain text."""


def kind_of(name: str) -> Kind:
    """The kind of an ordinary file of this name."""
    return TYPES.get(suffix(name), (Kind.FILE, BYTES))[0]


def type_of(name: str) -> str:
    """The media type that a file of this name is shown with."""
    return TYPES.get(suffix(name), (Kind.FILE, BYTES))[1]


def kind_by_mode(name: str, mode: int) -> Kind:
    """The kind of what has this name and this ``st_mode``."""
    if stat.S_ISREG(mode):
        return kind_of(name)
    if stat.S_ISDIR(mode):
        return Kind.FOLDER
    return Kind.LINK if stat.S_ISLNK(mode) else Kind.SPECIAL


def suffix(name: str) -> str:
    """The last suffix in lower case, "" for none."""
    return PurePosixPath(name).suffix.lower()
