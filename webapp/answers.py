"""From what the engine drew to what the client gets, in the worker. No Flask.

Two forms: AUTOMATIC1111's ``{"images", "parameters", "info"}`` (contract section 1.5) and the
vendor's (its guide, "API extra parameters"), which returns addresses of saved pictures instead.
"""

import base64
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from generator.pictures.grid import grid
from generator.pictures.saving import encode, save
from generator.request import Generation, GenerationRequest, Picture
from webapp.errors import json_answer
from webapp.naming import Folder
from webapp.queues.contracts import Answer

if TYPE_CHECKING:
    from PIL.Image import Image

    from webapp.queues.frames import GenerationJob, Saving

LATE = frozenset({"Hires prompt", "Hires negative prompt", "Hires schedule type"})
"""Keys that AUTOMATIC1111 writes into infotexts alone: in ``info`` they stand with null."""

SUCCESS = 0
"""The vendor's ``status`` of a request that was drawn; it publishes no other number."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What was written: addresses, the grid's first; and the grid that the answer shows, if any."""

    urls: tuple[str, ...] = ()
    grid: "Image | None" = None


def save_all(job: "GenerationJob", generation: Generation, data_dir: Path, today: date) -> Saved:
    """Write the pictures, and the grid, that the job asks for.

    All or nothing: a failure removes what this call had written and raises ``CannotSave``.
    """
    saving = job.save
    if saving is None or not generation.pictures:
        return Saved()
    sheet = make_grid(saving, generation.pictures)
    written: list[Path] = []
    try:
        urls = write_grid(job, saving, generation, sheet, data_dir, today, written)
        urls += write_samples(job, saving, generation, data_dir, today, written)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return Saved(tuple(urls), sheet if saving.return_grid else None)


def make_grid(saving: "Saving", pictures: tuple[Picture, ...]) -> "Image | None":
    """The contact sheet of a job, where somebody wants it and there are two pictures or more."""
    if len(pictures) < 2 or not (saving.save_grid or saving.return_grid):
        return None
    return grid([picture.image for picture in pictures])


def write_grid(
    job: "GenerationJob",
    saving: "Saving",
    generation: Generation,
    sheet: "Image | None",
    data_dir: Path,
    today: date,
    written: list[Path],
) -> list[str]:
    """Save the grid with the first picture's infotext; its address, or nothing."""
    if sheet is None or not saving.save_grid:
        return []
    folder = Folder.of(saving, saving.grids_dir, data_dir, today)
    data = encoded(job.request, sheet, generation.pictures[0].infotext)
    with folder.locked():
        path = folder.grid_path(extension(job.request))
        save(path, data)
    written.append(path)
    return [folder.url(path)]


def write_samples(
    job: "GenerationJob",
    saving: "Saving",
    generation: Generation,
    data_dir: Path,
    today: date,
    written: list[Path],
) -> list[str]:
    """Save each finished picture; their addresses in order."""
    if not saving.save_samples:
        return []
    folder = Folder.of(saving, saving.samples_dir, data_dir, today)
    urls = []
    for picture in finished(job, saving, generation):
        data = encoded(job.request, picture.image, picture.infotext)
        with folder.locked():
            path = folder.picture_path(picture.seed, extension(job.request))
            save(path, data)
        written.append(path)
        urls.append(folder.url(path))
    return urls


def finished(job: "GenerationJob", saving: "Saving", generation: Generation) -> tuple[Picture, ...]:
    """The pictures to keep: an interrupt leaves the last batch unsaved (contract 1.10).

    The vendor's callers get no other copy of a picture, so theirs are all kept.
    """
    if not generation.stopped or saving.naming == "vendor":
        return generation.pictures
    last = len(generation.pictures) % job.request.batch_size or job.request.batch_size
    return generation.pictures[:-last]


