"""Kind and media type of a file by its name: for sorting, icons and serving."""

import stat
from collections.abc import Mapping
from enum import StrEnum
from pathlib import PurePosixPath
from types import MappingProxyType


class FileKind(StrEnum):
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


OCTET_STREAM = "application/octet-stream"
PLAIN_TEXT = "text/plain; charset=utf-8"
TYPES_BY_SUFFIX: Mapping[str, tuple[FileKind, str]] = MappingProxyType(
    {
        ".png": (FileKind.IMAGE, "image/png"),
        ".jpg": (FileKind.IMAGE, "image/jpeg"),
        ".jpeg": (FileKind.IMAGE, "image/jpeg"),
        ".webp": (FileKind.IMAGE, "image/webp"),
        ".gif": (FileKind.IMAGE, "image/gif"),
        ".avif": (FileKind.IMAGE, "image/avif"),
        ".bmp": (FileKind.IMAGE, "image/bmp"),
        ".ico": (FileKind.IMAGE, "image/x-icon"),
        ".tif": (FileKind.IMAGE, "image/tiff"),
        ".tiff": (FileKind.IMAGE, "image/tiff"),
        ".svg": (FileKind.IMAGE, "image/svg+xml"),
        ".mp4": (FileKind.VIDEO, "video/mp4"),
        ".m4v": (FileKind.VIDEO, "video/mp4"),
        ".webm": (FileKind.VIDEO, "video/webm"),
        ".mkv": (FileKind.VIDEO, "video/x-matroska"),
        ".mov": (FileKind.VIDEO, "video/quicktime"),
        ".avi": (FileKind.VIDEO, "video/x-msvideo"),
        ".mp3": (FileKind.AUDIO, "audio/mpeg"),
        ".wav": (FileKind.AUDIO, "audio/wav"),
        ".flac": (FileKind.AUDIO, "audio/flac"),
        ".ogg": (FileKind.AUDIO, "audio/ogg"),
        ".opus": (FileKind.AUDIO, "audio/ogg"),
        ".m4a": (FileKind.AUDIO, "audio/mp4"),
        ".md": (FileKind.MARKDOWN, PLAIN_TEXT),
        ".markdown": (FileKind.MARKDOWN, PLAIN_TEXT),
        ".pdf": (FileKind.PDF, "application/pdf"),
        **dict.fromkeys(
            (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx"),
            (FileKind.MODEL, OCTET_STREAM),
        ),
        ".zip": (FileKind.ARCHIVE, "application/zip"),
        **dict.fromkeys(
            (".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".7z", ".rar"),
            (FileKind.ARCHIVE, OCTET_STREAM),
        ),
        **dict.fromkeys(
            (
                *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".ini"),
                *(".cfg", ".conf", ".log", ".py", ".js", ".ts", ".css", ".html", ".htm", ".xml"),
                *(".sh", ".bat", ".srt", ".vtt", ".info", ".env"),
            ),
            (FileKind.TEXT, PLAIN_TEXT),
        ),
    }
)
"""By suffix: the kind, and the type it is shown with. Whatever could run is plain text."""


def kind_of(name: str) -> FileKind:
    """The kind of an ordinary file of this name."""
    return TYPES_BY_SUFFIX.get(suffix(name), (FileKind.FILE, OCTET_STREAM))[0]


def type_of(name: str) -> str:
    """The media type that a file of this name is shown with."""
    return TYPES_BY_SUFFIX.get(suffix(name), (FileKind.FILE, OCTET_STREAM))[1]


def kind_by_mode(name: str, mode: int) -> FileKind:
    """The kind of what has this name and this ``st_mode``."""
    if stat.S_ISREG(mode):
        return kind_of(name)
    if stat.S_ISDIR(mode):
        return FileKind.FOLDER
    return FileKind.LINK if stat.S_ISLNK(mode) else FileKind.SPECIAL


def suffix(name: str) -> str:
    """The last suffix in lower case, "" for none."""
    return PurePosixPath(name).suffix.lower()
