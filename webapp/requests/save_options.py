"""Where the pictures of a body are saved (contract sections 1.5, 1.6, 6.5; the vendor's guide)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from generator.request import GenerationRequest, Snapshot
from webapp.queues.job_codec import FileRules, SaveOptions
from webapp.requests import eas
from webapp.requests.file_rules import check_container, file_rules, grid_rules, naming_rules
from webapp.requests.translate import AcceptedRequest
from webapp.settings.option_store import convert_option

CHANNELS = 3  # bytes a pixel: a picture's file has fewer
INFOTEXT_BYTES = 16 * 1024  # bytes of a picture's infotext, twice

OUTPUT_FOLDERS: Mapping[str, tuple[str, str]] = {
    "txt2img": ("outdir_txt2img_samples", "outdir_txt2img_grids"),
    "img2img": ("outdir_img2img_samples", "outdir_img2img_grids"),
}
"""By route the options that name the folders of pictures and of grids."""


def choose_save_options(
    accepted: AcceptedRequest, options: Mapping[str, object], data_dir: Path, mounts: Sequence[str]
) -> SaveOptions | None:
    """Folders and rules, or None. ``save_dir`` saves whatever ``save_images`` says.

    Raises ``Refused`` for a folder outside the data directory's part for pictures, and for
    options that fit no file.
    """
    route, extras, body = accepted.body.route, accepted.extras, accepted.body
    if extras is not None and extras.save_dir is not None:
        folder = eas.locate(extras.save_dir, data_dir, mounts)
        check_format(accepted.request.options)
        inner = PurePosixPath(folder.relative)
        folders = (str(inner / f"{route}-images"), str(inner / f"{route}-grids"))
        maps = str(inner / "controlnet_mask")
        files = FileRules(accepted.request.options.samples_format)
        return SaveOptions(*folders, "vendor", folder.prefix, maps_dir=maps, files=files)
    if not body.save_images:
        return None
    chosen = effective_options(accepted, options)
    check_format(accepted.request.options)
    samples, grids = (
        eas.locate(str(chosen[name]), data_dir, mounts, name) for name in OUTPUT_FOLDERS[route]
    )
    return SaveOptions(
        samples.relative,
        grids.relative,
        "easel",
        samples.prefix,
        save_samples=bool(chosen["samples_save"]),
        save_grid=bool(chosen["grid_save"]),
        return_grid=bool(chosen["return_grid"]),
        names=naming_rules(chosen),
        files=file_rules(chosen),
        sheet=grid_rules(chosen),
    )


def check_format(options: Snapshot) -> None:
    """Refuse a format that no picture can be saved in, before one is drawn."""
    check_container("samples_format", options.samples_format)


def init_images_dir(
    accepted: AcceptedRequest, options: Mapping[str, object], data_dir: Path, mounts: Sequence[str]
) -> str | None:
    """Where the pictures that img2img starts from are kept, or None (``save_init_img``)."""
    if not accepted.request.origin or not accepted.request.options.save_init_img:
        return None
    named = str(effective_options(accepted, options)["outdir_init_images"])
    return eas.locate(named, data_dir, mounts, "outdir_init_images").relative


def estimate_bytes(request: GenerationRequest) -> int:
    """Bytes that the pictures of a request may take once they are saved, a sheet included."""
    width, height, hires = request.width, request.height, request.hires
    if hires is not None:
        width = hires.resize_width or round(width * hires.scale)
        height = hires.resize_height or round(height * hires.scale)
    pictures = request.picture_count
    size = pictures * (width * height * CHANNELS + INFOTEXT_BYTES)
    return 2 * size if pictures > 1 else size


def effective_options(accepted: AcceptedRequest, options: Mapping[str, object]) -> dict[str, Any]:
    """The options with the request's own, in their types, on top."""
    own = accepted.body.override_settings or {}
    return {**options, **{name: convert_option(name, value) for name, value in own.items()}}


def without_saving(request: GenerationRequest) -> GenerationRequest:
    """A request whose pictures are not saved: nothing needs to be drawn just for saving."""
    options = replace(
        request.options,
        save_mask=False,
        save_mask_composite=False,
        save_images_before_highres_fix=False,
        save_images_before_color_correction=False,
    )
    return replace(request, options=options)
