"""Makes a data directory ready: its tree, and models to draw with. No Flask, no torch."""

import logging
import os
import shutil
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from generator.atomic_file import atomic_file, make_folders, shared_mode
from generator.data_folders import EXTENSIONS_FOLDER, OUTPUTS_FOLDER
from generator.default_checkpoint.companions import SHELF as COMPANIONS
from generator.models.registry import FOLDERS_BY_KIND, ModelKind
from webapp.plugins.model_registry import folders_of
from webapp.settings import data_dir

if TYPE_CHECKING:
    from webapp.settings.config import Config

FOLDERS = (OUTPUTS_FOLDER, EXTENSIONS_FOLDER)
DEFAULT_CHECKPOINT = "easel-default.safetensors"

log = logging.getLogger("easel")


def prepare(config: "Config") -> None:
    """Make the tree of the data directory, and install the default checkpoint where none is.

    Harmless when repeated. Raises :class:`webapp.settings.data_dir.CannotUse` where the data
    directory cannot be written. Model folders that cannot be written (a read-only mount) cost a
    warning.
    """
    data_dir.prepare_data_dir(config)
    for folder in (
        *(config.data_dir / room for room in FOLDERS),
        *folders_of(config).folders_to_create(),
    ):
        try:
            make_folders(folder)
        except OSError as error:
            log.warning("The folder %s cannot be made: %s", folder, error.strerror)
    if config.install_default and install_default(config):
        install_companions(config)


def install_default(config: "Config") -> Path | None:
    """Copy the package's checkpoint into ``models/Stable-diffusion``, unless there is any.

    The file's new place, or None where nothing was to do or could be done.
    """
    folders = folders_of(config).of(ModelKind.CHECKPOINT)
    shipped = files("generator.default_checkpoint") / DEFAULT_CHECKPOINT
    if not shipped.is_file() or any(holds_checkpoint(folder) for folder in folders):
        return None
    target = folders[0] / DEFAULT_CHECKPOINT
    try:
        with as_file(shipped) as source:
            copy_atomically(source, target)
    except OSError as error:
        log.warning("The default checkpoint cannot be copied to %s: %s", target, error.strerror)
        return None
    log.info("Installed the default checkpoint as %s", target)
    return target


def install_companions(config: "Config") -> tuple[Path, ...]:
    """Copy the default checkpoint's companions onto their shelves; the files' new places.

    A file of that name that is there already stays as it is. What cannot be copied costs a warning.
    """
    shipped, installed = files("generator.default_checkpoint.companions"), list[Path]()
    for name, kind in COMPANIONS.items():
        target = folders_of(config).of(kind)[0] / name
        if not (shipped / name).is_file() or target.exists():
            continue
        try:
            with as_file(shipped / name) as source:
                copy_atomically(source, target)
        except OSError as error:
            log.warning("%s cannot be copied to %s: %s", name, target, error.strerror)
        else:
            installed.append(target)
    return tuple(installed)


def holds_checkpoint(folder: Path) -> bool:
    """Whether any file that may be a checkpoint lies below ``folder``, complete or not."""
    suffixes = FOLDERS_BY_KIND[ModelKind.CHECKPOINT].suffixes
    return any(
        name.lower().endswith(suffixes) and not name.startswith(".")
        for _, _, names in os.walk(folder, followlinks=True)
        for name in names
    )


def copy_atomically(source: Path, target: Path) -> None:
    """Copy a file so that it appears under its name whole or not at all. Raises OSError."""
    with (
        source.open("rb") as original,
        atomic_file(target, shared_mode(0o666)) as copy,
    ):
        shutil.copyfileobj(original, copy)
