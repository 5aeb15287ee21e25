"""The drawing routes: txt2img and img2img."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from uuid import uuid4

from flask import Blueprint, Response, g, request
from typing_extensions import TypedDict

from generator.joinable import may_share_calls
from generator.prompt.styles import read_styles
from generator.request import GenerationRequest
from generator.scripts.workload import JobSize
from webapp.access.scopes import AccessScope, requires
from webapp.errors import Refused
from webapp.http import request_images
from webapp.http.openapi import Base64, RouteNote, with_note
from webapp.http.url_fetch import fetch_rules
from webapp.queues.contracts.frame import Frame
from webapp.queues.job_codec import GENERATE, AnswerForm, EasExtras, QueuedGeneration, encode_job
from webapp.queues.joint_jobs import JOIN_TAG
from webapp.queues.quotas import ASKED_TAG
from webapp.requests import eas
from webapp.requests.context import RequestContext
from webapp.requests.fields import GenerationBody, read_body
from webapp.requests.img2img import Img2Img
from webapp.requests.save_options import (
    choose_save_options,
    estimate_bytes,
    init_images_dir,
    without_saving,
)
from webapp.requests.translate import AcceptedRequest, translate_body
from webapp.requests.txt2img import Txt2Img
from webapp.routes import submission
from webapp.routes.context import (
    caller,
    check_free_space,
    hold_memory,
    read_json_body,
    require_scope,
    to_response,
)
from webapp.routes.tasks import ROUTE_TAG, TASK_TAG, new_task
from webapp.services import Services
from webapp.settings.data_dir import styles_files
from webapp.settings.foreign_options import split_foreign
from webapp.settings.option_store import without_nulls
from webapp.user_trees import UserTree
from webapp.version import INFOTEXT_VERSION


class GenerationAnswer(TypedDict):
    """Pictures, the body's fields, and a JSON object as text."""

    images: list[Base64]
    parameters: dict[str, object]
    info: str


@dataclass(frozen=True, slots=True)
class AnswerShape:
    """How a request is answered; "" and 0 stand for what the options say."""

    form: AnswerForm = "sdapi"
    format: str = ""  # png | jpg | webp
    quality: int = 0  # of JPEG and WebP, 1..100
    remarks: tuple[str, ...] = ()  # of what was not taken as sent, for the answer's comments


SDAPI = AnswerShape()


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("drawing", __name__, url_prefix="/sdapi/v1")

    @routes.post("/txt2img")
    @requires(AccessScope.GENERATE)
    @with_note(RouteNote("Draw pictures from a prompt", body=Txt2Img, answer=GenerationAnswer))
    def txt2img() -> Response:
        """Draw, and answer when it is done."""
        return to_response(
            submission.submit_and_wait(
                services,
                to_frame(
                    services, read_body(Txt2Img, read_json_body(), lenient=is_lenient(services))
                ),
            )
        )

    @routes.post("/img2img")
    @requires(AccessScope.GENERATE)
    @with_note(
        RouteNote("Draw pictures from pictures and a prompt", body=Img2Img, answer=GenerationAnswer)
    )
    def img2img() -> Response:
        """Draw, and answer when it is done."""
        return to_response(
            submission.submit_and_wait(
                services,
                to_frame(
                    services, read_body(Img2Img, read_json_body(), lenient=is_lenient(services))
                ),
            )
        )

    return routes


def is_lenient(services: Services) -> bool:
    """Whether bodies are read as generously as AUTOMATIC1111's clients are used to."""
    return services.config.lenient


def to_frame(services: Services, body: GenerationBody, shape: AnswerShape = SDAPI) -> Frame:
    """Check a body; the frame that asks a worker for it."""
    options = services.options.get()
    g.extras = eas.lenient_extras(body.alwayson_scripts)  # a refusal is told in their form too
    context = request_context(options, services)
    for remark in shape.remarks:
        context.add_remark(remark)
    accepted = translate_body(body, context)
    check_enforced(accepted.body, services)
    task = task_name(accepted)
    places = (services.config.data_dir, services.config.mount_paths)
    save = choose_save_options(accepted, options, *places)
    if save and shape.form != "sdapi" and accepted.request.script is None:
        save = replace(save, save_grid=False, return_grid=False)  # a sheet is none of its pictures
    job = QueuedGeneration(
        request=accepted.request if save else without_saving(accepted.request),
        route=body.route,
        echo=accepted.echo,
        send_images=body.send_images,
        save=save and replace(save, spare=services.config.upload_spare),
        origins_dir=init_images_dir(accepted, options, *places),
        extras=with_task_id(accepted.extras, task),
        answer_format=shape.format or str(options.get("samples_format", "png")),
        answer_quality=shape.quality or int(str(options.get("jpeg_quality", 80))),
        form=shape.form,
    )
    if save or job.origins_dir:
        check_free_space(services, estimate_bytes(accepted.request))
    store_overrides(accepted.body, services)
    return frame_of(job, task, services, accepted.size)


