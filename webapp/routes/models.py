"""What there is to choose from: the lists of AUTOMATIC1111's API, and their refreshing."""

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify

from generator.control.units import UNITS
from generator.errors import ModelNotFound
from generator.models.embedding_facts import EmbeddingFacts
from generator.models.index import ModelFile
from generator.models.kinds import Kind
from generator.pictures.upscaler_names import (
    LATENT_UPSCALERS,
    PLAIN_UPSCALERS,
    label,
    listed,
)
from generator.prompt.styles import read_styles, unread_styles
from generator.sampling.names import SAMPLER_NAMES, SCHEDULE_NAMES
from webapp import scripts_info
from webapp.errors import Refused
from webapp.flags import FLAGS, Flag
from webapp.openapi import NULL, Note, described
from webapp.places import styles_files
from webapp.plugin_tools import arguments
from webapp.routes.context import services
from webapp.scopes import Scope, allowed
from webapp.shelves import folders_of

if TYPE_CHECKING:
    from webapp.config import Config

models = Blueprint("models", __name__, url_prefix="/sdapi/v1")

LIST = {"type": "array", "items": {"type": "object"}}
OBJECT = {"type": "object"}
TOLD = frozenset(
    flag.name
    for flag in FLAGS
    if flag.kind == "switch" or flag.name in {
        "server-name", "port", "subpath", "tls-certfile", "cors-allow-origins",
        "cors-allow-origins-regex", "data-dir", "models-dir", "mount-path", "ckpt-dir", "vae-dir",
        "lora-dir", "embeddings-dir", "hypernetwork-dir", "controlnet-dir", "styles-file", "ckpt",
        "watch", "device", "threads", "upload-largest", "upload-quota", "upload-spare",
        "upload-keep", "trash-days",
    }
)  # fmt: skip
"""Flags whose values a caller may see; of all others it sees null."""

LISTED = frozenset({"styles-file"})  # flags that repeat in AUTOMATIC1111 too
TOLD_FOLDERS = MappingProxyType(
    {
        "embeddings-dir": Kind.EMBEDDING,
        "hypernetwork-dir": Kind.HYPERNETWORK,
        "lora-dir": Kind.LORA,
    }
)
"""Folders that AUTOMATIC1111 names among its flags wherever they are."""


def of(kind: Kind) -> tuple[ModelFile, ...]:
    """The files of one kind at this moment."""
    return services().registry.index.of(kind)


@models.get("/sd-models")
@allowed(Scope.READ)
@described(Note("Checkpoints", answer=LIST))
def sd_models() -> Response:
    """Every checkpoint; hashes are null until they are known."""
    return jsonify([checkpoint(file) for file in of(Kind.CHECKPOINT)])


def checkpoint(file: ModelFile) -> dict[str, object]:
    """One entry of the list of checkpoints."""
    return {
        "title": file.title,
        "model_name": file.model_name,
        "hash": file.shorthash,
        "sha256": file.sha256,
        "filename": str(file.path),
        "config": str(file.config) if file.config else None,
    }


@models.get("/sd-vae")
@allowed(Scope.READ)
@described(Note("VAEs", answer=LIST))
def sd_vae() -> Response:
    """Every VAE file, by its name with suffix."""
    return jsonify([{"model_name": f.vae_name, "filename": str(f.path)} for f in of(Kind.VAE)])


@models.get("/loras")
@allowed(Scope.READ)
@described(Note("LoRAs", answer=LIST))
def loras() -> Response:
    """Every LoRA with what its file says of itself."""
    return jsonify(
        [
            {"name": f.stem, "alias": f.alias, "path": str(f.path), "metadata": f.facts}
            for f in of(Kind.LORA)
        ]
    )


@models.get("/hypernetworks")
@allowed(Scope.READ)
@described(Note("Hypernetworks", answer=LIST))
def hypernetworks() -> Response:
    """Every hypernetwork."""
    return jsonify([{"name": f.stem, "path": str(f.path)} for f in of(Kind.HYPERNETWORK)])


