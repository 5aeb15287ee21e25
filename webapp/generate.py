"""``easel generate``: draws pictures into files, without a server.

A request is read and checked as the API's are, against the same models and options, so that the
same seed gives the same picture as on the page.
"""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from generator.errors import BadRequest, GeneratorError
from generator.memory_errors import find_memory_error
from generator.models.registry import Registry
from generator.pictures.picture_files import CONTAINERS, encode_picture, write_picture_file
from generator.request import Generation, GenerationRequest, Picture
from generator.sampling.sampler_names import (
    DEFAULT_SAMPLER,
    DEFAULT_SCHEDULE,
    SAMPLER_NAMES,
    SCHEDULE_NAMES,
    resolve_names,
)
from plugins.api import Side
from plugins.engine_listener import PluginListener
from plugins.errors import PluginError
from webapp.errors import InvalidFields, Refused
from webapp.plugins.model_registry import registry_of
from webapp.plugins.plugin_factory import create_host
from webapp.plugins.web_plugins import WebPlugins
from webapp.progress_bar import ProgressBar
from webapp.queues.job_codec import EasExtras
from webapp.requests.context import RequestContext
from webapp.requests.fields import read_body
from webapp.requests.model_choice import choose_checkpoint
from webapp.requests.translate import translate_body
from webapp.requests.txt2img import Txt2Img
from webapp.settings.config import UnknownFlag
from webapp.settings.data_dir import CannotUse
from webapp.settings.devices import resolve_devices
from webapp.settings.first_start import prepare
from webapp.settings.option_store import options_of
from webapp.settings.passed_flags import EPILOG, accept_flags, complain, parse_passed, show_flag
from webapp.version import INFOTEXT_VERSION
from webapp.worker.main import engine_of, use_threads

if TYPE_CHECKING:
    from webapp.settings.config import Config

EXIT_DONE, EXIT_FAILED, EXIT_MISUSED, EXIT_INTERRUPTED = 0, 1, 2, 130
FALLBACK_SIZE = 512  # pixels, where a checkpoint does not tell its own


