"""The vendor's extras: plain values among ``alwayson_scripts`` (its guide; eas.md section 2.2).

``save_dir`` decides the form of the answer and where pictures go. A caller names it as the
service's container sees it, so mount paths stand for the data directory here.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path, PurePosixPath

from webapp.errors import Refused
from webapp.files.output_files import has_link_in_path, is_protected
from webapp.queues.job_codec import EasExtras

NAMES = ("id_task", "uid", "save_dir", "sd_model_checkpoint", "sd_vae")
DETERMINISTIC = "deterministic"  # ours: a request shares no call of the network with others
IMAGE_LINK = "image_link"  # of img2img; read with its pictures
MAX_PATH_LENGTH = 1000  # characters; file systems stop at 4096 bytes, the names below it included
MAX_NAME_BYTES = 255  # bytes of one folder's name


class EasStatus(IntEnum):
    """The ``status`` of an answer in the vendor's form; it publishes 0 alone."""

    DONE = 0
    INTERRUPTED = 1  # what was drawn until then is answered
    SKIPPED = 2  # a batch was cut short, the others are whole
    FAILED = 3  # while it was drawn; the HTTP status says how
    REFUSED = 4  # before anything was drawn


@dataclass(frozen=True, slots=True)
class SaveFolder:
    """A ``save_dir`` that may be written to."""

    relative: str  # to the data directory, "/" between parts, "" for the directory itself
    prefix: str  # what stands before it in an ``image_url``


def split_extras(alwayson: Mapping[str, object]) -> EasExtras | None:
    """The vendor's extras of ``alwayson_scripts``, or None if there are none."""
    values = {name: alwayson[name] for name in NAMES if alwayson.get(name) is not None}
    if not values:
        return None
    return EasExtras(**{name: to_text(name, value) for name, value in values.items()})


def is_deterministic(alwayson: Mapping[str, object]) -> bool:
    """Whether ``alwayson_scripts`` ask for the same bits whoever else draws. Raises ``Refused``."""
    value = alwayson.get(DETERMINISTIC)
    if value is not None and not isinstance(value, bool):
        raise Refused(
            f"alwayson_scripts.{DETERMINISTIC}: true or false is expected.",
            "wrong_type",
            expected="bool",
        )
    return bool(value)


def lenient_extras(alwayson: Mapping[str, object]) -> EasExtras | None:
    """``save_dir`` and ``id_task`` of a request that may be wrong in them; None without both."""
    save_dir, task = alwayson.get("save_dir"), alwayson.get("id_task")
    if not isinstance(save_dir, str) or not save_dir:
        return None
    return EasExtras(id_task=str(task) if isinstance(task, str | int) else None, save_dir=save_dir)


def to_text(name: str, value: object) -> str | None:
    """An extra's value as text; numbers are fine for ids. "" is "not given"."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Refused(
            f"alwayson_scripts.{name}: a string is expected.", "wrong_type", expected="str"
        )
    if len(str(value)) > MAX_PATH_LENGTH:
        raise Refused(
            f"alwayson_scripts.{name}: at most {MAX_PATH_LENGTH} characters.",
            "too_long",
            length=len(str(value)),
            most=MAX_PATH_LENGTH,
        )
    return str(value) or None


def locate(
    folder: str, data_dir: Path, mounts: Sequence[str], field: str = "save_dir"
) -> SaveFolder:
    """Where the folder that a ``field`` or an option names lies under the data directory.

    An absolute one begins with a mount path or with the data directory's own path; a relative
    one is taken from the data directory. Raises ``Refused`` for every way out of the folders for
    pictures: other roots, ``..``, links, hidden names, folders that models and plugins are
    loaded from.
    """
    if "\0" in folder or "://" in folder or len(folder) > MAX_PATH_LENGTH:
        raise Refused(f"{field}: {folder[:80]!r} is not a path.", "bad_folder", value=folder)
    lexical = PurePosixPath(os.path.normpath(folder.replace("//", "/")))
    mounted_at = split_mount(lexical, data_dir, mounts)
    if mounted_at is None:
        raise outside_error(field, folder)
    prefix, inner = mounted_at
    try:
        long = any(len(part.encode()) > MAX_NAME_BYTES for part in inner.parts)
        astray = ".." in inner.parts or is_protected(inner)
        if not long and (astray or has_link_in_path(data_dir, inner)):
            raise outside_error(field, folder)
    except (OSError, ValueError, RuntimeError):
        raise Refused(
            f"{field}: {folder[:80]!r} cannot be a path here.", "bad_folder", value=folder
        ) from None
    if long:
        raise Refused(
            f"{field}: {folder[:80]!r} has too long a name in it.", "bad_folder", value=folder
        )
    return SaveFolder("" if str(inner) == "." else str(inner), prefix)


def split_mount(
    path: PurePosixPath, data_dir: Path, mounts: Sequence[str]
) -> tuple[str, PurePosixPath] | None:
    """The mount path that ``path`` stands under, and the rest; the longest one wins."""
    if not path.is_absolute():
        return (mounts[0].rstrip("/") if mounts else str(data_dir)), path
    roots = sorted({*mounts, str(data_dir), str(data_dir.resolve())}, key=len, reverse=True)
    for root in roots:
        if path.is_relative_to(root):
            return root.rstrip("/"), path.relative_to(root)
    return None


def outside_error(field: str, folder: str) -> Refused:
    """The refusal of a folder that is not the caller's to write to."""
    return Refused(
        f"{field}: {folder!r} is not inside the data directory's folders for pictures, or a link "
        "leads there; name a folder under a mount path, for example outputs.",
        "bad_folder",
        value=folder,
    )