@models.get("/embeddings")
@allowed(Scope.READ)
@described(Note("Textual inversion embeddings", answer=OBJECT))
def embeddings() -> Response:
    """Every embedding: those that fit the chosen checkpoint, and the others as ``skipped``."""
    width = chosen_width()
    listed: dict[str, dict[str, object]] = {"loaded": {}, "skipped": {}}
    for file in of(Kind.EMBEDDING):
        facts = file.embedding
        fits = facts.width is not None and width in (None, facts.width)
        listed["loaded" if fits else "skipped"].setdefault(file.stem, embedding(facts))
    return jsonify(listed)


def chosen_width() -> int | None:
    """How wide the text of the checkpoint is that the options choose; None where none tells."""
    here = services()
    try:
        name = str(here.options.get().get("sd_model_checkpoint") or "")
        chosen = here.registry.find_chosen(name)
    except ModelNotFound:
        return None
    return here.registry.text_width(chosen)


def embedding(facts: EmbeddingFacts) -> dict[str, object]:
    """One entry; ``shape`` is the width, as AUTOMATIC1111 has it."""
    return {
        "step": facts.step,
        "sd_checkpoint": facts.checkpoint,
        "sd_checkpoint_name": facts.checkpoint_name,
        "shape": facts.width,
        "vectors": facts.vectors,
    }


@models.get("/samplers")
@allowed(Scope.READ)
@described(Note("Samplers", answer=LIST))
def samplers() -> Response:
    """Every sampler in AUTOMATIC1111's order, then those of plugins."""
    return jsonify(
        [
            {"name": s.name, "aliases": list(s.aliases), "options": dict(s.options)}
            for s in SAMPLER_NAMES
        ]
        + [{"name": name, "aliases": [], "options": {}} for name in brought("samplers")]
    )


@models.get("/schedulers")
@allowed(Scope.READ)
@described(Note("Noise schedules", answer=LIST))
def schedulers() -> Response:
    """Every schedule in AUTOMATIC1111's order."""
    return jsonify(
        [
            {
                "name": s.name,
                "label": s.label,
                "aliases": list(s.aliases) if s.aliases else None,
                "default_rho": s.default_rho,
                "need_inner_model": s.need_inner_model,
            }
            for s in SCHEDULE_NAMES
        ]
        + [
            {
                "name": name,
                "label": name,
                "aliases": None,
                "default_rho": -1.0,
                "need_inner_model": False,
            }
            for name in brought("schedules")
        ]
    )


def brought(kind: str) -> tuple[str, ...]:
    """Names of one kind that plugins provide."""
    return services().plugins.choices(kind)


@models.get("/upscalers")
@allowed(Scope.READ)
@described(Note("Upscalers", answer=LIST))
def upscalers() -> Response:
    """The three that need no weights, then those of the files."""
    built_in = [upscaler(name, None, None) for name in PLAIN_UPSCALERS]
    files = listed(services().registry)
    own = [upscaler(label(file), file.stem, str(file.path)) for file in files]
    return jsonify(built_in + own + [upscaler(name, None, None) for name in brought("upscalers")])


def upscaler(name: str, model: str | None, path: str | None) -> dict[str, object]:
    """One entry of the list of upscalers."""
    return {"name": name, "model_name": model, "model_path": path, "model_url": None, "scale": 4.0}


@models.get("/latent-upscale-modes")
@allowed(Scope.READ)
@described(Note("Ways to enlarge a latent", answer=LIST))
def latent_upscale_modes() -> Response:
    """The six of the contract."""
    return jsonify([{"name": name} for name in LATENT_UPSCALERS])


@models.get("/face-restorers")
@allowed(Scope.READ)
@described(Note("Face restorers", answer=LIST))
def face_restorers() -> Response:
    """None yet."""
    return jsonify([])


@models.get("/realesrgan-models")
@allowed(Scope.READ)
@described(Note("Real-ESRGAN models", answer=LIST))
def realesrgan_models() -> Response:
    """The files under models/RealESRGAN."""
    own = [f for f in of(Kind.UPSCALER) if "RealESRGAN" in f.path.parts]
    return jsonify([{"name": label(f), "path": str(f.path), "scale": 4} for f in own])


@models.get("/scripts")
@allowed(Scope.READ)
@described(Note("Scripts by the names that requests use", answer=OBJECT))
def scripts() -> Response:
    """The selectable ones, then those of ``alwayson_scripts``."""
    return jsonify(scripts_info.scripts(of_plugins()))


