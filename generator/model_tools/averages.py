"""Weights without what a training keeps: running averages (EMA), its state. No torch."""

from collections.abc import Mapping

from generator.errors import BadRequest
from generator.model_tools.recipes import EmaChoice
from generator.models.header import TensorEntry

EMA = "model_ema."
TRAINED = "model."  # what ``model_ema.`` has averages of, their names without dots
TRAINING_STATE = ("optimizer", "lr_schedulers.", "callbacks.", "loops.", "ema_state.")
"""Beginnings of the names of what a training keeps to go on with."""


def choose_weights(
    file: str, tensors: Mapping[str, TensorEntry], ema: EmaChoice
) -> tuple[dict[str, TensorEntry], list[str]]:
    """The weights of ``file`` with its running averages as asked, and what there is to say.

    Raises :class:`BadRequest` where averages are to be used and there are none.
    """
    averages = {name: each for name, each in tensors.items() if name.startswith(EMA)}
    state = [name for name in tensors if name.startswith(TRAINING_STATE)]
    weights = {
        name: entry
        for name, entry in tensors.items()
        if name not in averages and not name.startswith(TRAINING_STATE)
    }
    notes = [f"{len(state)} tensors of a training's state were left out."] if state else []
    if ema is EmaChoice.KEEP:
        return weights | averages, notes
    if ema is EmaChoice.DROP:
        dropped = [f"{len(averages)} running averages (model_ema.) were left out."]
        return weights, notes + dropped * bool(averages)
    found = {
        name: averages[short]
        for name, entry in weights.items()
        if (short := average_name(name)) in averages and averages[short].shape == entry.shape
    }
    if not found:
        raise BadRequest(f"ema: {file} keeps no running averages (model_ema.): choose drop", "ema")
    return weights | found, [*notes, f"{len(found)} tensors are the training's running averages."]


def average_name(name: str) -> str:
    """The name of the running average of a tensor; "" for what has none."""
    if not name.startswith(TRAINED):
        return ""
    return EMA + name.removeprefix(TRAINED).replace(".", "")
