"""Which tensors a new model has, and what each is made of. Reads no weights, no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import regex

from generator.errors import BadRequest, ModelUnreadable
from generator.model_tools.averages import choose_weights
from generator.model_tools.baked_vae import bake_vae
from generator.model_tools.fit import (
    check_fit,
    is_mergeable,
)
from generator.model_tools.recipes import ModelRecipe, Precision
from generator.model_tools.sources import SourceModel
from generator.models.families.ldm.keys import old_text_name
from generator.models.header import BITS, TensorEntry

DTYPES = {Precision.FP32: "F32", Precision.FP16: "F16", Precision.BF16: "BF16"}
FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")
SECONDS_A_NAME = 0.05  # that a regular expression may search in one name
LONGEST_EXPRESSION = 1000


class TensorPart(NamedTuple):
    """A tensor of one of the open files, by that file's place among them."""

    source: int
    entry: TensorEntry


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """A tensor to write: of ``parts`` the first, or all of them merged."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    parts: tuple[TensorPart, ...]


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """All tensors in the order in which they are written, and what there is to say of them."""

    tensors: tuple[OutputTensor, ...]
    wider_input: int | None  # input channels of A, where those of B are fewer
    notes: tuple[str, ...]


def plan_output(
    recipe: ModelRecipe, models: Sequence[SourceModel], vae: SourceModel | None
) -> OutputPlan:
    """What to write. ``vae`` follows the models among the open files.

    Raises :class:`WrongArchitecture` for files that do not fit, :class:`BadRequest` for a form
    that cannot be.
    """
    wider = check_fit([(source.file.name, _shapes(source.tensors)) for source in models])
    first = models[0]
    weights, notes = choose_weights(first.file.name, first.tensors, recipe.form.ema)
    parts = {name: _merge_parts(name, entry, models) for name, entry in weights.items()}
    if vae is not None:
        baked = bake_vae(vae.file.name, vae.tensors, weights)
        place = len(models)
        parts.update({name: (TensorPart(place, entry),) for name, entry in baked.items()})
        notes.append(f"The VAE is that of {vae.file.name}.")
    parts = {name: parts[name] for name in _without_discarded(parts, recipe.form.discard, notes)}
    _note_unmerged(parts, models, notes)
    names = _names_in_file(models[0])
    tensors = [_output(names.get(name, name), part, recipe) for name, part in parts.items()]
    if not tensors:
        raise BadRequest("discard: nothing is left of the model", "discard")
    tensors.sort(key=lambda tensor: (-BITS[tensor.dtype], tensor.name))
    return OutputPlan(tuple(tensors), wider, tuple(notes))


def _shapes(tensors: Mapping[str, TensorEntry]) -> dict[str, tuple[int, ...]]:
    return {name: entry.shape for name, entry in tensors.items()}


def _names_in_file(source: SourceModel) -> dict[str, str]:
    """The names that A's file has, which the new one keeps, by those that all are known by."""
    return {old_text_name(name): name for name in source.header.tensors}


def _merge_parts(
    name: str, entry: TensorEntry, models: Sequence[SourceModel]
) -> tuple[TensorPart, ...]:
    """A's tensor, with those of B and C where it changes."""
    own = TensorPart(0, entry)
    others = models[1:]
    if not others or not is_mergeable(name) or name not in others[0].tensors:
        return (own,)
    entries = [source.tensors.get(name) for source in others]
    present = [each for each in entries if each is not None]
    if len(present) < len(others) or any(e.dtype not in FLOATS for e in (entry, *present)):
        return (own,)  # without one of B and C their difference is none
    return (own, *(TensorPart(place, each) for place, each in enumerate(present, 1)))


def _without_discarded(names: Mapping[str, object], expression: str, notes: list[str]) -> list[str]:
    """The names in which the expression is not found. Raises :class:`BadRequest`."""
    if not expression:
        return list(names)
    if len(expression) > LONGEST_EXPRESSION:
        raise BadRequest(f"discard: at most {LONGEST_EXPRESSION} characters", "discard")
    try:
        pattern = regex.compile(expression)
        kept = [name for name in names if not pattern.search(name, timeout=SECONDS_A_NAME)]
    except regex.error as error:
        raise BadRequest(f"discard: no regular expression: {error.msg}", "discard") from None
    except TimeoutError:
        raise BadRequest("discard: the expression takes too long to search", "discard") from None
    notes.append(f"{len(names) - len(kept)} tensors were left out, as asked.")
    return kept


def _note_unmerged(
    parts: Mapping[str, Sequence[TensorPart]],
    models: Sequence[SourceModel],
    notes: list[str],
) -> None:
    if len(models) == 1:
        return
    kept = sum(
        len(part) == 1 and part[0].source == 0 and is_mergeable(n) for n, part in parts.items()
    )
    if kept:
        others = models[1].file.name if len(models) == 2 else "B and C"
        notes.append(f"{kept} tensors are as in {models[0].file.name}: {others} lack them.")


def _output(name: str, parts: tuple[TensorPart, ...], recipe: ModelRecipe) -> OutputTensor:
    entry = parts[0].entry
    if entry.dtype not in BITS:
        raise ModelUnreadable(f"{name[:80]}: numbers of the kind {entry.dtype[:20]!r} are unknown")
    return OutputTensor(name, _dtype(name, entry, recipe), entry.shape, parts)


def _dtype(name: str, entry: TensorEntry, recipe: ModelRecipe) -> str:
    """The type to write: single numbers and the schedule's tables keep theirs."""
    is_weight = entry.dtype in FLOATS and entry.shape not in ((), (1,)) and "." in name
    wanted = DTYPES.get(recipe.form.precision)
    return wanted if wanted and is_weight else entry.dtype
