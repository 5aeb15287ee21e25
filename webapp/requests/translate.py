"""Checks the body of a generation request and translates it into a ``GenerationRequest``."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from generator.prompt.limits import check_request
from generator.request import GenerationRequest
from generator.scripts.picture_count import check_script
from generator.scripts.workload import JobSize, measure_job
from webapp.errors import Refused
from webapp.queues.job_codec import EasExtras
from webapp.requests import eas, img2img
from webapp.requests.adetailer import with_detailer
from webapp.requests.context import RequestContext
from webapp.requests.embedding_names import name_embeddings
from webapp.requests.face_choice import choose_face_restorer
from webapp.requests.fields import GenerationBody
from webapp.requests.hires import pass_sizes, read_hires
from webapp.requests.img2img import Img2Img
from webapp.requests.infotext import apply_infotext
from webapp.requests.model_choice import choose_checkpoint, choose_vae, read_refiner, with_upscaler
from webapp.requests.plugin_panels import read_panels
from webapp.requests.ranges import DEFAULT_SIZE, check_body, with_defaults
from webapp.requests.sampler_choice import check_seeds, read_sampling, read_seeds
from webapp.requests.script_choice import (
    check_script_names,
    read_controls,
    read_script,
    read_soft_inpainting,
)
from webapp.requests.txt2img import Txt2Img
from webapp.settings.foreign_options import ignored_message, split_foreign
from webapp.settings.option_store import to_snapshot, without_nulls


@dataclass(frozen=True, slots=True)
class AcceptedRequest:
    """A checked body, the request made of it, and what its answer repeats."""

    body: GenerationBody
    request: GenerationRequest
    extras: EasExtras | None
    echo: dict[str, object]  # the answer's ``parameters``
    size: JobSize


def translate_body(body: GenerationBody, context: RequestContext) -> AcceptedRequest:
    """Check a body and translate it.

    Raises ``InvalidFields``, ``Refused``, ``BadRequest`` or ``ModelNotFound``; each names the
    field, the option or the model at fault.
    """
    body = apply_infotext(body, context.options, context.choices, context.add_remark)
    body = with_defaults(body) if context.lenient else body
    body = img2img.with_image_link(body) if isinstance(body, Img2Img) else body
    wanted_script = read_script(body, context)
    check_script_names(body.route, body.alwayson_scripts, context)
    extras = eas.split_extras(body.alwayson_scripts)
    check_body(body)
    overrides = read_overrides(body, context)
    options = to_snapshot(context.options, overrides)
    request = GenerationRequest(
        prompt=body.prompt or "",
        negative_prompt=body.negative_prompt or "",
        seeds=read_seeds(body),
        sampling=read_sampling(body, context),
        batches=body.n_iter or 1,
        checkpoint=choose_checkpoint(overrides, extras, context),
        vae=choose_vae(overrides, extras, context),
        tiling=is_tiling(body, overrides, context),
        deterministic=bool(body.deterministic) or eas.is_deterministic(body.alwayson_scripts),
        face_restorer=choose_face_restorer(body, overrides, context),
        styles=tuple(body.styles or ()),
        disable_extra_networks=bool(body.disable_extra_networks),
        refiner=read_refiner(body, context.models),
        controls=read_controls(body, context),
        script=wanted_script,
        panels=read_panels(with_detailer(body, context), context),
        options=options,
        user_name=context.user_name,
        version=context.version,
    )
    if isinstance(body, Txt2Img):
        request = with_hires(request, body, context)
    elif isinstance(body, Img2Img):
        request = with_init_images(request, body, context)
    check_request(request)
    check_script(request)
    check_seeds(request.seeds, request.picture_count, options.eta_noise_seed_delta)
    size = measure_job(request, context.most_megapixel_steps, context.choices("samplers"))
    request = replace(
        request,
        embeddings=name_embeddings(request, context),
        remarks=tuple(dict.fromkeys(context.remarks)),
    )
    return AcceptedRequest(body, request, extras, echo_parameters(body), size)


def read_overrides(body: GenerationBody, context: RequestContext) -> dict[str, object]:
    """``override_settings`` without other programs' names; one that is no setting is refused."""
    overrides, foreign = split_foreign(body.override_settings or {}, context.options)
    if foreign:
        context.add_remark(f"override_settings: {ignored_message(foreign)}")
    if context.lenient:
        overrides = without_nulls(overrides)
    unknown = sorted(set(overrides) - set(context.options))
    if unknown:
        raise Refused(
            f"override_settings: there is no setting {unknown[0]!r}.",
            "unknown_setting",
            value=unknown[0],
        )
    return overrides


def with_hires(
    request: GenerationRequest, body: Txt2Img, context: RequestContext
) -> GenerationRequest:
    """``request`` with txt2img's own fields: size, batch, hires fix."""
    width, height = pass_sizes(body, request.options).first
    return replace(
        request,
        width=width,
        height=height,
        batch_size=body.batch_size or 1,
        hires=read_hires(body, context, request.options),
    )


def with_init_images(
    request: GenerationRequest, body: Img2Img, context: RequestContext
) -> GenerationRequest:
    """``request`` with img2img's own fields: size, batch, initial images."""
    return replace(
        request,
        options=with_upscaler(request.options, context),
        width=body.width or DEFAULT_SIZE,
        height=body.height or DEFAULT_SIZE,
        batch_size=img2img.read_batch_size(body),
        origin=img2img.read_init_images(
            body, context, with_fingerprint=request.options.save_init_img
        ),
        soft_inpainting=read_soft_inpainting(body.alwayson_scripts),
    )


def is_tiling(
    body: GenerationBody, overrides: Mapping[str, object], context: RequestContext
) -> bool:
    """Whether the picture shall tile; NULL leaves it to the options."""
    option = overrides.get("tiling", context.options.get("tiling"))
    return bool(option if body.tiling is None else body.tiling)


def echo_parameters(body: GenerationBody) -> dict[str, object]:
    """The answer's ``parameters``: every field, NULLs included."""
    if isinstance(body, Img2Img):
        return img2img.echo_parameters(body)
    return body.fields_to_echo()
