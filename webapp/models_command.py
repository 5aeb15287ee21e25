"""``easel models``: merges, converts and reports models, without a server.

A request is read and checked as the API's are, against the same folders.
"""

import argparse
import os
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from filebrowser.index.search import IndexSearch
from generator.errors import BadRequest, GeneratorError
from generator.model_tools.bases import BaseReader
from generator.model_tools.door import check_at_door
from generator.model_tools.recipes import (
    ConfigSource,
    EmaChoice,
    MergeMode,
    ModelRecipe,
    Precision,
)
from generator.model_tools.report import (
    ModelReport,
    ModelUses,
    compose_report,
    unhashed_candidates,
)
from generator.model_tools.report_text import report_lines
from webapp.errors import InvalidFields, Refused
from webapp.files.file_services import INDEX
from webapp.files.model_uses import collect_uses
from webapp.plugins.model_registry import registry_of
from webapp.progress_bar import ProgressBar
from webapp.requests.fields import read_body
from webapp.requests.model_tools import (
    CONVERTIBLE,
    ConvertBody,
    MergeBody,
    read_conversion,
    read_merge,
)
from webapp.settings.config import UnknownFlag
from webapp.settings.data_dir import CannotUse, open_store, prepare_data_dir
from webapp.settings.passed_flags import add_command, complain, parse_passed, show_flag

if TYPE_CHECKING:
    from generator.models.registry import Registry
    from webapp.settings.config import Config

EXIT_DONE, EXIT_FAILED, EXIT_MISUSED, EXIT_INTERRUPTED = 0, 1, 2, 130
OUTPUT_FIELDS = ("name", "precision", "ema", "vae", "discard", "config", "overwrite")


def main(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Do what the command line asks for; the exit code.

    0: done. 1: it could not be done. 2: the command line, or what it names, is at fault. 130:
    interrupted. Nothing half-written is left in any case.
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    try:
        config = parse_passed(arguments, argv, environment)
        prepare_data_dir(config)
        run: Callable[[argparse.Namespace, Config], int] = arguments.run
        return run(arguments, config)
    except (UnknownFlag, BadRequest, Refused, InvalidFields) as error:
        return complain(parser, str(error), EXIT_MISUSED)
    except (GeneratorError, CannotUse) as error:
        return complain(parser, str(error), EXIT_FAILED)
    except KeyboardInterrupt:
        return complain(parser, "interrupted; nothing was written", EXIT_INTERRUPTED)


def build_parser() -> argparse.ArgumentParser:
    """What the command understands."""
    parser = argparse.ArgumentParser(
        prog="easel models", description="Tools for the models of a data directory."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_merge(_command(commands, "merge", "merge two or three checkpoints", run_merge))
    _add_convert(_command(commands, "convert", "write a model as safetensors", run_convert))
    report = _command(commands, "report", "sizes, duplicates, what is unused", run_report)
    report.add_argument("--json", action="store_true", help="as GET /api/models/report answers")
    return parser


def run_report(arguments: argparse.Namespace, config: "Config") -> int:
    """Report."""
    registry = refreshed_registry(config)
    for file in unhashed_candidates(registry.index):
        registry.ensure_hashes(file)
    report = compose_report(registry.index, read_uses(config), BaseReader(), config.data_dir)
    if arguments.json:
        print(TypeAdapter(ModelReport).dump_json(report, indent=2).decode())
    else:
        print("\n".join(report_lines(report)))
    return EXIT_DONE


def read_uses(config: "Config") -> ModelUses | None:
    """What the service's index of pictures and its queue tell; None where it never ran here."""
    index_file = config.easel_dir / INDEX
    if not index_file.is_file():
        return None
    search, store = IndexSearch(index_file), open_store(config)
    try:
        return collect_uses(search.count_names(), store)
    except sqlite3.Error as error:
        print(f"{index_file.name} cannot be read: {error}", file=sys.stderr)
        return None
    finally:
        search.close()
        store.close()


def run_merge(arguments: argparse.Namespace, config: "Config") -> int:
    """Merge."""
    fields = {name: getattr(arguments, name) for name in ("models", "mode", "multiplier")}
    body = read_body(MergeBody, fields | _output_fields(arguments))
    return write(read_merge(body), config)


def run_convert(arguments: argparse.Namespace, config: "Config") -> int:
    """Convert."""
    fields = {name: getattr(arguments, name) for name in ("model", "kind")}
    body = read_body(ConvertBody, fields | _output_fields(arguments))
    return write(read_conversion(body), config)


def write(recipe: ModelRecipe, config: "Config") -> int:
    """Write the model; prints its file, and on standard error what there is to say."""
    registry = refreshed_registry(config)
    check_at_door(recipe, registry)
    from generator.model_tools.write_model import write_model  # torch: after all is checked

    bar = ProgressBar("MiB", "Writing")
    try:
        written = write_model(recipe, registry, bar)
    finally:
        bar.close()
    print(f"{written.path} ({written.size:,} bytes, {written.seconds:.1f} s)")
    for note in written.notes:
        print(note, file=sys.stderr)
    return EXIT_DONE


def refreshed_registry(config: "Config") -> "Registry":
    """What lies in the folders now."""
    registry = registry_of(config)
    registry.refresh_still()
    return registry


def _command(
    commands: Any, name: str, text: str, run: Callable[[argparse.Namespace, "Config"], int]
) -> argparse.ArgumentParser:
    command = add_command(commands, name, text)
    show_flag(command, "data-dir", "where models lie")
    command.set_defaults(run=run)
    return command


def _add_merge(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("models", nargs="+", metavar="MODEL", help="A, B and for a difference C: names or hashes")
    add("--mode", default=str(MergeMode.WEIGHTED_SUM), help=_choices(MergeMode))
    add("--multiplier", type=float, default=0.3, metavar="M", help="default: 0.3")
    _add_output(command)


def _add_convert(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", metavar="MODEL", help="name or hash")
    command.add_argument("--kind", default="checkpoint", help=f"{', '.join(CONVERTIBLE)}")
    _add_output(command)


def _add_output(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("-o", "--name", default="", help="of the new file, without suffix")
    add("--precision", default=str(Precision.KEEP), help=_choices(Precision))
    add("--ema", default=str(EmaChoice.DROP), help=f"running averages: {_choices(EmaChoice)}")
    add("--vae", default="", metavar="NAME", help="a VAE to bake in")
    add("--discard", default="", metavar="REGEX", help="tensors to leave out")
    add("--config", default=str(ConfigSource.ANY), help=f".yaml to copy: {_choices(ConfigSource)}")
    add("--overwrite", action="store_true", help="replace a file of that name")


def _choices(kind: type[MergeMode | Precision | EmaChoice | ConfigSource]) -> str:
    return ", ".join(repr(str(choice)) for choice in kind)


def _output_fields(arguments: argparse.Namespace) -> dict[str, object]:
    return {name: getattr(arguments, name) for name in OUTPUT_FIELDS}
