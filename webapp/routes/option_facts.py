"""``/api/options``: what the page of settings shows of each option, and how one is reset."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from flask import Blueprint, Response, jsonify
from pydantic import BaseModel, Field, ValidationError
from typing_extensions import TypedDict

from generator.faces.restorer_files import RESTORERS
from generator.models.kinds import ModelKind
from generator.pictures.picture_files import CONTAINERS
from generator.pictures.upscaler_names import known_upscalers
from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.requests.fields import invalid_fields
from webapp.routes.context import read_json_body
from webapp.routes.model_entries import files_of
from webapp.routes.options import options_told
from webapp.services import Services
from webapp.settings.option_store import CHECKS, COLOUR
from webapp.settings.options_table import OPTIONS, Option

QUICK_OPTION = "quicksettings_list"
OptionKind = Literal["switch", "whole", "number", "text", "words", "choice", "colour"]


class OptionFacts(TypedDict):
    """An option that acts. ``default``: what holds where ``own`` is false, which is not set here.

    ``enforced``: the same for all users; only an admin sets it. ``choices``: what fits, and null
    among them where null does.
    """

    name: str
    section: str
    kind: OptionKind
    value: object
    default: object
    own: bool
    enforced: bool
    least: float | None
    most: float | None
    choices: list[str | None]


class OptionList(TypedDict):
    """All options that act, the names of those that do nothing here, and which stand in sight."""

    options: list[OptionFacts]
    idle: list[str]
    quick: list[str]


class OptionNames(BaseModel):
    """Options by their names."""

    names: list[str] = Field(max_length=len(OPTIONS))


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("option_facts", __name__, url_prefix="/api/options")

    @routes.get("")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Options with their limits, choices and defaults", answer=OptionList))
    def list_options() -> Response:
        """Those that act, in AUTOMATIC1111's order."""
        return jsonify(option_list(services))

    @routes.post("/reset")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Take options back; all of them", body=OptionNames, answer=OptionList))
    def reset() -> Response:
        """What is set of them is forgotten, so that a default that changes later counts, too."""
        try:
            names = OptionNames.model_validate(read_json_body()).names
        except ValidationError as error:
            raise invalid_fields(error) from None
        services.options.reset(names)
        return jsonify(option_list(services))

    return routes


def option_list(services: Services) -> OptionList:
    """What :class:`OptionList` says, of the caller's options."""
    store = services.options
    values, defaults, own = options_told(services), store.inherited(), store.own_names()
    return {
        "options": [
            {
                "name": option.name,
                "section": option.section,
                "kind": kind_of(option),
                "value": values[option.name],
                "default": defaults[option.name],
                "own": option.name in own,
                "enforced": option.name in store.enforced,
                "least": option.least,
                "most": option.most,
                "choices": list(choices_of(option, services)),
            }
            for option in OPTIONS
            if not option.idle
        ],
        "idle": [option.name for option in OPTIONS if option.idle],
        "quick": quick_names(values[QUICK_OPTION]),
    }


def kind_of(option: Option) -> OptionKind:
    """How an option is shown."""
    if option.choices or option.name in CHOICES:
        return "choice"
    if CHECKS.get(option.name) is COLOUR:
        return "colour"
    if isinstance(option.default, bool):
        return "switch"
    if isinstance(option.default, int | float):
        return "whole" if isinstance(option.default, int) else "number"
    return "words" if isinstance(option.default, list) else "text"


def quick_names(value: object) -> list[str]:
    """The options that act among the chosen ones, each once, in their order."""
    acting = {option.name for option in OPTIONS if not option.idle}
    chosen = map(str, value if isinstance(value, list) else ())
    return [name for name in dict.fromkeys(chosen) if name in acting]


def choices_of(option: Option, services: Services) -> Sequence[str | None]:
    """What an option may be; none where a type and limits say it."""
    list_choices = CHOICES.get(option.name)
    return option.choices if list_choices is None else list_choices(services)


def stems(kind: ModelKind) -> Callable[[Services], Sequence[str]]:
    """``None``, then the files of one kind by their names in prompts."""

    def list_stems(services: Services) -> Sequence[str]:
        return ("None", *(file.stem for file in files_of(services, kind)))

    return list_stems


def picture_formats(_: Services) -> Sequence[str]:
    """Formats that pictures are written in."""
    return tuple(name for name in CONTAINERS if name != "jpeg")


def checkpoint_titles(services: Services) -> Sequence[str]:
    """Checkpoints by their titles."""
    return tuple(file.title for file in files_of(services, ModelKind.CHECKPOINT))


def vae_names(services: Services) -> Sequence[str]:
    """VAEs, and the two words that stand for one."""
    return ("Automatic", "None", *(file.vae_name for file in files_of(services, ModelKind.VAE)))


def upscaler_names(services: Services) -> Sequence[str | None]:
    """Upscalers, those of plugins too; null for the plain resize."""
    return (None, *known_upscalers(services.registry), *services.plugins.choices("upscalers"))


CHOICES: Mapping[str, Callable[[Services], Sequence[str | None]]] = MappingProxyType(
    {
        "samples_format": picture_formats,
        "grid_format": picture_formats,
        "sd_model_checkpoint": checkpoint_titles,
        "sd_vae": vae_names,
        "upscaler_for_img2img": upscaler_names,
        "face_restoration_model": lambda _: RESTORERS,
        "emphasis": lambda _: ("None", "Ignore", "Original", "No norm"),
        "sd_hypernetwork": stems(ModelKind.HYPERNETWORK),
        "sd_lora": stems(ModelKind.LORA),
    }
)
"""Options whose choices are what is installed, or names that their readers know."""
