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

LARGEST = 1 << 24  # bytes of a list, a choice a line
LARGEST_TABLE = 1 << 20  # bytes of YAML or JSON, which is slow to read
MOST = 20_000  # files
TABLES = (".json", ".yaml")

log = logging.getLogger(__name__)


class TextFile(WildcardTextFile):
    """A choice a line, read when it is asked for. A pipe, or a file without end, has none."""

    def get_values(self) -> list[str]:
        """The lines that are not empty and no comments."""
        if self._cache is None:
            try:
                lines = read_text(self._path, LARGEST).splitlines()
            except (ModelUnreadable, OSError) as error:
                log.warning("wildcards are left out: %s", error)
                lines = []
            stripped = (line.strip() for line in lines)
            self._cache = [line for line in stripped if line and not line.startswith("#")]
        return self._cache


def manager_of(folder: Path) -> WildcardManager:
    """The wildcards below ``folder`` by their paths without suffix."""
    found: dict[str, WildcardCollection | list[str]] = {}
    for name, collection in _collections(folder):
        plain = to_nfc(name)
        found[name if plain in found else plain] = collection
    return EitherForm(root_map={"": [found]})


class EitherForm(WildcardManager):
    """Finds wildcards by NFC and NFD names."""

    def match_collections(self, wildcard: str) -> Iterable[WildcardCollection]:
        """Those that a pattern matches, as it is or in NFC."""
        exact = list(super().match_collections(wildcard))
        return exact or super().match_collections(to_nfc(wildcard))


def _collections(folder: Path) -> Iterator[tuple[str, WildcardCollection]]:
    for count, path in enumerate(_files(folder)):
        if count >= MOST:
            log.warning("wildcards are left out: there are more than %d files", MOST)
            return
        place = path.parent.relative_to(folder).as_posix()
        prefix = "" if place == "." else f"{place}/"
        if path.suffix == ".txt":
            yield f"{prefix}{path.stem}", TextFile(path)
        elif path.suffix in TABLES:
            yield from ((f"{prefix}{name}", found) for name, found in _table(path).items())


def _table(path: Path) -> Mapping[str, WildcardCollection]:
    try:
        text = read_text(path, LARGEST_TABLE)
        if path.suffix == ".yaml" and "*" in text:
            events = yaml.parse(text, yaml.SafeLoader)
            if any(isinstance(event, yaml.AliasEvent) for event in events):
                raise ModelUnreadable(f"{path.name}: it refers to a part of itself")
        return dict(parse_structured_file(path))
    except Exception as error:  # whatever is wrong with one file: the others are read
        log.warning("wildcards are left out: %s: %s", path.name, str(error)[:200])
        return {}


def _files(folder: Path) -> Iterator[Path]:
    """Files below a folder; links are followed, their loops are not, hidden folders neither."""
    waiting, seen = [folder], set()
    while waiting:
        place = waiting.pop()
        try:
            facts = place.stat()
            names = sorted(os.listdir(place))
        except OSError:
            continue
        if (facts.st_dev, facts.st_ino) in seen:
            continue
        seen.add((facts.st_dev, facts.st_ino))
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