def main(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Draw what the command line asks for; the exit code.

    0: drawn. 1: it could not be drawn or saved. 2: the command line, or the request, is at fault.
    130: interrupted. Nothing half-written is left in any case.
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    try:
        return draw(arguments, parse_passed(arguments, argv, environment))
    except (UnknownFlag, BadRequest, Refused, InvalidFields) as error:
        return complain(parser, str(error), EXIT_MISUSED)
    except (GeneratorError, PluginError, CannotUse) as error:
        return complain(parser, str(error), EXIT_FAILED)
    except (MemoryError, RuntimeError) as error:
        if not find_memory_error(error):
            raise
        return complain(parser, "Out of memory: ask for a smaller picture", EXIT_FAILED)
    except KeyboardInterrupt:
        return complain(parser, "interrupted", EXIT_INTERRUPTED)


def draw(arguments: argparse.Namespace, config: "Config") -> int:
    """Draw and save; prints each file with its seed."""
    prepare(config)
    registry = registry_of(config)
    options = options_of(config)
    web_plugins = WebPlugins(config, options, logging.getLogger("easel"))
    try:
        request = request_of(arguments, registry, options.get(), web_plugins)
    finally:
        web_plugins.close()
    generation = _run(config, registry, request)
    paths = output_paths(arguments.output, request.seeds.seed, len(generation.pictures))
    for path, picture in zip(paths, generation.pictures, strict=True):
        write_picture_file(path, _encode(picture, path, request.options.jpeg_quality))
        print(f"{path} (seed {picture.seed}, {generation.seconds:.1f} s)")
    for comment in generation.comments:
        print(comment, file=sys.stderr)
    return EXIT_DONE


def build_parser() -> argparse.ArgumentParser:
    """What the command understands by itself; the service's other flags are accepted too."""
    parser = argparse.ArgumentParser(
        prog="easel generate",
        description="Draw pictures into files, without a server.",
        epilog=EPILOG,
        allow_abbrev=False,
        conflict_handler="resolve",
    )
    accept_flags(parser)
    add = parser.add_argument
    add("prompt", help="what to draw; the grammar is AUTOMATIC1111's")
    add("-o", "--output", type=_picture_file, help="default: easel-SEED.png; png, jpg or webp")
    add("--negative", default="", metavar="TEXT", help="what to keep out of the picture")
    add("--seed", type=int, default=-1, help="default: a random one, which is printed")
    add("--steps", type=int, default=20, help="default: 20")
    add("--sampler", default=DEFAULT_SAMPLER, help=f"default: {DEFAULT_SAMPLER}")
    add("--schedule", default=DEFAULT_SCHEDULE, help=f"default: {DEFAULT_SCHEDULE}")
    add("--width", type=int, help="pixels; default: what the checkpoint was trained at")
    add("--height", type=int, help="pixels; default: the same")
    add("--cfg", type=float, default=7.0, help="classifier-free guidance scale; default: 7")
    add("--checkpoint", default="", metavar="NAME", help="name, title or hash; see docs/models.md")
    add("--batch", type=int, default=1, metavar="N", help="draw N pictures, with seeds one apart")
    show_flag(parser, "data-dir", "where models lie")
    show_flag(parser, "device", "auto, cpu, cuda:N")
    return parser


def request_of(
    arguments: argparse.Namespace,
    registry: Registry,
    options: Mapping[str, object],
    plugins: WebPlugins,
) -> GenerationRequest:
    """The request, checked. Raises BadRequest, Refused or InvalidFields naming what is wrong."""
    extras = EasExtras(sd_model_checkpoint=arguments.checkpoint or None)
    choices, away = plugins.choices, plugins.absent_plugin
    context = RequestContext(
        options, registry, "", INFOTEXT_VERSION, choices=choices, absent_plugin=away
    )
    sampler, schedule = _resolve_names(arguments.sampler, arguments.schedule, plugins)
    file = registry.find_checkpoint(choose_checkpoint({}, extras, context))
    size = file.default_size or FALLBACK_SIZE
    body = read_body(
        Txt2Img,
        {
            "prompt": arguments.prompt,
            "negative_prompt": arguments.negative,
            "seed": arguments.seed,
            "steps": arguments.steps,
            "sampler_name": sampler,
            "scheduler": schedule,
            "width": size if arguments.width is None else arguments.width,
            "height": size if arguments.height is None else arguments.height,
            "cfg_scale": arguments.cfg,
            "n_iter": arguments.batch,
            "alwayson_scripts": {"sd_model_checkpoint": arguments.checkpoint or None},
        },
    )
    return translate_body(body, context).request


def output_paths(output: Path | None, seed: int, count: int) -> tuple[Path, ...]:
    """Where the pictures go: the file itself for one, ``NAME-1``, ``NAME-2`` ... for several."""
    path = output or Path(f"easel-{seed}.png")
    if count == 1:
        return (path,)
    return tuple(path.with_stem(f"{path.stem}-{number}") for number in range(1, count + 1))


def _run(config: "Config", registry: Registry, request: GenerationRequest) -> Generation:
    use_threads(config.threads)  # plugins may import torch
    plugins = create_host(Side.WORKER, config, options_of(config), logging.getLogger("easel"))
    engine = engine_of(config, registry, resolve_devices(config.device)[0], PluginListener(plugins))
    bar = ProgressBar()
    try:
        return engine.run(request, bar)
    finally:
        bar.close()


def _resolve_names(sampler: str, schedule: str, plugins: WebPlugins) -> tuple[str, str]:
    """Both names in full. A person is told of a wrong name; only the API must draw anyway."""
    samplers, schedules = plugins.choices("samplers"), plugins.choices("schedules")
    sampler_or_default = DEFAULT_SAMPLER if sampler in samplers else sampler
    label = None if schedule == DEFAULT_SCHEDULE or schedule in schedules else schedule
    try:
        name, schedule_name = resolve_names(sampler_or_default, label, lenient=False)
    except KeyError as error:
        unknown_name = str(error.args[0])
        plugin_reason = plugins.absent_plugin("samplers", unknown_name) or plugins.absent_plugin(
            "schedules", unknown_name
        )
        raise BadRequest(
            plugin_reason
            or f"{unknown_name!r} is no sampler or schedule. "
            f"Samplers: {', '.join((*(each.name for each in SAMPLER_NAMES), *samplers))}. "
            f"Schedules: {', '.join((*(each.label for each in SCHEDULE_NAMES), *schedules))}."
        ) from error
    return (
        sampler if sampler in samplers else name,
        schedule if schedule in schedules else schedule_name,
    )


def _encode(picture: Picture, path: Path, quality: int) -> bytes:
    return encode_picture(picture.image, path.suffix[1:], picture.infotext, quality)


def _picture_file(text: str) -> Path:
    path = Path(text)
    if path.suffix[1:].lower() not in CONTAINERS:
        known = ", ".join(f".{name}" for name in CONTAINERS)
        raise argparse.ArgumentTypeError(f"{text!r} should end in one of {known}")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder")
    return path
