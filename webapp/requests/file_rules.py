"""The options about saved files, checked, as rules for the worker (contract sections 6.5, 7.3)."""

from collections.abc import Mapping
from typing import Any

from PIL import ImageColor

from generator.pictures.file_names import NamingRules
from generator.pictures.picture_files import CONTAINERS
from webapp.errors import Refused
from webapp.queues.job_codec import FileRules, GridRules
from webapp.requests.ranges import too_long

MAX_PATTERN_LENGTH = 1000  # characters
MIB = 1024 * 1024


def naming_rules(chosen: Mapping[str, Any]) -> NamingRules:
    """The options about names. Raises ``Refused`` for a pattern that is too long."""
    return NamingRules(
        pattern=read_pattern("samples_filename_pattern", chosen),
        folder_pattern=read_pattern("directories_filename_pattern", chosen),
        picture_folders=chosen["save_to_dirs"],
        grid_folders=chosen["grid_save_to_dirs"],
        numbered=chosen["save_images_add_number"],
        replace=chosen["save_images_replace_action"] == "Replace",
        long_grid_names=chosen["grid_extended_filename"],
        words=chosen["directories_max_prompt_words"],
    )


def file_rules(chosen: Mapping[str, Any]) -> FileRules:
    """The options about what is written. Raises ``Refused`` for an unknown ``grid_format``."""
    return FileRules(
        grid_format=check_container("grid_format", chosen["grid_format"]),
        webp_lossless=chosen["webp_lossless"],
        text_beside=chosen["save_txt"],
        small_copy=chosen["export_for_4chan"],
        large_bytes=float(chosen["img_downscale_threshold"]) * MIB,
        large_side=max(int(chosen["target_side_length"]), 1),
    )


def grid_rules(chosen: Mapping[str, Any]) -> GridRules:
    """The options about a job's contact sheet. Raises ``Refused`` for what is no colour."""
    colour = str(chosen["grid_background_color"])
    try:
        ImageColor.getrgb(colour)
    except ValueError:
        raise Refused(
            f"grid_background_color: {colour[:40]!r} is no colour.", "invalid_value", value=colour
        ) from None
    return GridRules(
        rows=chosen["n_rows"],
        fill_evenly=chosen["grid_prevent_empty_spots"],
        background=colour,
        only_of_several=chosen["grid_only_if_multiple"],
    )


def read_pattern(name: str, chosen: Mapping[str, Any]) -> str:
    """A pattern of an option. Raises ``Refused`` for one of more than 1,000 characters."""
    text = str(chosen[name])
    if len(text) > MAX_PATTERN_LENGTH:
        raise too_long(name, len(text), MAX_PATTERN_LENGTH)
    return text


def check_container(name: str, format: str) -> str:
    """A format that pictures can be saved in. Raises ``Refused`` for another."""
    if format.lower() not in CONTAINERS:
        known = ", ".join(CONTAINERS)
        raise Refused(
            f"{name}: {format[:40]!r} was asked for; {known} are known.",
            "unknown_name",
            value=format,
            known=[*CONTAINERS],
        )
    return format.lower()
