"""Reads the tensors of a model file, whatever container they are in."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from generator.errors import ModelUnreadable
from generator.models.unpickling import load_inertly

BROKEN = (
    SafetensorError, UnpicklingError, RuntimeError, EOFError, OSError, ValueError, LookupError,
    TypeError, AttributeError,
)  # fmt: skip


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a ``.safetensors`` file, or of a file of ``torch.save``.

    Tensors of a safetensors file are views of the mapped file: copy what you keep, for a file
    that is replaced in place would change them. Pickles are read with an allow-list, so no code of
    theirs runs. Raises :class:`ModelUnreadable` naming the file.
    """
    reader = _read_safetensors if path.suffix == ".safetensors" else _read_pickle
    try:
        return reader(path)
    except FileNotFoundError as error:
        raise ModelUnreadable(f"{path.name}: the file is gone ({path})") from error
    except BROKEN as error:
        raise ModelUnreadable(
            f"{path.name} cannot be read: {_first_line(error)}. The file is truncated, corrupt or "
            f"no model; copy it again to {path}"
        ) from error


def read_metadata(path: Path) -> dict[str, str]:
    """The ``__metadata__`` of a safetensors file; empty for every other container."""
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise ModelUnreadable(f"{path.name} cannot be read: {_first_line(error)}") from error


def shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Name -> shape, which is what tells architectures apart."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:  # it names a class of somebody's trainer
        loaded = load_inertly(path)
    while isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping):
        raise ValueError(f"it holds a {type(loaded).__name__}, not named tensors")
    tensors = dict(_named("", loaded))
    if not tensors:
        raise ValueError("it holds no tensors")
    return tensors


def _named(prefix: str, found: object) -> Iterator[tuple[str, Tensor]]:
    """Tensors at any depth of dictionaries and lists, their keys joined by dots."""
    if isinstance(found, Tensor):
        yield prefix, found.detach()
    elif isinstance(found, Mapping | nn.ParameterDict | list | tuple):
        entries = enumerate(found) if isinstance(found, list | tuple) else found.items()
        for key, value in entries:
            yield from _named(f"{prefix}.{key}" if prefix else str(key), value)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
