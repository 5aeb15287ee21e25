"""The bodies of merging and converting models, and the recipes that they become."""

from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from generator.errors import BadRequest
from generator.model_tools.recipes import (
    ConfigSource,
    EmaChoice,
    MergeMode,
    ModelRecipe,
    OutputForm,
    Precision,
)
from generator.models.kinds import ModelKind
from webapp.requests.coercion import Bool, Float, Str

MAX_NAME = 1000  # characters
CONVERTIBLE = (ModelKind.CHECKPOINT, ModelKind.VAE, ModelKind.LORA, ModelKind.CONTROLNET)
Name = Annotated[Str, Field(max_length=MAX_NAME)]
Choice = TypeVar("Choice", bound=StrEnum)


class OutputFormFields(BaseModel):
    """The file that is written. Unknown fields are refused: a misspelt one costs gigabytes."""

    model_config = ConfigDict(extra="forbid")

    name: Name = ""
    precision: Str = Precision.KEEP
    ema: Str = EmaChoice.DROP
    vae: Name = ""
    discard: Name = ""
    config: Str = ConfigSource.ANY
    overwrite: Bool = False
    id_task: Name | None = None


class MergeBody(OutputFormFields):
    """Two or three checkpoints to merge: A, B, C."""

    models: list[Name] = Field(min_length=1, max_length=3)
    mode: Str = MergeMode.WEIGHTED_SUM
    multiplier: Float = 0.3


class ConvertBody(OutputFormFields):
    """One model to write as safetensors, in another form."""

    model: Name
    kind: Str = ModelKind.CHECKPOINT


def read_merge(body: MergeBody) -> ModelRecipe:
    """The recipe of a merge. Raises :class:`BadRequest` naming the field."""
    return ModelRecipe(
        models=tuple(body.models),
        mode=choose(MergeMode, "mode", body.mode),
        multiplier=body.multiplier,
        name=body.name,
        form=output_form(body),
        overwrite=body.overwrite,
    )


def read_conversion(body: ConvertBody) -> ModelRecipe:
    """The recipe of a conversion. Raises :class:`BadRequest` naming the field."""
    kind = choose(ModelKind, "kind", body.kind)
    if kind not in CONVERTIBLE:
        raise BadRequest(f"kind: {kind} is not converted; {', '.join(CONVERTIBLE)} are", "kind")
    return ModelRecipe(
        models=(body.model,),
        name=body.name,
        form=output_form(body),
        kind=kind,
        overwrite=body.overwrite,
        note_recipe=False,
    )


def output_form(body: OutputFormFields) -> OutputForm:
    """The form of the file."""
    return OutputForm(
        precision=choose(Precision, "precision", body.precision),
        ema=choose(EmaChoice, "ema", body.ema),
        vae="" if body.vae == "None" else body.vae,
        discard=body.discard,
        config=choose(ConfigSource, "config", body.config),
    )


def choose(choices: type[Choice], field: str, text: str) -> Choice:
    """A choice by its words, in any case, spaces as hyphens or not. Raises :class:`BadRequest`."""
    wanted = text.strip().lower().replace("-", " ")
    for choice in choices:
        if wanted in (choice.lower(), choice.lower().replace("_", " ")):
            return choice
    known = ", ".join(repr(str(choice)) for choice in choices)
    raise BadRequest(f"{field}: {text[:MAX_NAME]!r} is none of {known}", field)
