"""Builds the worker's response from what the engine generated. No Flask.

Two forms: AUTOMATIC1111's ``{"images", "parameters", "info"}`` (contract section 1.5) and the
vendor's (its guide, "API extra parameters"), which returns URLs of saved pictures instead.
"""

import base64
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from generator.pictures.picture_files import encode_picture
from generator.request import Generation, GenerationRequest, Picture
from webapp.errors import JobStopped, error_answer, json_answer
from webapp.queues.contracts.frame import Answer
from webapp.requests.eas import EasStatus
from webapp.worker.extras_responses import png_remarks
from webapp.worker.image_writer import SavedPictures

if TYPE_CHECKING:
    from webapp.queues.job_codec import EasExtras, QueuedGeneration

STOPPED = "The job was stopped; the last picture may be unfinished, and others missing."
INFOTEXT_ONLY_KEYS = frozenset({"Hires prompt", "Hires negative prompt"})
"""Keys that AUTOMATIC1111 writes into infotexts alone: in ``info`` they stand with null."""


def compose_answer(
    job: "QueuedGeneration", generation: Generation, saved: SavedPictures, *, skipped: bool = False
) -> Answer:
    """The body of a 200: OpenAI's form, the vendor's (``save_dir``), or AUTOMATIC1111's.

    ``skipped`` tells that a batch was cut short on request.
    """
    if job.form != "sdapi":
        return compose_images(job, generation, saved)
    extras = job.extras
    facts = vendor_facts(job, generation, saved, skipped)
    if extras is not None and extras.save_dir is not None:
        comments = {"comments": list(generation.comments)} if generation.comments else None
        info = json.dumps(comments) if comments else ""
        return json_answer(200, {"images": [], "parameters": facts, "info": info})
    parameters = dict(job.echo)
    if extras is not None:
        parameters |= facts
    images = encode_images(job, generation, saved) if job.send_images else []
    info = json.dumps(build_info(job, generation, saved), default=lambda _: None)
    return json_answer(200, {"images": images, "parameters": parameters, "info": info})


def compose_images(job: "QueuedGeneration", generation: Generation, saved: SavedPictures) -> Answer:
    """The answer in OpenAI's form: base64, or the paths of saved pictures, yet to be signed.

    ``easel`` has what OpenAI has no word for. 409 where a stopped job left no picture to answer.
    """
    if job.form == "openai":
        images = encode_images(job, replace(generation, maps=()), saved)
        data = [{"b64_json": text} for text in images]
        remarks = [*png_remarks([p.image for p in generation.pictures], job.answer_format)]
    else:
        data, remarks = [{"url": url} for url in saved.urls], []
    if not data:
        return error_answer(JobStopped("The job was stopped before a picture was finished."))
    pictures = generation.pictures
    width, height = pictures[0].image.size if pictures else (job.request.width, job.request.height)
    facts = {
        "model": generation.checkpoint_name,
        "seeds": [picture.seed for picture in pictures],
        "comments": [*generation.comments, *remarks, *([STOPPED] if generation.stopped else ())],
    }
    return json_answer(
        200,
        {
            "created": int(time.time()),
            "data": data,
            "background": "opaque",
            "output_format": "jpeg" if job.answer_format == "jpg" else job.answer_format,
            "size": f"{width}x{height}",
            "easel": facts,
        },
    )


def compose_failure(
    error: BaseException, extras: "EasExtras | None", status: EasStatus, seconds: float = 0.0
) -> Answer:
    """The envelope of an error; with ``save_dir`` the vendor's keys are added."""
    answer = error_answer(error)
    if extras is None or extras.save_dir is None:
        return answer
    body = json.loads(answer.body)
    detail = body["detail"] if isinstance(body["detail"], str) else str(error)
    facts = {
        "id_task": extras.id_task or "",
        "status": status,
        "image_url": "",
        "seed": "",
        "error_msg": detail,
        "total_time": seconds,
    }
    return json_answer(answer.status, body | {"images": [], "parameters": facts, "info": ""})


def vendor_facts(
    job: "QueuedGeneration", generation: Generation, saved: SavedPictures, skipped: bool
) -> dict[str, object]:
    """The vendor's keys of ``parameters``; ``total_time`` is in seconds."""
    cut = EasStatus.SKIPPED if skipped else EasStatus.DONE
    facts: dict[str, object] = {
        "id_task": (job.extras.id_task if job.extras else None) or "",
        "status": EasStatus.INTERRUPTED if generation.stopped else cut,
        "image_url": ",".join(saved.urls),
        "seed": ",".join(str(picture.seed) for picture in generation.pictures),
        "error_msg": "",
        "total_time": generation.seconds,
    }
    return facts | ({"image_mask_url": ",".join(saved.map_urls)} if saved.map_urls else {})


