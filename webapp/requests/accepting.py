"""Checks the body of a generation request and translates it into a ``GenerationRequest``."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from generator.prompt.limits import check_request
from generator.request import GenerationRequest
from generator.scripts.counting import check_script
from generator.scripts.workload import check_job
from webapp import eas
from webapp.errors import Refused
from webapp.foreign_options import ignored, own_options
from webapp.queues.frames import EasExtras
from webapp.requests import img2img
from webapp.requests.adetailer import with_detailer
from webapp.requests.fields import DrawingBody
from webapp.requests.given import Given
from webapp.requests.hires import hires, sizes
from webapp.requests.img2img import Img2Img
from webapp.requests.models_of import checkpoint, refiner, vae, with_upscaler
from webapp.requests.panels_of import panels
from webapp.requests.pasted import pasted
from webapp.requests.ranges import SIZE, check, with_defaults
from webapp.requests.sampling import check_seeds, sampling, seeds
from webapp.requests.scripts_of import check_names, controls, script, soft_inpainting
from webapp.requests.txt2img import Txt2Img
from webapp.settings import snapshot, without_nulls


@dataclass(frozen=True, slots=True)
class Accepted:
    """A checked body, the request made of it, and what its answer repeats."""

    body: DrawingBody
    request: GenerationRequest
    extras: EasExtras | None
    echo: dict[str, object]  # the answer's ``parameters``


def accept(body: DrawingBody, given: Given) -> Accepted:
    """Check a body and translate it.

    Raises ``InvalidFields``, ``Refused``, ``BadRequest`` or ``ModelNotFound``; each names the
    field, the option or the model at fault.
    """
    body = pasted(body, given.options, given.choices, given.tell)
    body = with_defaults(body) if given.lenient else body
    body = img2img.linked(body) if isinstance(body, Img2Img) else body
    wanted_script = script(body, given)
    check_names(body.route, body.alwayson_scripts, given)
    extras = eas.split(body.alwayson_scripts)
    check(body)
    overrides = settings(body, given)
    options = snapshot(given.options, overrides)
    check_faces(body, overrides, given)
    request = GenerationRequest(
        prompt=body.prompt or "",
        negative_prompt=body.negative_prompt or "",
        seeds=seeds(body),
        sampling=sampling(body, given),
        batches=body.n_iter or 1,
        checkpoint=checkpoint(overrides, extras, given),
        vae=vae(overrides, extras, given),
        tiling=tiles(body, overrides, given),
        styles=tuple(body.styles or ()),
        disable_extra_networks=bool(body.disable_extra_networks),
        refiner=refiner(body, given.models),
        controls=controls(body, given),
        script=wanted_script,
        panels=panels(with_detailer(body, given), given),
        options=options,
        user_name=given.user_name,
        version=given.version,
    )
    if isinstance(body, Txt2Img):
        request = with_second_pass(request, body, given)
    elif isinstance(body, Img2Img):
        request = with_origin(request, body, given)
    check_request(request)
    check_script(request)
    check_seeds(request.seeds, request.picture_count, options.eta_noise_seed_delta)
    check_job(request, given.most_megapixel_steps, given.choices("samplers"))
    request = replace(request, remarks=tuple(dict.fromkeys(given.remarks)))
    return Accepted(body, request, extras, echo(body))


def settings(body: DrawingBody, given: Given) -> dict[str, object]:
    """``override_settings`` without other programs' names; one that is no setting is refused."""
    overrides, foreign = own_options(body.override_settings or {}, given.options)
    if foreign:
        given.tell(f"override_settings: {ignored(foreign)}")
    if given.lenient:
        overrides = without_nulls(overrides)
    unknown = sorted(set(overrides) - set(given.options))
    if unknown:
        raise Refused(f"override_settings: there is no setting {unknown[0]!r}.")
    return overrides


def with_second_pass(request: GenerationRequest, body: Txt2Img, given: Given) -> GenerationRequest:
    """``request`` with txt2img's own fields: size, batch, hires fix."""
    width, height = sizes(body, request.options).first
    return replace(
        request,
        width=width,
        height=height,
        batch_size=body.batch_size or 1,
        hires=hires(body, given, request.options),
    )


def with_origin(request: GenerationRequest, body: Img2Img, given: Given) -> GenerationRequest:
    """``request`` with img2img's own fields: size, batch, initial images."""
    return replace(
        request,
        options=with_upscaler(request.options, given),
        width=body.width or SIZE,
        height=body.height or SIZE,
        batch_size=img2img.batch_size(body),
        origin=img2img.origin(body, given, named=request.options.save_init_img),
        soft_inpainting=soft_inpainting(body.alwayson_scripts),
    )


def check_faces(body: DrawingBody, overrides: Mapping[str, object], given: Given) -> None:
    """Tell who asks for restored faces that none are; NULL leaves it to the options."""
    option = overrides.get("face_restoration", given.options.get("face_restoration"))
    if option if body.restore_faces is None else body.restore_faces:
        given.tell(
            "restore_faces: there is no network for faces here; the pictures are as drawn. The "
            "detailer paints faces again."
        )


def tiles(body: DrawingBody, overrides: Mapping[str, object], given: Given) -> bool:
    """Whether the picture shall tile; NULL leaves it to the options."""
    option = overrides.get("tiling", given.options.get("tiling"))
    return bool(option if body.tiling is None else body.tiling)


def echo(body: DrawingBody) -> dict[str, object]:
    """The answer's ``parameters``: every field, NULLs included."""
    return img2img.echo(body) if isinstance(body, Img2Img) else dict(body)
