"""Model lists of AUTOMATIC1111's API, and their refresh."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify
from typing_extensions import TypedDict

from generator.control.units import DEFAULT_UNIT_COUNT
from generator.errors import ModelNotFound
from generator.models.embedding_facts import EmbeddingFacts
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.pictures.upscaler_names import (
    LATENT_UPSCALERS,
    PLAIN_UPSCALERS,
    label_of,
    upscaler_files,
)
from generator.prompt.styles import read_styles, unread_styles
from generator.sampling.names import SAMPLER_NAMES, SCHEDULE_NAMES
from webapp.access.scopes import AccessScope, requires
from webapp.errors import Refused
from webapp.http.openapi import NULL_SCHEMA, RouteNote, with_note
from webapp.plugins.model_registry import folders_of
from webapp.plugins.plugin_catalogue import form_arguments
from webapp.requests import scripts_info
from webapp.services import Services
from webapp.settings.data_dir import styles_files
from webapp.settings.flags import FLAGS, Flag

if TYPE_CHECKING:
    from webapp.settings.config import Config


PUBLIC_FLAGS = frozenset(
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

REPEATED_FLAGS = frozenset({"styles-file"})  # flags that repeat in AUTOMATIC1111 too
PUBLIC_FOLDERS = MappingProxyType(
    {
        "embeddings-dir": ModelKind.EMBEDDING,
        "hypernetwork-dir": ModelKind.HYPERNETWORK,
        "lora-dir": ModelKind.LORA,
    }
)
"""Folders that AUTOMATIC1111 names among its flags wherever they are."""


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


class StyleEntry(TypedDict):
    """A named piece of prompts."""

    name: str
    prompt: str
    negative_prompt: str


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("models", __name__, url_prefix="/sdapi/v1")
    add_model_files(routes, services)
    add_embeddings(routes, services)
    add_sampling(routes, services)
    add_upscalers(routes, services)
    add_scripts(routes, services)
    add_styles_and_flags(routes, services)
    add_refreshes(routes, services)
    return routes


def add_model_files(routes: Blueprint, services: Services) -> None:
    """Checkpoints, VAEs, LoRAs and hypernetworks."""

    @routes.get("/sd-models")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Checkpoints", answer=list[CheckpointEntry]))
    def sd_models() -> Response:
        """Every checkpoint; hashes are null until they are known."""
        return jsonify([checkpoint_json(file) for file in files_of(services, ModelKind.CHECKPOINT)])

    @routes.get("/sd-vae")
    @requires(AccessScope.READ)
    @with_note(RouteNote("VAEs", answer=list[VaeEntry]))
    def sd_vae() -> Response:
        """Every VAE file, by its name with suffix."""
        return jsonify(
            [
                {"model_name": f.vae_name, "filename": str(f.path)}
                for f in files_of(services, ModelKind.VAE)
            ]
        )

    @routes.get("/loras")
    @requires(AccessScope.READ)
    @with_note(RouteNote("LoRAs", answer=list[LoraEntry]))
    def loras() -> Response:
        """Every LoRA with what its file says of itself."""
        return jsonify(
            [
                {"name": f.stem, "alias": f.alias, "path": str(f.path), "metadata": f.facts}
                for f in files_of(services, ModelKind.LORA)
            ]
        )

    @routes.get("/hypernetworks")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Hypernetworks", answer=list[HypernetworkEntry]))
    def hypernetworks() -> Response:
        """Every hypernetwork."""
        return jsonify(
            [
                {"name": f.stem, "path": str(f.path)}
                for f in files_of(services, ModelKind.HYPERNETWORK)
            ]
        )


def add_embeddings(routes: Blueprint, services: Services) -> None:
    """Embeddings, by whether they fit."""

    @routes.get("/embeddings")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Textual inversion embeddings", answer=EmbeddingLists))
    def embeddings() -> Response:
        """Every embedding: those that fit the chosen checkpoint, and the others as ``skipped``."""
        width = selected_text_width(services)
        entries: EmbeddingLists = {"loaded": {}, "skipped": {}}
        for file in files_of(services, ModelKind.EMBEDDING):
            facts = file.embedding
            fits = facts.width is not None and width in (None, facts.width)
            entries["loaded" if fits else "skipped"].setdefault(file.stem, embedding_json(facts))
        return jsonify(entries)


def add_sampling(routes: Blueprint, services: Services) -> None:
    """Samplers and noise schedules."""

    @routes.get("/samplers")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Samplers", answer=list[SamplerEntry]))
    def samplers() -> Response:
        """Every sampler in AUTOMATIC1111's order, then those of plugins."""
        return jsonify(
            [
                {"name": s.name, "aliases": list(s.aliases), "options": dict(s.options)}
                for s in SAMPLER_NAMES
            ]
            + [
                {"name": name, "aliases": [], "options": {}}
                for name in plugin_choices(services, "samplers")
            ]
        )

    @routes.get("/schedulers")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Noise schedules", answer=list[SchedulerEntry]))
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
                for name in plugin_choices(services, "schedules")
            ]
        )