@models.get("/script-info")
@allowed(Scope.READ)
@described(Note("Arguments of the scripts", answer=LIST))
def script_info() -> Response:
    """Every script's arguments by position."""
    units = services().options.get().get("control_net_unit_count", UNITS)
    here = scripts_info.Here(
        checkpoints=tuple(file.title for file in of(Kind.CHECKPOINT)),
        upscalers=(
            *PLAIN_UPSCALERS,
            *(file.stem for file in of(Kind.UPSCALER)),
            *brought("upscalers"),
        ),
        units=int(str(units)),
        brought=of_plugins(),
    )
    return jsonify(scripts_info.script_info(here))


def of_plugins() -> scripts_info.Brought:
    """Scripts that plugins bring, and panels that have fields."""
    desk = services().plugins
    panels = {name: arguments(form) for name, form in desk.panels().items() if form}
    return scripts_info.Brought(desk.scripts, panels)


@models.get("/prompt-styles")
@allowed(Scope.READ)
@described(Note("Named pieces of prompts", answer=LIST))
def prompt_styles() -> Response:
    """The styles of styles.csv, read afresh; 422 with the reason where no file can be read."""
    styles = styles_told()
    reasons = [] if styles else unread_styles(styles_files(services().config))
    if reasons:
        raise Refused(" ".join(reasons))
    return jsonify(styles)


def styles_told() -> list[dict[str, str]]:
    """Every style, as AUTOMATIC1111 lists them."""
    found = read_styles(styles_files(services().config))
    return [
        {"name": s.name, "prompt": s.prompt, "negative_prompt": s.negative_prompt}
        for s in found.values()
    ]


@models.get("/cmd-flags")
@allowed(Scope.READ)
@described(Note("The flags that the service was started with", answer=OBJECT))
def cmd_flags() -> Response:
    """Every flag by its name with underscores; null for one that is not to be told."""
    return jsonify(flags_told(services().config))


def flags_told(config: "Config") -> dict[str, object]:
    """The value of every flag by each of its names."""
    return {
        name.replace("-", "_"): flag_value(flag, config)
        for flag in FLAGS
        for name in (flag.name, *flag.aliases)
    }


def flag_value(flag: Flag, config: "Config") -> object:
    """A flag's value as JSON; null for one that was not given or must not be told."""
    if not flag.works:
        return f"--{flag.name}" in config.ignored if flag.kind == "switch" else None
    if flag.secret or flag.name not in TOLD:
        return None
    value = getattr(config, flag.field)
    if flag.kind == "paths" and flag.name not in LISTED:
        return folder(flag, value, config)
    return value == flag.value if flag.kind == "switch" else plain(value)


def folder(flag: Flag, given: tuple[Path, ...], config: "Config") -> object:
    """A folder of models as AUTOMATIC1111 tells it: by itself, also where no flag names it."""
    kind = TOLD_FOLDERS.get(flag.name)
    folders = given or (folders_of(config).of(kind)[:1] if kind else ())
    return plain(folders) if len(folders) > 1 else next(map(str, folders), None)


def plain(value: object) -> object:
    """Paths and tuples as JSON knows them."""
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value


@models.post("/refresh-checkpoints")
@allowed(Scope.GENERATE)
@described(Note("Look at the model folders again", answer=NULL))
def refresh_checkpoints() -> Response:
    """Scan now, for folders that nobody watches."""
    return refreshed()


@models.post("/refresh-vae")
@allowed(Scope.GENERATE)
@described(Note("Look at the model folders again", answer=NULL))
def refresh_vae() -> Response:
    """Scan now."""
    return refreshed()


@models.post("/refresh-loras")
@allowed(Scope.GENERATE)
@described(Note("Look at the model folders again", answer=NULL))
def refresh_loras() -> Response:
    """Scan now."""
    return refreshed()


@models.post("/refresh-embeddings")
@allowed(Scope.GENERATE)
@described(Note("Look at the model folders again", answer=NULL))
def refresh_embeddings() -> Response:
    """Scan now."""
    return refreshed()


def refreshed() -> Response:
    """The registry after a scan; one scan serves all kinds.

    Every job that is put after it is drawn with what was found: it tells the workers to look again.
    """
    services().registry.refresh_still()
    return jsonify(None)
