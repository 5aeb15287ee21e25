"""The wildcard files of a folder, each on its own: a bad one is left out, and the log says why."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml
from dynamicprompts.wildcards import WildcardManager
from dynamicprompts.wildcards.collection import WildcardCollection, WildcardTextFile
from dynamicprompts.wildcards.collection.structured import parse_structured_file

from generator.errors import ModelUnreadable
from generator.models.plain_files import check_name, open_plain, read_text
from generator.unicode_names import to_nfc

MAX_LIST_BYTES = 1 << 24  # bytes of a list, a choice a line
MAX_TABLE_BYTES = 1 << 20  # bytes of YAML or JSON, which is slow to read
MAX_FILES = 20_000  # files
TABLE_SUFFIXES = (".json", ".yaml")

log = logging.getLogger(__name__)


class WildcardFile(WildcardTextFile):
    """A choice a line, read when it is asked for. A pipe, or a file without end, has none."""

    def get_values(self) -> list[str]:
        """The lines that are not empty and no comments."""
        if self._cache is None:
            try:
                lines = read_text(self._path, MAX_LIST_BYTES).splitlines()
            except (ModelUnreadable, OSError) as error:
                log.warning("wildcards are left out: %s", error)
                lines = []
            stripped = (line.strip() for line in lines)
            self._cache = [line for line in stripped if line and not line.startswith("#")]
        return self._cache


def load_wildcards(folder: Path) -> WildcardManager:
    """The wildcards below ``folder`` by their paths without suffix."""
    collections: dict[str, WildcardCollection | list[str]] = {}
    for name, collection in _collections(folder):
        plain = to_nfc(name)
        collections[name if plain in collections else plain] = collection
    return EitherForm(root_map={"": [collections]})


class EitherForm(WildcardManager):
    """Finds wildcards by NFC and NFD names."""

    def match_collections(self, wildcard: str) -> Iterable[WildcardCollection]:
        """Those that a pattern matches, as it is or in NFC."""
        exact = list(super().match_collections(wildcard))
        return exact or super().match_collections(to_nfc(wildcard))


def _collections(folder: Path) -> Iterator[tuple[str, WildcardCollection]]:
    for count, path in enumerate(_walk_files(folder)):
        if count >= MAX_FILES:
            log.warning("wildcards are left out: there are more than %d files", MAX_FILES)
            return
        place = path.parent.relative_to(folder).as_posix()
        prefix = "" if place == "." else f"{place}/"
        if path.suffix == ".txt":
            yield f"{prefix}{path.stem}", WildcardFile(path)
        elif path.suffix in TABLE_SUFFIXES:
            yield from (
                (f"{prefix}{name}", wildcard) for name, wildcard in _read_table(path).items()
            )


def _read_table(path: Path) -> Mapping[str, WildcardCollection]:
    try:
        text = read_text(path, MAX_TABLE_BYTES)
        if path.suffix == ".yaml" and "*" in text:
            events = yaml.parse(text, yaml.SafeLoader)
            if any(isinstance(event, yaml.AliasEvent) for event in events):
                raise ModelUnreadable(f"{path.name}: it refers to a part of itself")
        return dict(parse_structured_file(path))
    except Exception as error:  # whatever is wrong with one file: the others are read
        log.warning("wildcards are left out: %s: %s", path.name, str(error)[:200])
        return {}


def _walk_files(folder: Path) -> Iterator[Path]:
    """Files below a folder; links are followed, their loops are not, hidden folders neither."""
    waiting, visited = [folder], set()
    while waiting:
        place = waiting.pop()
        try:
            facts = place.stat()
            names = sorted(os.listdir(place))
        except OSError:
            continue
        if (facts.st_dev, facts.st_ino) in visited:
            continue
        visited.add((facts.st_dev, facts.st_ino))
        for name in names:
            path = place / name
            try:
                check_name(name)
                if path.is_dir():
                    waiting.extend(() if name.startswith(".") else (path,))
                    continue
                open_plain(path).close()
            except (ModelUnreadable, OSError):
                continue  # gone, a pipe, or of a name that no prompt can say
            yield path
