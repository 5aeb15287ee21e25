"""Model lists of AUTOMATIC1111's API, and their refresh."""

from flask import Blueprint, Response, jsonify

from generator.errors import ModelNotFound
from generator.models.kinds import ModelKind
from generator.prompt.styles import read_styles, unread_styles
from webapp.access.scopes import AccessScope, requires
from webapp.errors import Refused
from webapp.http.openapi import NULL_SCHEMA, RouteNote, with_note
from webapp.routes.flag_values import flags_json
from webapp.routes.model_entries import (
    CheckpointEntry,
    EmbeddingLists,
    HypernetworkEntry,
    LoraEntry,
    StyleEntry,
    VaeEntry,
    checkpoint_json,
    embedding_json,
    files_of,
)
from webapp.routes.named_choices import add_sampling, add_scripts, add_upscalers
from webapp.services import Services
from webapp.settings.data_dir import styles_files


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


def selected_text_width(services: Services) -> int | None:
    """How wide the text of the checkpoint is that the options choose; None where none tells."""
    try:
        name = str(services.options.get().get("sd_model_checkpoint") or "")
        file = services.registry.find_chosen(name)
    except ModelNotFound:
        return None
    return services.registry.text_width(file)


def styles_json(services: Services) -> list[StyleEntry]:
    """Every style, as AUTOMATIC1111 lists them."""
    styles = read_styles(styles_files(services.config))
    return [
        {"name": s.name, "prompt": s.prompt, "negative_prompt": s.negative_prompt}
        for s in styles.values()
    ]


def refresh_registry(services: Services) -> Response:
    """The registry after a scan; one scan serves all kinds.

    Every job that is put after it is drawn with what was found: it tells the workers to look again.
    """
    services.registry.refresh_still()
    return jsonify(None)
