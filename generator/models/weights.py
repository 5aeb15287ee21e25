"""Reads the tensors of a model file, whatever container they are in."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from generator.errors import ModelUnreadable
from generator.models.diffusers_folders import title_of
from generator.models.folder_shapes import explain_part, names_in_folder
from generator.models.gguf_header import GGUF_SUFFIX
from generator.models.index import ModelFile
from generator.models.safetensors_cache import open_as_safetensors
from generator.models.tensor_file import StoredTensors, TensorFile, TensorFiles
from generator.models.torch_to_safetensors import FACTS
from generator.reasons import reason_of

READ_ERRORS = (
    SafetensorError, RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError,
    AttributeError,
)  # fmt: skip


def read_tensors(path: Path, kept_in: Path | None = None) -> dict[str, Tensor]:
    """All tensors of a ``.safetensors`` file, or of a file of ``torch.save``.

    A pickle is converted by a process of its own, which runs nothing of it, and
    what comes of it is kept in the folder ``kept_in``; names at any depth are joined by dots.
    Raises :class:`ModelUnreadable` naming the file.
    """
    return _read_file(path, kept_in)[0]


def read_with_facts(
    path: Path, kept_in: Path | None = None
) -> tuple[dict[str, Tensor], dict[str, object]]:
    """The tensors of a file, and the words and numbers that a pickle holds beside them."""
    tensors, metadata = _read_file(path, kept_in)
    facts = json.loads(metadata.get(FACTS, "{}"))
    return tensors, facts if isinstance(facts, dict) else {}


def open_tensors(path: Path, kept_in: Path | None = None) -> TensorFile:
    """The tensors of a file as :func:`read_tensors` tells them, each read at its access.

    For weights that are copied once into networks: nothing of the file stays in memory. Raises
    :class:`ModelUnreadable` naming the file.
    """
    with _explain_read_errors(path):
        if path.suffix == ".safetensors":
            return TensorFile.open(path)
        with open_as_safetensors(path, kept_in) as file:
            return TensorFile.open(file, path.name)


def open_checkpoint(file: ModelFile) -> StoredTensors:
    """The tensors of a checkpoint, those of a folder of diffusers by their names in LDM's layout.

    Raises :class:`ModelUnreadable` naming the file, or the folder and the part.
    """
    if not file.parts:
        return open_tensors(file.path, file.kept_in)
    opened = {}
    for part in file.parts:
        with explain_part(file.path, part):
            opened[part] = TensorFile.open(part.path, title_of(file.path, part))
    names = names_in_folder(file.path, {part: each.shapes for part, each in opened.items()})
    return TensorFiles(
        {names[part][own]: (tensors, own) for part, tensors in opened.items() for own in tensors}
    )


def check_finite(name: str, tensors: Mapping[str, Tensor]) -> None:
    """Refuse weights with NaN or infinite numbers, whose pictures would be black.

    ``name`` is the file's. Raises :class:`ModelUnreadable` naming it and the tensor.
    """
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.element_size() > 1 and tensor.numel():
            least, most = tensor.aminmax()  # NaN passes through; much faster than to ask each
            if not (least.isfinite() and most.isfinite()):
                raise ModelUnreadable(
                    f"{name}: its {key[:80]} holds NaN or infinite numbers; copy the file again, "
                    "or take another"
                )


def _read_file(path: Path, kept_in: Path | None) -> tuple[dict[str, Tensor], dict[str, str]]:
    with _explain_read_errors(path):
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        with open_as_safetensors(path, kept_in) as file:
            return _read_safetensors(file)


@contextmanager
def _explain_read_errors(path: Path) -> Iterator[None]:
    if path.suffix.lower() == GGUF_SUFFIX:
        raise ModelUnreadable(
            f"{path.name} is quantised as GGUF, which Easel does not read. Take the model as "
            ".safetensors"
        )
    try:
        yield
    except FileNotFoundError as error:
        raise ModelUnreadable(f"{path.name}: the file is gone") from error
    except READ_ERRORS as error:
        raise ModelUnreadable(
            f"{path.name} cannot be read: {reason_of(error)}. The "
            "file is truncated, corrupt or no model; copy it again"
        ) from error


def read_metadata(path: Path) -> dict[str, str]:
    """The ``__metadata__`` of a safetensors file; empty for every other container."""
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise ModelUnreadable(f"{path.name} cannot be read: {reason_of(error)}") from error


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Name -> shape, which is what tells architectures apart."""
    if isinstance(tensors, StoredTensors):
        return tensors.shapes
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, "pt") as opened:  # checks the header
        facts = dict(opened.metadata() or {})
    file = TensorFile.open(path)  # get_tensor of safetensors 0.8.0 leaks two objects at each call
    return {name: file[name] for name in file}, facts
