"""Lists of what a request chooses by name: samplers, schedules, upscalers, scripts."""

from flask import Blueprint, Response, jsonify

from generator.control.units import DEFAULT_UNIT_COUNT
from generator.faces.restorer_files import known_restorers
from generator.models.kinds import ModelKind
from generator.pictures.upscaler_names import (
    LATENT_UPSCALERS,
    PLAIN_UPSCALERS,
    label_of,
    upscaler_files,
)
from generator.sampling.sampler_names import SAMPLER_NAMES, SCHEDULE_NAMES
from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.plugins.plugin_catalogue import form_arguments
from webapp.requests import scripts_info
from webapp.routes.model_entries import (
    FaceRestorerEntry,
    NamedEntry,
    RealEsrganEntry,
    SamplerEntry,
    SchedulerEntry,
    UpscalerEntry,
    files_of,
    upscaler_json,
)
from webapp.services import Services


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
    @with_note(RouteNote("Face restorers", answer=list[FaceRestorerEntry]))
    def face_restorers() -> Response:
        """Those whose weights are here."""
        allowed = services.config.codeformer
        names = known_restorers(services.registry, codeformer=allowed)
        return jsonify([{"name": name, "cmd_dir": None} for name in names])

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


def plugin_choices(services: Services, kind: str) -> tuple[str, ...]:
    """Names of one kind that plugins provide."""
    return services.plugins.choices(kind)


def plugin_scripts(services: Services) -> scripts_info.PluginScripts:
    """Scripts that plugins bring, and panels that have fields."""
    web_plugins = services.plugins
    panels = {
        name: form_arguments(form) for name, form in web_plugins.panel_forms().items() if form
    }
    return scripts_info.PluginScripts(web_plugins.scripts, panels)