def add_upscalers(routes: Blueprint, services: Services) -> None:
    """Ways to enlarge and mend pictures."""

    @routes.get("/upscalers")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Upscalers", answer=list[UpscalerEntry]))
    def upscalers() -> Response:
        """The three that need no weights, then those of the files."""
        built_in = [upscaler_json(name, None, None) for name in PLAIN_UPSCALERS]
        files = upscaler_files(services.registry)
        own = [upscaler_json(label_of(file), file.stem, str(file.path)) for file in files]
        return jsonify(
            built_in
            + own
            + [upscaler_json(name, None, None) for name in plugin_choices(services, "upscalers")]
        )

    @routes.get("/latent-upscale-modes")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Ways to enlarge a latent", answer=list[NamedEntry]))
    def latent_upscale_modes() -> Response:
        """The six of the contract."""
        return jsonify([{"name": name} for name in LATENT_UPSCALERS])

    @routes.get("/face-restorers")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Face restorers", answer=list[NamedEntry]))
    def face_restorers() -> Response:
        """None yet."""
        return jsonify([])

    @routes.get("/realesrgan-models")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Real-ESRGAN models", answer=list[RealEsrganEntry]))
    def realesrgan_models() -> Response:
        """The files under models/RealESRGAN."""
        own = [f for f in files_of(services, ModelKind.UPSCALER) if "RealESRGAN" in f.path.parts]
        return jsonify([{"name": label_of(f), "path": str(f.path), "scale": 4} for f in own])


def add_scripts(routes: Blueprint, services: Services) -> None:
    """Scripts and their arguments."""

    @routes.get("/scripts")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Scripts by the names that requests use", answer=dict[str, list[str]]))
    def scripts() -> Response:
        """The selectable ones, then those of ``alwayson_scripts``."""
        return jsonify(scripts_info.scripts_by_route(plugin_scripts(services)))

    @routes.get("/script-info")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Arguments of the scripts", answer=list[scripts_info.ScriptInfo]))
    def script_info() -> Response:
        """Every script's arguments by position."""
        units = services.options.get().get("control_net_unit_count", DEFAULT_UNIT_COUNT)
        choices = scripts_info.InstalledChoices(
            checkpoints=tuple(file.title for file in files_of(services, ModelKind.CHECKPOINT)),
            upscalers=(
                *PLAIN_UPSCALERS,
                *(file.stem for file in files_of(services, ModelKind.UPSCALER)),
                *plugin_choices(services, "upscalers"),
            ),
            units=int(str(units)),
            plugin_scripts=plugin_scripts(services),
        )
        return jsonify(scripts_info.script_info(choices))


def add_styles_and_flags(routes: Blueprint, services: Services) -> None:
    """Styles of prompts, and the flags of this service."""

    @routes.get("/prompt-styles")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Named pieces of prompts", answer=list[StyleEntry]))
    def prompt_styles() -> Response:
        """The styles of styles.csv, read afresh; 422 with the reason where no file can be read."""
        styles = styles_json(services)
        reasons = [] if styles else unread_styles(styles_files(services.config))
        if reasons:
            raise Refused(" ".join(reasons))
        return jsonify(styles)

    @routes.get("/cmd-flags")
    @requires(AccessScope.READ)
    @with_note(RouteNote("The flags that the service was started with", answer=dict[str, object]))
    def cmd_flags() -> Response:
        """Every flag by its name with underscores; null for one that is not to be told."""
        return jsonify(flags_json(services.config))


