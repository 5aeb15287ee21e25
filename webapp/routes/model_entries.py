"""The entries of AUTOMATIC1111's model lists."""

from collections.abc import Mapping

from typing_extensions import TypedDict

from generator.models.embedding_facts import EmbeddingFacts
from generator.models.families.family import Family
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from webapp.services import Services


def files_of(services: Services, kind: ModelKind) -> tuple[ModelFile, ...]:
    """The files of one kind at this moment."""
    return services.registry.index.files_of(kind)


class CheckpointEntry(TypedDict):
    """A checkpoint; hashes are null until they are known."""

    title: str
    model_name: str
    hash: str | None
    sha256: str | None
    filename: str
    config: str | None


class CheckpointKind(TypedDict):
    """What a checkpoint is; ``architecture`` is null where only loading it would tell."""

    title: str
    filename: str
    architecture: str | None
    weight_format: str | None  # null: plain numbers
    can_draw: bool  # false: choosing it is 422


class VaeEntry(TypedDict):
    """A VAE file."""

    model_name: str
    filename: str


class LoraEntry(TypedDict):
    """A LoRA; ``metadata`` is what its file says of itself."""

    name: str
    alias: str
    path: str
    metadata: Mapping[str, object]


class HypernetworkEntry(TypedDict):
    """A hypernetwork."""

    name: str
    path: str


class EmbeddingEntry(TypedDict):
    """An embedding; ``shape`` is its width."""

    step: int | None
    sd_checkpoint: str | None
    sd_checkpoint_name: str | None
    shape: int | None
    vectors: int | None


class EmbeddingLists(TypedDict):
    """Embeddings by name: those that fit the chosen checkpoint, and the others."""

    loaded: dict[str, EmbeddingEntry]
    skipped: dict[str, EmbeddingEntry]


class SamplerEntry(TypedDict):
    """A sampler."""

    name: str
    aliases: list[str]
    options: dict[str, str]


class SchedulerEntry(TypedDict):
    """A noise schedule."""

    name: str
    label: str
    aliases: list[str] | None
    default_rho: float
    need_inner_model: bool


class UpscalerEntry(TypedDict):
    """An upscaler; those without weights have neither model nor path."""

    name: str
    model_name: str | None
    model_path: str | None
    model_url: str | None
    scale: float


class RealEsrganEntry(TypedDict):
    """A Real-ESRGAN file."""

    name: str
    path: str
    scale: int


class NamedEntry(TypedDict):
    """Something that has a name alone."""

    name: str


class FaceRestorerEntry(TypedDict):
    """A restorer of faces; its folder is not told."""

    name: str
    cmd_dir: str | None


class StyleEntry(TypedDict):
    """A named piece of prompts."""

    name: str
    prompt: str
    negative_prompt: str


def checkpoint_json(file: ModelFile) -> CheckpointEntry:
    """One entry of the list of checkpoints."""
    return {
        "title": file.title,
        "model_name": file.model_name,
        "hash": file.shorthash,
        "sha256": file.sha256,
        "filename": str(file.path),
        "config": str(file.config) if file.config else None,
    }


def checkpoint_kind_json(file: ModelFile, family: Family | None) -> CheckpointKind:
    """What one checkpoint is, in words; ``family`` is the plugin's that draws with it."""
    kind = family or file.architecture
    return {
        "title": file.title,
        "filename": str(file.path),
        "architecture": kind.label if kind else None,
        "weight_format": file.weight_format.label if file.weight_format else None,
        "can_draw": file.is_drawable or family is not None,
    }


def checkpoint_kinds_json(services: Services) -> list[CheckpointKind]:
    """What each checkpoint is."""
    return [
        checkpoint_kind_json(file, services.registry.plugin_family_of(file))
        for file in files_of(services, ModelKind.CHECKPOINT)
    ]


def embedding_json(facts: EmbeddingFacts) -> EmbeddingEntry:
    """One entry; ``shape`` is the width, as AUTOMATIC1111 has it."""
    return {
        "step": facts.step,
        "sd_checkpoint": facts.checkpoint,
        "sd_checkpoint_name": facts.checkpoint_name,
        "shape": facts.width,
        "vectors": facts.vectors,
    }


def upscaler_json(name: str, model: str | None, path: str | None) -> UpscalerEntry:
    """One entry of the list of upscalers."""
    return {"name": name, "model_name": model, "model_path": path, "model_url": None, "scale": 4.0}