def picture_reader(
    services: Services,
    most_in_all: int | None = request_images.MAX_PIXELS_IN_ALL,
) -> request_images.PictureReader:
    """Reads the pictures of a body, fetching those that are addresses as the flags allow."""
    rules = fetch_rules(services.config)
    return request_images.PictureReader(rules, services.decoding, most_in_all, hold_memory)


def request_context(options: Mapping[str, object], services: Services) -> RequestContext:
    """The request context: what the body is checked against."""
    return RequestContext(
        options,
        services.registry,
        user_name(),
        INFOTEXT_VERSION,
        services.config.lenient,
        picture_reader(services),
        services.plugins.panel_forms(),
        services.plugins.choices,
        services.plugins.scripts,
        services.plugins.preprocessors(),
        services.plugins.absent_plugin,
        services.config.max_job_megapixel_steps,
        services.config.codeformer,
        partial(read_styles, styles_files(services.config)),
    )


def task_name(accepted: AcceptedRequest) -> str:
    """The task's id: the caller's own, the vendor's in the body or the address, or a new one."""
    body, extras = accepted.body, accepted.extras
    task = body.force_task_id or (extras and extras.id_task) or request.args.get("task_id")
    if task and len(task) > eas.MAX_PATH_LENGTH:
        raise Refused(f"task_id: at most {eas.MAX_PATH_LENGTH} characters.")
    return task or new_task(body.route)


def with_task_id(extras: EasExtras | None, task: str) -> EasExtras | None:
    """The vendor's extras with the task's id filled in."""
    if extras is None:
        return None
    return EasExtras(**{**{name: getattr(extras, name) for name in eas.NAMES}, "id_task": task})


def user_name() -> str:
    """The caller's name as the infotext may tell it; the owner has none."""
    who = caller()
    return "" if who.is_owner else who.name


def store_overrides(body: GenerationBody, services: Services) -> None:
    """Change the options for good where the request says that they shall not be restored."""
    if body.override_settings and body.override_settings_restore_afterwards is False:
        require_scope(
            AccessScope.USER, "override_settings_restore_afterwards: false changes the options"
        )
        changes, _ = split_foreign(body.override_settings, services.options.get())
        services.options.update(without_nulls(changes) if services.config.lenient else changes)


def check_enforced(body: GenerationBody, services: Services) -> None:
    """Raise ``Forbidden`` where a request sets an option that holds for all users."""
    own, enforced = body.override_settings or {}, services.options.enforced
    services.options.check({name: own[name] for name in enforced & own.keys()})


def frame_of(job: QueuedGeneration, task: str, services: Services, size: JobSize) -> Frame:
    """The frame that carries a job of this size."""
    title = title_of(job.request, services)
    joins = {JOIN_TAG: join_tag(title, services)} if may_share_calls(job.request) else {}
    return Frame(
        id=uuid4().hex,
        kind=GENERATE,
        body=encode_job(job),
        owner=caller().name,
        checkpoint=title,
        tags={TASK_TAG: task, ROUTE_TAG: job.route, ASKED_TAG: str(size.pictures), **joins},
        work=size.megapixel_steps,
    )


def join_tag(title: str, services: Services) -> str:
    """Jobs with the same tag are of the same checkpoint: another user's may have its title."""
    tree = services.trees.current()
    if not tree.name or (title and not is_own(title, tree)):
        return f"checkpoint {title}"
    return f"checkpoint of {tree.name} {title}"


def is_own(title: str, tree: UserTree) -> bool:
    """Whether a checkpoint lies in the caller's own tree."""
    folder = tree.config.data_dir.absolute()
    return tree.registry.find_checkpoint(title).path.is_relative_to(folder)


def title_of(wanted: GenerationRequest, services: Services) -> str:
    """The title by which a worker says that it holds the checkpoint; "" where any will do."""
    if not wanted.checkpoint:
        return ""
    return services.registry.find_checkpoint(wanted.checkpoint).title
