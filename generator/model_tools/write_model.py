"""Carries out a recipe: opens the models, writes the new one tensor by tensor."""

import json
import shutil
import struct
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from generator.atomic_file import atomic_file, make_folders, shared_mode, write_atomically
from generator.errors import BadRequest, CannotSave
from generator.hooks import Watch, ignore_progress
from generator.model_tools.door import find_models
from generator.model_tools.fit import check_recipe
from generator.model_tools.output_names import output_path
from generator.model_tools.plan import OutputPlan, OutputTensor, plan_output
from generator.model_tools.recipe_metadata import compose_metadata
from generator.model_tools.recipes import ConfigSource, MergeMode, ModelRecipe, WrittenModel
from generator.model_tools.sources import open_source
from generator.model_tools.tensor_pieces import PieceMaker, merge_of
from generator.models.header import BITS, MAX_HEADER
from generator.models.index import ModelFile
from generator.models.registry import Registry
from generator.reasons import reason_of
from generator.request import Progress, Stop

SPARE_BYTES = 64 << 20  # that stay free on the disk
MEBI = 1 << 20
ALIGNMENT = 8  # bytes


class _Interrupted(Exception):
    """The watch asked to stop."""


def write_model(
    recipe: ModelRecipe, registry: Registry, watch: Watch = ignore_progress
) -> WrittenModel:
    """Write the model of a recipe; what came of it. The old file or the whole new one is there.

    ``watch`` is called at each piece, with mebibytes as steps. Memory is that of a few pieces
    (some 100 MB), whatever the size of the models. Raises the errors of
    :mod:`generator.errors`.
    """
    started = time.monotonic()
    check_recipe(recipe)
    files = find_models(recipe, registry)
    vae = registry.find_vae(recipe.form.vae) if recipe.form.vae else None
    progress = _ProgressCounter(recipe, watch)
    with ExitStack() as stack:
        try:
            progress.report("Reading the models")
            files = (
                [registry.ensure_hashes(file) for file in files] if recipe.note_recipe else files
            )
            models = [stack.enter_context(open_source(file)) for file in files]
            opened_vae = stack.enter_context(open_source(vae)) if vae else None
            plan = plan_output(recipe, models, opened_vae)
            path = output_path(recipe, files, plan.wider_input, registry.folders)
            sources = [*models, opened_vae] if opened_vae else models
            pieces = PieceMaker(sources, merge_of(recipe.mode, recipe.multiplier))
            header = compose_header(plan.tensors, compose_metadata(recipe, files, plan.wider_input))
            size = write_file(path, header, plan, pieces, progress, replace=recipe.overwrite)
        except _Interrupted:
            seconds = time.monotonic() - started
            return WrittenModel(Path(), "", 0, seconds, ("Nothing was written.",), interrupted=True)
    notes = [*plan.notes, *copy_config(recipe, files, path)]
    if pieces.faulty:
        notes.append(f"{pieces.faulty} tensors hold NaN: pictures of this model will fail.")
    return WrittenModel(path, path.name, size, time.monotonic() - started, tuple(notes))


def compose_header(tensors: Sequence[OutputTensor], metadata: Mapping[str, str]) -> bytes:
    """The first bytes of a safetensors file, its length in front. Raises :class:`BadRequest`."""
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for tensor in tensors:
        begin, end = end, end + tensor_bytes(tensor)
        header[tensor.name] = {
            "dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [begin, end],
        }  # fmt: skip
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    if len(text) > MAX_HEADER:
        raise BadRequest(f"The models' metadata takes {len(text):,} bytes; at most {MAX_HEADER:,}")
    return struct.pack("<Q", len(text)) + text


def tensor_bytes(tensor: OutputTensor) -> int:
    """How long a tensor is in the file."""
    count = 1
    for side in tensor.shape:
        count *= side
    return count * BITS[tensor.dtype] // 8


def write_file(
    path: Path,
    header: bytes,
    plan: OutputPlan,
    pieces: PieceMaker,
    progress: "_ProgressCounter",
    *,
    replace: bool,
) -> int:
    """Write the file in one step; its bytes. Raises :class:`CannotSave`, :class:`BadRequest`."""
    size = len(header) + sum(map(tensor_bytes, plan.tensors))
    try:
        make_folders(path.parent)
        free = shutil.disk_usage(path.parent).free
        if free < size + SPARE_BYTES:
            raise CannotSave(
                f"{path.name} takes {size:,} bytes and {free:,} are free; delete or move something"
            )
        progress.total = size
        with atomic_file(path, shared_mode(0o666), replace=replace) as file:
            file.write(header)
            for tensor in plan.tensors:
                write_tensor(file, pieces, tensor, progress)
            progress.report("Waiting for the disk")
    except FileExistsError:
        raise BadRequest(f"name: {path.name} is there already; give another name") from None
    except OSError as error:
        raise CannotSave(f"{path.name} cannot be written: {reason_of(error)}") from error
    return size


def write_tensor(
    file: BinaryIO, pieces: PieceMaker, tensor: OutputTensor, progress: "_ProgressCounter"
) -> None:
    """One tensor, piece by piece."""
    for piece in pieces.pieces(tensor):
        file.write(piece)
        progress.add(len(piece))


def copy_config(recipe: ModelRecipe, files: Sequence[ModelFile], path: Path) -> list[str]:
    """Copy the ``.yaml`` that the recipe chooses beside the new model; what there is to say of it.

    The model is there by now: a file that cannot be copied is told, and fails nothing.
    """
    of = {ConfigSource.NONE: (), ConfigSource.B: files[1:2], ConfigSource.C: files[2:3]}
    chosen = next((f.config for f in of.get(recipe.form.config, files) if f.config), None)
    target = path.with_suffix(".yaml")
    if chosen is None or chosen == target:
        return []
    try:
        write_atomically(target, chosen.read_bytes(), shared_mode(0o666), replace=recipe.overwrite)
    except OSError as error:
        return [f"{chosen.name} was not copied beside it: {reason_of(error)}."]
    return [f"{chosen.name} was copied beside it."]


class _ProgressCounter:
    """Tells the watch how many mebibytes are written. Raises :class:`_Interrupted`."""

    def __init__(self, recipe: ModelRecipe, watch: Watch) -> None:
        self.job = "convert" if recipe.mode is MergeMode.NO_INTERPOLATION else "merge"
        self.watch = watch
        self.total = self.done = 0  # bytes

    def add(self, size: int) -> None:
        """So many bytes more were written."""
        self.done += size
        self.report("Writing the model")

    def report(self, text: str) -> None:
        """Call the watch."""
        steps = max(self.total // MEBI, 1)
        progress = Progress(self.job, 0, 1, min(self.done // MEBI, steps), steps, text)
        if self.watch(progress, None) is not Stop.NO:
            raise _Interrupted
