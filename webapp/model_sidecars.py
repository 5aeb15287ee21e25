"""Sidecars of model files: previews, notes and settings that are moved and deleted with them.

Names are those that AUTOMATIC1111 reads (its cards' pictures, ``.json``, ``.txt``, ``.yaml``; under
checkpoints ``.vae.*``, contract section 5.12) and that its helpers for Civitai write. No Flask, no
torch.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from filebrowser.conflicts import Conflict
from filebrowser.copying import exists
from filebrowser.errors import FileError
from filebrowser.gate import Place
from filebrowser.kinds import Kind as FileKind
from filebrowser.moving import MOST_TRIED, Step, check_step
from filebrowser.renames import free_name
from filebrowser.tree import look, open_folder
from filebrowser.visit import Visit, reach
from generator.models.kinds import ANY_WEIGHTS, VAE_ENDINGS, Folders, Kind

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".jxl")
NOTES = (
    ".yaml", ".yml", ".json", ".txt", ".description.txt", ".info", ".civitai.info",
    ".metadata.json", ".cm-info.json", ".sha256",
)  # fmt: skip
ENDINGS = (
    *NOTES, *PICTURES,
    *(f".preview{ending}" for ending in (*PICTURES, ".mp4", ".webm")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Listing:
    """The names in a folder. ``here`` tells them by their lower case."""

    names: frozenset[str]
    here: Mapping[str, Sequence[str]]
    checkpoints: bool  # whether it is a folder of checkpoints


@dataclass(frozen=True, slots=True)
class Sidecars:
    """Finds the sidecars of model files in the model folders."""

    folders: Folders

    def with_sidecars(
        self, visit: Visit, steps: Sequence[Step], moves: bool, conflict: Conflict | None
    ) -> tuple[Step, ...]:
        """``steps``, each followed by those of what lies beside its weights, under its new name.

        Where the names get a number, weights and what lies beside them get the same. Raises as
        :func:`check_step`.
        """
        beside = self.beside(visit, [step.source for step in steps], moves)
        groups = {step.source: _group(step, beside[step.source], conflict) for step in steps}
        led = {each.source for group in groups.values() for each in group[1:]}
        found = [each for s in steps if s.source not in led for each in groups[s.source]]
        known = {step.source for step in steps}
        for step in found:
            if step.source not in known:
                check_step(visit, step, moves)
        return tuple(dict.fromkeys(found))

    def paths_with_sidecars(self, visit: Visit, paths: Sequence[str]) -> list[str]:
        """``paths``, and those of what lies beside weights among them."""
        places = []
        for path in paths:
            with suppress(FileError):  # who deletes says what is wrong with it
                places.append(reach(visit, path))
        beside = self.beside(visit, places, leaving=True)
        more = (f"/{found.text}" for place in places for found in beside[place])
        return list(dict.fromkeys((*paths, *more)))

    def beside(
        self, visit: Visit, places: Sequence[Place], leaving: bool
    ) -> dict[Place, tuple[Place, ...]]:
        """For each place what belongs to it alone; nothing to what are no weights of a model.

        ``leaving``: weights of the same stem that stay keep what lies beside both.
        """
        listings: dict[Place, _Listing] = {}
        gone: dict[Place, set[str]] = {}
        for place in places if leaving else ():
            gone.setdefault(_folder(place), set()).update(place.names[-1:])
        found: dict[Place, tuple[Place, ...]] = {}
        for place in places:
            found[place] = ()
            if not place.names or weights_stem(place.names[-1]) is None:
                continue
            folder = _folder(place)
            if folder not in listings:
                listings[folder] = self._listing(folder)
            others = gone.get(folder, set())
            names = dict.fromkeys(_names(place.names[-1], listings[folder], others, leaving))
            sources = (_file(visit, Place(folder.root, (*folder.names, n)), leaving) for n in names)
            found[place] = tuple(source for source in sources if source is not None)
        return found

    def _listing(self, folder: Place) -> _Listing:
        path = Path(os.path.realpath(Path(folder.root.path, *folder.names)))
        if not _inside(path, self.folders.all()):
            return _Listing(frozenset(), {}, False)
        try:
            opened = open_folder(folder)
        except FileError:
            return _Listing(frozenset(), {}, False)
        try:
            names = frozenset(os.listdir(opened))
        finally:
            os.close(opened)
        here: dict[str, list[str]] = {}
        for name in sorted(names):
            here.setdefault(name.lower(), []).append(name)
        return _Listing(names, here, _inside(path, self.folders.of(Kind.CHECKPOINT)))


def _folder(place: Place) -> Place:
    return Place(place.root, place.names[:-1])


def weights_stem(name: str) -> str | None:
    """The name of a file of weights without its suffix; None for other files."""
    stem, suffix = os.path.splitext(name)
    return stem if stem and suffix.lower() in ANY_WEIGHTS else None


def _names(name: str, listing: _Listing, gone: Collection[str], leaving: bool) -> Iterator[str]:
    """What lies beside the weights ``name``; a VAE among it brings its own."""
    stem = weights_stem(name)
    if stem is None or (leaving and (_weights(stem, listing) - {name, *gone})):
        return
    for ending in ENDINGS:
        inner = stem + ending[: -len(os.path.splitext(ending)[1])]
        if inner != stem and _weights(inner, listing):
            continue  # another model's: "a.preview.safetensors" has "a.preview.png"
        yield from _spelled(stem, ending, listing)
    if listing.checkpoints:
        for ending in VAE_ENDINGS:
            for vae in _spelled(stem, ending, listing):
                yield vae
                yield from _names(vae, listing, {*gone, vae}, leaving)


def _spelled(stem: str, ending: str, listing: _Listing) -> list[str]:
    """The files of that stem to the letter, and that ending in capitals or not."""
    found = listing.here.get((stem + ending).lower(), ())
    return [name for name in found if name.startswith(stem)]


def _weights(stem: str, listing: _Listing) -> set[str]:
    return {name for suffix in ANY_WEIGHTS for name in _spelled(stem, suffix, listing)}


def _file(visit: Visit, place: Place, leaving: bool) -> Place | None:
    """The place again, judged; None for what the caller cannot reach, and for no file."""
    kinds = (FileKind.FOLDER, FileKind.SPECIAL, *(() if leaving else (FileKind.LINK,)))
    try:
        found = reach(visit, f"/{place.text}")
        return None if look(found).kind in kinds else found
    except FileError:
        return None


def _group(step: Step, beside: Sequence[Place], conflict: Conflict | None) -> tuple[Step, ...]:
    """A step and those of what goes with it, in one numbering."""
    old, new = (
        weights_stem(step.source.names[-1] if step.source.names else ""),
        weights_stem(step.name),
    )
    taken = conflict is Conflict.SKIP and exists(step.target)
    if not beside or old is None or new is None or taken or step.target == step.source:
        return (step,)
    group = (step, *(replace(step, source=s, name=new + s.names[-1][len(old) :]) for s in beside))
    if conflict is not Conflict.RENAME or not any(exists(each.target) for each in group):
        return group
    for number in range(1, MOST_TRIED):
        stem = weights_stem(free_name(step.name, number)) or new
        again = tuple(replace(each, name=stem + each.name[len(new) :]) for each in group)
        if not any(exists(each.target) for each in again):
            return again
    return group


def _inside(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(os.path.realpath(folder)) for folder in folders)
