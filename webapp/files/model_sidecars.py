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

from filebrowser.access.file_access import FileAccess, resolve_path
from filebrowser.access.gate import Place
from filebrowser.errors import FileError
from filebrowser.listing.file_kinds import FileKind
from filebrowser.listing.tree import open_folder, read_entry
from filebrowser.operations.conflicts import Conflict
from filebrowser.operations.copy_tree import exists
from filebrowser.operations.move import FileStep, check_step
from filebrowser.operations.renames import MAX_NUMBERED_NAMES, numbered_name
from generator.models.kinds import VAE_ENDINGS, WEIGHT_SUFFIXES, Folders, ModelKind

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".jxl")
NOTE_ENDINGS = (
    ".yaml", ".yml", ".json", ".txt", ".description.txt", ".info", ".civitai.info",
    ".metadata.json", ".cm-info.json", ".sha256",
)  # fmt: skip
SIDECAR_ENDINGS = (
    *NOTE_ENDINGS, *PICTURE_ENDINGS,
    *(f".preview{ending}" for ending in (*PICTURE_ENDINGS, ".mp4", ".webm")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _FolderNames:
    """The names in a folder. ``here`` tells them by their lower case."""

    names: frozenset[str]
    by_lower_case: Mapping[str, Sequence[str]]
    holds_checkpoints: bool  # whether it is a folder of checkpoints


@dataclass(frozen=True, slots=True)
class Sidecars:
    """Finds the sidecars of model files in the model folders."""

    folders: Folders

    def with_sidecars(
        self, access: FileAccess, steps: Sequence[FileStep], moves: bool, conflict: Conflict | None
    ) -> tuple[FileStep, ...]:
        """``steps``, each followed by those of what lies beside its weights, under its new name.

        Where the names get a number, weights and what lies beside them get the same. Raises as
        :func:`check_step`.
        """
        sidecars = self.find_sidecars(access, [step.source for step in steps], moves)
        groups = {
            step.source: _with_new_names(step, sidecars[step.source], conflict) for step in steps
        }
        sidecar_sources = {each.source for group in groups.values() for each in group[1:]}
        all_steps = [
            each for s in steps if s.source not in sidecar_sources for each in groups[s.source]
        ]
        known = {step.source for step in steps}
        for step in all_steps:
            if step.source not in known:
                check_step(access, step, moves)
        return tuple(dict.fromkeys(all_steps))

    def paths_with_sidecars(self, access: FileAccess, paths: Sequence[str]) -> list[str]:
        """``paths``, and those of what lies beside weights among them."""
        places = []
        for path in paths:
            with suppress(FileError):  # who deletes says what is wrong with it
                places.append(resolve_path(access, path))
        sidecars = self.find_sidecars(access, places, leaving=True)
        sidecar_paths = (f"/{sidecar.text}" for place in places for sidecar in sidecars[place])
        return list(dict.fromkeys((*paths, *sidecar_paths)))

    def find_sidecars(
        self, access: FileAccess, places: Sequence[Place], leaving: bool
    ) -> dict[Place, tuple[Place, ...]]:
        """For each place what belongs to it alone; nothing to what are no weights of a model.

        ``leaving``: weights of the same stem that stay keep what lies beside both.
        """
        listings: dict[Place, _FolderNames] = {}
        gone: dict[Place, set[str]] = {}
        for place in places if leaving else ():
            gone.setdefault(_parent_of(place), set()).update(place.names[-1:])
        sidecars: dict[Place, tuple[Place, ...]] = {}
        for place in places:
            sidecars[place] = ()
            if not place.names or weights_stem(place.names[-1]) is None:
                continue
            folder = _parent_of(place)
            if folder not in listings:
                listings[folder] = self._read_names(folder)
            others = gone.get(folder, set())
            names = dict.fromkeys(
                _sidecar_names(place.names[-1], listings[folder], others, leaving)
            )
            sources = (
                _reachable_file(access, Place(folder.root, (*folder.names, n)), leaving)
                for n in names
            )
            sidecars[place] = tuple(source for source in sources if source is not None)
        return sidecars

    def _read_names(self, folder: Place) -> _FolderNames:
        path = Path(os.path.realpath(Path(folder.root.path, *folder.names)))
        if not _is_inside(path, self.folders.all()):
            return _FolderNames(frozenset(), {}, False)
        try:
            handle = open_folder(folder)
        except FileError:
            return _FolderNames(frozenset(), {}, False)
        try:
            names = frozenset(os.listdir(handle))
        finally:
            os.close(handle)
        by_lower_case: dict[str, list[str]] = {}
        for name in sorted(names):
            by_lower_case.setdefault(name.lower(), []).append(name)
        return _FolderNames(
            names, by_lower_case, _is_inside(path, self.folders.of(ModelKind.CHECKPOINT))
        )


def _parent_of(place: Place) -> Place:
    return Place(place.root, place.names[:-1])


def weights_stem(name: str) -> str | None:
    """The name of a file of weights without its suffix; None for other files."""
    stem, suffix = os.path.splitext(name)
    return stem if stem and suffix.lower() in WEIGHT_SUFFIXES else None


def _sidecar_names(
    name: str, listing: _FolderNames, gone: Collection[str], leaving: bool
) -> Iterator[str]:
    """What lies beside the weights ``name``; a VAE among it brings its own."""
    stem = weights_stem(name)
    if stem is None or (leaving and (_weights_of_stem(stem, listing) - {name, *gone})):
        return
    for ending in SIDECAR_ENDINGS:
        inner = stem + ending[: -len(os.path.splitext(ending)[1])]
        if inner != stem and _weights_of_stem(inner, listing):
            continue  # another model's: "a.preview.safetensors" has "a.preview.png"
        yield from _matching_names(stem, ending, listing)
    if listing.holds_checkpoints:
        for ending in VAE_ENDINGS:
            for vae in _matching_names(stem, ending, listing):
                yield vae
                yield from _sidecar_names(vae, listing, {*gone, vae}, leaving)


def _matching_names(stem: str, ending: str, listing: _FolderNames) -> list[str]:
    """The files of that stem to the letter, and that ending in capitals or not."""
    candidates = listing.by_lower_case.get((stem + ending).lower(), ())
    return [name for name in candidates if name.startswith(stem)]


def _weights_of_stem(stem: str, listing: _FolderNames) -> set[str]:
    return {name for suffix in WEIGHT_SUFFIXES for name in _matching_names(stem, suffix, listing)}


def _reachable_file(access: FileAccess, place: Place, leaving: bool) -> Place | None:
    """The place again, judged; None for what the caller cannot reach, and for no file."""
    kinds = (FileKind.FOLDER, FileKind.SPECIAL, *(() if leaving else (FileKind.LINK,)))
    try:
        reached = resolve_path(access, f"/{place.text}")
        return None if read_entry(reached).kind in kinds else reached
    except FileError:
        return None


def _with_new_names(
    step: FileStep, sidecars: Sequence[Place], conflict: Conflict | None
) -> tuple[FileStep, ...]:
    """A step and those of what goes with it, in one numbering."""
    old, new = (
        weights_stem(step.source.names[-1] if step.source.names else ""),
        weights_stem(step.name),
    )
    is_skipped = conflict is Conflict.SKIP and exists(step.target)
    if not sidecars or old is None or new is None or is_skipped or step.target == step.source:
        return (step,)
    group = (step, *(replace(step, source=s, name=new + s.names[-1][len(old) :]) for s in sidecars))
    if conflict is not Conflict.RENAME or not any(exists(each.target) for each in group):
        return group
    for number in range(1, MAX_NUMBERED_NAMES):
        stem = weights_stem(numbered_name(step.name, number)) or new
        numbered = tuple(replace(each, name=stem + each.name[len(new) :]) for each in group)
        if not any(exists(each.target) for each in numbered):
            return numbered
    return group


def _is_inside(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(os.path.realpath(folder)) for folder in folders)