def add_refreshes(routes: Blueprint, services: Services) -> None:
    """A scan of the model folders, under the name of each kind."""

    @routes.post("/refresh-checkpoints")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("Look at the model folders again", answer=NULL_SCHEMA))
    def refresh_checkpoints() -> Response:
        """Scan now, for folders that nobody watches."""
        return refresh_registry(services)

    @routes.post("/refresh-vae")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("Look at the model folders again", answer=NULL_SCHEMA))
    def refresh_vae() -> Response:
        """Scan now."""
        return refresh_registry(services)

    @routes.post("/refresh-loras")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("Look at the model folders again", answer=NULL_SCHEMA))
    def refresh_loras() -> Response:
        """Scan now."""
        return refresh_registry(services)

    @routes.post("/refresh-embeddings")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("Look at the model folders again", answer=NULL_SCHEMA))
    def refresh_embeddings() -> Response:
        """Scan now."""
        return refresh_registry(services)


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


def selected_text_width(services: Services) -> int | None:
    """How wide the text of the checkpoint is that the options choose; None where none tells."""
    try:
        name = str(services.options.get().get("sd_model_checkpoint") or "")
        file = services.registry.find_chosen(name)
    except ModelNotFound:
        return None
    return services.registry.text_width(file)


def embedding_json(facts: EmbeddingFacts) -> EmbeddingEntry:
    """One entry; ``shape`` is the width, as AUTOMATIC1111 has it."""
    return {
        "step": facts.step,
        "sd_checkpoint": facts.checkpoint,
        "sd_checkpoint_name": facts.checkpoint_name,
        "shape": facts.width,
        "vectors": facts.vectors,
    }


def plugin_choices(services: Services, kind: str) -> tuple[str, ...]:
    """Names of one kind that plugins provide."""
    return services.plugins.choices(kind)


def upscaler_json(name: str, model: str | None, path: str | None) -> UpscalerEntry:
    """One entry of the list of upscalers."""
    return {"name": name, "model_name": model, "model_path": path, "model_url": None, "scale": 4.0}


def plugin_scripts(services: Services) -> scripts_info.PluginScripts:
    """Scripts that plugins bring, and panels that have fields."""
    web_plugins = services.plugins
    panels = {
        name: form_arguments(form) for name, form in web_plugins.panel_forms().items() if form
    }
    return scripts_info.PluginScripts(web_plugins.scripts, panels)


def styles_json(services: Services) -> list[StyleEntry]:
    """Every style, as AUTOMATIC1111 lists them."""
    styles = read_styles(styles_files(services.config))
    return [
        {"name": s.name, "prompt": s.prompt, "negative_prompt": s.negative_prompt}
        for s in styles.values()
    ]


def flags_json(config: "Config") -> dict[str, object]:
    """The value of every flag by each of its names."""
    return {
        name.replace("-", "_"): flag_value(flag, config)
        for flag in FLAGS
        for name in (flag.name, *flag.aliases)
    }


def flag_value(flag: Flag, config: "Config") -> object:
    """A flag's value as JSON; null for one that was not given or must not be told."""
    if not flag.is_supported:
        return f"--{flag.name}" in config.ignored if flag.kind == "switch" else None
    if flag.secret or flag.name not in PUBLIC_FLAGS:
        return None
    value = getattr(config, flag.field)
    if flag.kind == "paths" and flag.name not in REPEATED_FLAGS:
        return folder_value(flag, value, config)
    return value == flag.value if flag.kind == "switch" else to_json_value(value)


def folder_value(flag: Flag, paths: tuple[Path, ...], config: "Config") -> object:
    """A folder of models as AUTOMATIC1111 tells it: by itself, also where no flag names it."""
    kind = PUBLIC_FOLDERS.get(flag.name)
    folders = paths or (folders_of(config).of(kind)[:1] if kind else ())
    return to_json_value(folders) if len(folders) > 1 else next(map(str, folders), None)


def to_json_value(value: object) -> object:
    """Paths and tuples as JSON knows them."""
    if isinstance(value, tuple):
        return [to_json_value(part) for part in value]
    return str(value) if isinstance(value, Path) else value


def refresh_registry(services: Services) -> Response:
    """The registry after a scan; one scan serves all kinds.

    Every job that is put after it is drawn with what was found: it tells the workers to look again.
    """
    services.registry.refresh_still()
    return jsonify(None)
