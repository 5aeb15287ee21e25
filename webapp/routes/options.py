"""AUTOMATIC1111's routes of options."""

import logging

from flask import Blueprint, Response, jsonify

from webapp.access.scopes import AccessScope, requires
from webapp.errors import Fault, InvalidFields, Refused
from webapp.http.openapi import NULL_SCHEMA, RouteNote, with_note
from webapp.requests.model_choice import AUTOMATIC, drawable, here_or_refused
from webapp.routes.context import read_json_body
from webapp.services import Services
from webapp.settings.foreign_options import ignored_message, split_foreign

log = logging.getLogger("easel.web")


def add_options(routes: Blueprint, services: Services) -> None:
    """Read and change options."""

    @routes.get("/options")
    @requires(AccessScope.READ)
    @with_note(RouteNote("Every option with its value", answer=dict[str, object]))
    def get_options() -> Response:
        """All options; the checkpoint is named even when nobody has chosen one."""
        return jsonify(options_told(services))

    @routes.post("/options")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Change options", body=dict[str, object], answer=NULL_SCHEMA))
    def set_options() -> Response:
        """Set each option of the body and save them all, or refuse the body whole.

        A checkpoint that is not here, or that nothing can be drawn with, is refused with its
        reason. Options of other programs are left out; the header ``X-Easel-Ignored`` names them.
        """
        body = read_json_body()
        if not isinstance(body, dict):
            raise InvalidFields([Fault(("body",), "value is not a valid dict", "type_error.dict")])
        name, before = body.get("sd_model_checkpoint"), options_told(services)
        if name and name != before.get(
            "sd_model_checkpoint"
        ):  # a body of all options may come back
            chosen_vae = str(body.get("sd_vae") or before.get("sd_vae") or AUTOMATIC)
            body = body | {
                "sd_model_checkpoint": find_checkpoint_title(str(name), chosen_vae, services)
            }
        body, foreign = split_foreign(body, services.options.get())
        services.options.update(body)
        answer = jsonify(None)
        if foreign:
            log.warning("%s", ignored_message(foreign))
            plain = [name for name in foreign if name.isascii() and name.isidentifier()]
            answer.headers["X-Easel-Ignored"] = ", ".join(plain[:50])
        return answer


def options_told(here: "Services") -> dict[str, object]:
    """Every option with its value, a checkpoint among them wherever there is one."""
    options = dict(here.options.get())
    first = here.registry.index.first_checkpoint
    if not options.get("sd_model_checkpoint") and first is not None:
        options["sd_model_checkpoint"] = first.title
    return options


def find_checkpoint_title(name: str, chosen_vae: str, services: Services) -> str:
    """The title of a checkpoint that is here and can be drawn with, else a refusal."""
    checkpoint = here_or_refused("sd_model_checkpoint", name, services.registry)
    if checkpoint is None:
        raise Refused(f"sd_model_checkpoint: model {name!r} not found")
    return drawable("sd_model_checkpoint", checkpoint, chosen_vae, services.registry).title
