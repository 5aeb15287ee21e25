"""What to write: a merge of two or three checkpoints, or one model in another form. No torch."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from generator.models.kinds import ModelKind


class MergeMode(StrEnum):
    """How A, B and C become one; the values are AUTOMATIC1111's words (contract 5.13)."""

    WEIGHTED_SUM = "Weighted sum"  # A (1 - M) + B M
    ADD_DIFFERENCE = "Add difference"  # A + M (B - C)
    NO_INTERPOLATION = "No interpolation"  # A, in another form


MODELS_OF_MODE = {
    MergeMode.WEIGHTED_SUM: 2,
    MergeMode.ADD_DIFFERENCE: 3,
    MergeMode.NO_INTERPOLATION: 1,
}


class Precision(StrEnum):
    """The numbers of the weights that are written."""

    KEEP = "keep"  # of each tensor what A has
    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"


class EmaChoice(StrEnum):
    """What becomes of the running averages (``model_ema.``) that a training keeps."""

    DROP = "drop"
    USE = "use"  # in place of the weights that were trained
    KEEP = "keep"


class ConfigSource(StrEnum):
    """Whose ``.yaml`` is copied beside the new file; AUTOMATIC1111's words."""

    ANY = "A, B or C"  # the first that has one
    B = "B"
    C = "C"
    NONE = "Don't"


@dataclass(frozen=True, slots=True)
class OutputForm:
    """The form of the file that is written."""

    precision: Precision = Precision.KEEP
    ema: EmaChoice = EmaChoice.DROP
    vae: str = ""  # name of the VAE file that is baked in; "": A's own stays
    discard: str = ""  # a regular expression: tensors whose name it finds are left out
    config: ConfigSource = ConfigSource.ANY


@dataclass(frozen=True, slots=True)
class ModelRecipe:
    """One model to write into the first folder of its kind. ``models`` are names: A, B, C."""

    models: tuple[str, ...]
    mode: MergeMode = MergeMode.NO_INTERPOLATION
    multiplier: float = 0.3
    name: str = ""  # without suffix; "": see ``names``
    form: OutputForm = field(default_factory=OutputForm)
    kind: ModelKind = ModelKind.CHECKPOINT
    overwrite: bool = False
    note_recipe: bool = True  # in the metadata, as AUTOMATIC1111 does


@dataclass(frozen=True, slots=True)
class WrittenModel:
    """What came of a recipe. Nothing was written where ``interrupted``."""

    path: Path
    name: str  # relative to the folder of its kind
    size: int  # bytes
    seconds: float
    notes: tuple[str, ...] = ()
    interrupted: bool = False


def describe_written(model: WrittenModel) -> dict[str, object]:
    """What is told of it, without the folder that it lies in."""
    return {
        "name": model.name,
        "size": model.size,
        "seconds": round(model.seconds, 2),
        "notes": list(model.notes),
        "interrupted": model.interrupted,
    }