def encoded(request: GenerationRequest, image: "Image", infotext: str) -> bytes:
    """A picture file in the job's own format, with its infotext unless the options forbid it."""
    options = request.options
    text = infotext if options.enable_pnginfo else None
    return encode(image, options.samples_format, text, options.jpeg_quality)


def extension(request: GenerationRequest) -> str:
    """The end of a saved file's name."""
    return "." + request.options.samples_format


def compose(job: "GenerationJob", generation: Generation, saved: Saved) -> Answer:
    """The body of a 200: the vendor's form when ``save_dir`` was given, else AUTOMATIC1111's."""
    extras = job.extras
    if extras is not None and extras.save_dir is not None:
        body = {"images": [], "parameters": vendor_facts(job, generation, saved), "info": ""}
        return json_answer(200, body)
    parameters = dict(job.echo)
    if extras is not None:
        parameters |= vendor_facts(job, generation, saved)
    images = transported(job, generation, saved) if job.send_images else []
    info = json.dumps(information(job, generation, saved), default=lambda _: None)
    return json_answer(200, {"images": images, "parameters": parameters, "info": info})


def vendor_facts(job: "GenerationJob", generation: Generation, saved: Saved) -> dict[str, object]:
    """The vendor's keys of ``parameters``; ``total_time`` is in seconds."""
    return {
        "id_task": (job.extras.id_task if job.extras else None) or "",
        "status": SUCCESS,
        "image_url": ",".join(saved.urls),
        "seed": ",".join(str(picture.seed) for picture in generation.pictures),
        "error_msg": "",
        "total_time": generation.seconds,
    }


def transported(job: "GenerationJob", generation: Generation, saved: Saved) -> list[str]:
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
            encode(image, job.answer_format, (keeps and text) or None, job.answer_quality)
        ).decode("ascii")
        for image, text in pictures
    ]


def information(job: "GenerationJob", generation: Generation, saved: Saved) -> dict[str, object]:
    """The object inside ``info``, its keys in the order of contract section 1.5.

    Lists of prompts and seeds tell of all pictures asked for; ``infotexts`` of those drawn, and
    of the grid before them.
    """
    request, echo, pictures = job.request, job.echo, generation.pictures
    prompts, negatives = all_prompts(request, pictures)
    seeds, variations = all_seeds(request)
    first = 0 if saved.grid is None else 1
    texts = [picture.infotext for picture in pictures]
    facts: dict[str, object] = {
        "prompt": prompts[0],
        "all_prompts": prompts,
        "negative_prompt": negatives[0],
        "all_negative_prompts": negatives,
        "seed": seeds[0],
        "all_seeds": seeds,
        "subseed": variations[0],
        "all_subseeds": variations,
        "subseed_strength": echo.get("subseed_strength", request.seeds.variation_strength),
        "width": request.width,
        "height": request.height,
        "sampler_name": request.sampling.sampler,
        "cfg_scale": request.sampling.guidance,
        "steps": request.sampling.steps,
        "batch_size": request.batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": generation.checkpoint_name,
        "sd_model_hash": generation.checkpoint_hash,
        "sd_vae_name": generation.vae_name,
        "sd_vae_hash": generation.vae_hash,
        "seed_resize_from_w": echo.get("seed_resize_from_w", request.seeds.resize_from_width),
        "seed_resize_from_h": echo.get("seed_resize_from_h", request.seeds.resize_from_height),
        "denoising_strength": echo.get("denoising_strength"),
        "extra_generation_params": {
            key: None if key in LATE else value
            for key, value in generation.extra_parameters.items()
        },
        "index_of_first_image": first,
        "infotexts": texts[:first] + texts,
        "styles": list(request.styles),
        "job_timestamp": generation.job_timestamp,
        "clip_skip": generation.clip_skip,
        "is_using_inpainting_conditioning": False,
        "version": request.version or None,
    }
    facts |= generation.facts
    # Ours, and only when there is something to say: what was missing or left out.
    return facts | ({"comments": list(generation.comments)} if generation.comments else {})


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