def encode_images(
    job: "QueuedGeneration", generation: Generation, saved: SavedPictures
) -> list[str]:
    """Base64 of the pictures in order, the grid first where there is one.

    The format is the service's option, not the request's override: AUTOMATIC1111 restores the
    options before it encodes (golden ``fmt_jpg``).
    """
    pictures = [(picture.image, picture.infotext) for picture in generation.pictures]
    pictures = [(image, "") for image in generation.grids] + pictures
    pictures += [(image, "") for image in generation.maps]
    if saved.grid is not None:
        pictures.insert(0, (saved.grid, generation.pictures[0].infotext))
    keeps = job.request.options.enable_pnginfo
    return [
        base64.b64encode(
            encode_picture(image, job.answer_format, (keeps and text) or None, job.answer_quality)
        ).decode("ascii")
        for image, text in pictures
    ]


def build_info(
    job: "QueuedGeneration", generation: Generation, saved: SavedPictures
) -> dict[str, object]:
    """The object inside ``info``, its keys in the order of contract section 1.5.

    Lists of prompts and seeds tell of all pictures asked for; ``infotexts`` of those drawn, and
    of the grid before them.
    """
    request, echo = job.request, job.echo
    grid_count = 0 if saved.grid is None else 1
    texts = [picture.infotext for picture in generation.pictures]
    facts: dict[str, object] = {
        **prompt_facts(request, generation.pictures),
        "subseed_strength": echo.get("subseed_strength", request.seeds.variation_strength),
        "width": request.width,
        "height": request.height,
        "sampler_name": request.sampling.sampler,
        "cfg_scale": request.sampling.guidance,
        "steps": request.sampling.steps,
        "batch_size": request.batch_size,
        "restore_faces": bool(request.face_restorer),
        "face_restoration_model": request.face_restorer or None,
        "sd_model_name": generation.checkpoint_name,
        "sd_model_hash": generation.checkpoint_hash,
        "sd_vae_name": generation.vae_name,
        "sd_vae_hash": generation.vae_hash,
        "seed_resize_from_w": echo.get("seed_resize_from_w", request.seeds.resize_from_width),
        "seed_resize_from_h": echo.get("seed_resize_from_h", request.seeds.resize_from_height),
        "denoising_strength": echo.get("denoising_strength"),
        "extra_generation_params": {
            key: None if key in INFOTEXT_ONLY_KEYS else value
            for key, value in generation.extra_parameters.items()
        },
        "index_of_first_image": grid_count,
        "infotexts": texts[:grid_count] + texts,
        "styles": list(request.styles),
        "job_timestamp": generation.job_timestamp,
        "clip_skip": generation.clip_skip,
        "is_using_inpainting_conditioning": False,
        "version": request.version or None,
    }
    # Comments are ours, and only when there is something to say: what was missing or left out.
    comments = all_comments(job, generation)
    facts |= generation.facts
    return facts | ({"comments": comments} if comments else {})


def prompt_facts(request: GenerationRequest, pictures: tuple[Picture, ...]) -> dict[str, object]:
    """Prompts and seeds of the first picture and of all."""
    prompts, negatives = all_prompts(request, pictures)
    seeds, variations = all_seeds(request)
    return {
        "prompt": prompts[0],
        "all_prompts": prompts,
        "negative_prompt": negatives[0],
        "all_negative_prompts": negatives,
        "seed": seeds[0],
        "all_seeds": seeds,
        "subseed": variations[0],
        "all_subseeds": variations,
    }


def all_comments(job: "QueuedGeneration", generation: Generation) -> list[str]:
    """Remarks of the engine, and of the pictures' format where pictures are answered."""
    images = [*generation.grids, *(picture.image for picture in generation.pictures)]
    remarks = png_remarks(images, job.answer_format) if job.send_images else ()
    return [*generation.comments, *remarks]


def all_prompts(
    request: GenerationRequest, pictures: tuple[Picture, ...]
) -> tuple[list[str], list[str]]:
    """Prompts of every picture asked for; those of undrawn pictures as the first one's."""
    missing = max(request.picture_count - len(pictures), 0)
    prompts = [picture.prompt for picture in pictures]
    negatives = [picture.negative_prompt for picture in pictures]
    prompts += [prompts[0] if prompts else request.prompt] * missing
    negatives += [negatives[0] if negatives else request.negative_prompt] * missing
    return prompts, negatives


def all_seeds(request: GenerationRequest) -> tuple[list[int], list[int]]:
    """Seeds and variation seeds of every picture asked for (contract section 3.1)."""
    seeds, count = request.seeds, range(request.picture_count)
    step = 0 if seeds.variation_strength else 1
    return [seeds.seed + step * i for i in count], [seeds.variation_seed + i for i in count]
