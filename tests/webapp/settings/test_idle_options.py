"""The table's marks tell which options act: an idle one is read nowhere, every other one is."""

import ast
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

from generator.request import Snapshot
from webapp.documentation import options_page
from webapp.settings.options_table import OPTIONS

ROOT = Path(__file__).parents[3]
NO_READERS = frozenset(
    f"webapp/{name}.py"
    for name in ("documentation", "settings/options_table", "settings/foreign_options")
)
"""Files that name options and act by none."""

HOMONYMS = {
    "font": "a folder beside the legend of grids",
    "img2img": "a tab, a route and a kind of job",
    "pin_memory": "torch's method of a tensor, for memory that a card copies from",
    "grid_text_active_color": "only checked to be a colour when it is set",
    "grid_text_inactive_color": "only checked to be a colour when it is set",
}
"""Words in the code that are names of options too, and what they mean there."""

NAMES = frozenset(option.name for option in OPTIONS)


def words_in(source: str) -> Iterator[str]:
    """Attributes that are read and texts of a module; docstrings are texts of many words."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@cache
def words_of_code() -> frozenset[str]:
    """Every such word in the packages that draw, answer and keep files."""
    packages = ("generator", "webapp", "plugins", "filebrowser")
    files = [file for package in packages for file in (ROOT / package).rglob("*.py")]
    readers = [file for file in files if file.relative_to(ROOT).as_posix() not in NO_READERS]
    assert len(readers) > 200
    return frozenset(word for file in readers for word in words_in(file.read_text("utf-8")))


def test_an_option_is_marked_idle_exactly_if_nothing_reads_it() -> None:
    names = {option.name for option in OPTIONS}
    idle = {option.name for option in OPTIONS if option.idle}
    read = (names & words_of_code()) - set(HOMONYMS)
    assert sorted(read & idle) == [], "read, and marked idle"
    assert sorted(names - read - idle) == [], "read nowhere, and not marked idle"


def test_every_homonym_is_an_option_and_stands_in_the_code() -> None:
    assert set(HOMONYMS) <= {option.name for option in OPTIONS} & words_of_code()


def test_the_engine_is_given_no_idle_option_but_the_one_of_automatic1111() -> None:
    idle = {option.name for option in OPTIONS if option.idle}
    assert idle & {field.name for field in fields(Snapshot)} == {"ddim_discretize"}


def test_the_page_of_options_shows_the_marks() -> None:
    active, idle = options_page().split("```\n")[1::2]
    named = [line.partition(":")[0] for line in active.splitlines()]
    assert named == [option.name for option in OPTIONS if not option.idle]
    single, grouped = (part.splitlines() for part in idle.split("\n\n"))
    shared = [word for line in grouped for word in line.split() if word in NAMES]
    alone = [line.partition(":")[0] for line in single]
    assert sorted(alone + shared) == sorted(option.name for option in OPTIONS if option.idle)
