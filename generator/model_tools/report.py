"""What a user's models are: sizes, duplicates, unused ones, adapters without a base. No torch."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from generator.model_tools.bases import BaseReader
from generator.models.index import ModelFile, ModelIndex, without_hash
from generator.models.kinds import ModelKind
from generator.models.misplaced import right_folder_of
from generator.unicode_names import to_nfc

KINDS_WITH_USES = (ModelKind.CHECKPOINT, ModelKind.LORA)
"""Of other kinds pictures do not tell, or not by a name that could be looked up."""


@dataclass(frozen=True, slots=True)
class ModelUses:
    """Names of models that pictures and jobs tell of, with how many; ``pictures`` were read."""

    checkpoints: Mapping[str, int]
    loras: Mapping[str, int]
    pictures: int


@dataclass(frozen=True, slots=True)
class ReportedModel:
    """A model file of the report."""

    kind: ModelKind
    name: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class KindSize:
    """All files of a kind; several names of one file count once."""

    kind: ModelKind
    files: int
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Files of equal content, and the bytes that all but one of them take."""

    sha256: str
    models: tuple[ReportedModel, ...]
    spare: int


@dataclass(frozen=True, slots=True)
class BaselessModel:
    """A LoRA, and in words the base that no checkpoint here is of."""

    model: ReportedModel
    base: str


@dataclass(frozen=True, slots=True)
class MisplacedModel:
    """A file among checkpoints: in words what it is, and the folder that it belongs in."""

    model: ReportedModel
    found: str
    folder: str


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A file that is in no list, by its path in the data directory, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModelReport:
    """The report. ``unused`` is None where nothing is known of pictures."""

    kinds: tuple[KindSize, ...]
    duplicates: tuple[Duplicates, ...]
    unhashed: int  # files of a size that others have, whose hash is not known (yet)
    unused: tuple[ReportedModel, ...] | None
    pictures: int | None  # that were asked what they were made with
    baseless: tuple[BaselessModel, ...]
    misplaced: tuple[MisplacedModel, ...]
    unjudged: int  # LoRA whose header was not read yet: ask again
    unreadable: tuple[UnreadableFile, ...]


def compose_report(
    index: ModelIndex,
    uses: ModelUses | None,
    bases: BaseReader,
    data_dir: Path,
    seconds: float = math.inf,
) -> ModelReport:
    """The report of all files of an index; ``seconds``: that headers may be read for."""
    files = [file for of_kind in index.files.values() for file in of_kind]
    bases.forget_others(frozenset(file.identity for file in files))
    unjudged = bases.read_some(index.files_of(ModelKind.LORA), seconds)
    return ModelReport(
        kinds=tuple(measure_kinds(index)),
        duplicates=tuple(find_duplicates(files)),
        unhashed=len(unhashed_candidates(index)),
        unused=None if uses is None else tuple(find_unused(index, uses)),
        pictures=None if uses is None else uses.pictures,
        baseless=tuple(find_baseless(index, bases)),
        misplaced=tuple(find_misplaced(index)),
        unjudged=unjudged,
        unreadable=list_unreadable(index, data_dir),
    )


def measure_kinds(index: ModelIndex) -> Iterable[KindSize]:
    """Files and bytes of each kind that has any, the largest first."""
    sizes = [
        KindSize(kind, len(files), sum({file.inode: file.size for file in files}.values()))
        for kind, files in index.files.items()
        if files
    ]
    return sorted(sizes, key=lambda of_kind: -of_kind.size)


def find_duplicates(files: Sequence[ModelFile]) -> Iterable[Duplicates]:
    """Files of one hash, what could be spared most first; links to one file are none."""
    by_hash: dict[str, dict[int, ModelFile]] = {}
    for file in files:
        if file.sha256:
            by_hash.setdefault(file.sha256, {}).setdefault(file.inode, file)
    groups = [
        Duplicates(sha256, tuple(map(describe, copies.values())), size * (len(copies) - 1))
        for sha256, copies in by_hash.items()
        if len(copies) > 1
        for size in (next(iter(copies.values())).size,)
    ]
    return sorted(groups, key=lambda group: -group.spare)


def unhashed_candidates(index: ModelIndex) -> list[ModelFile]:
    """Files without a hash that may be duplicates: another has the same size."""
    files = {file.inode: file for of_kind in index.files.values() for file in of_kind}
    counts = Counter(file.size for file in files.values())
    return [file for file in files.values() if file.sha256 is None and counts[file.size] > 1]


def find_unused(index: ModelIndex, uses: ModelUses) -> Iterable[ReportedModel]:
    """Checkpoints and LoRA that no picture and no job names, the largest first."""
    checkpoints = Counter(to_nfc(without_hash(name)) for name in uses.checkpoints)
    loras = {to_nfc(name) for name in uses.loras}
    unused = [
        file
        for file in index.files_of(ModelKind.CHECKPOINT)
        if not any(to_nfc(without_hash(alias)) in checkpoints for alias in file.aliases())
    ]
    unused += [
        file
        for file in index.files_of(ModelKind.LORA)
        if not {to_nfc(file.stem), to_nfc(file.alias)} & loras
    ]
    return map(describe, sorted(unused, key=lambda file: -file.size))


def find_baseless(index: ModelIndex, bases: BaseReader) -> Iterable[BaselessModel]:
    """LoRA whose base is known and of which no checkpoint is here."""
    here = {bases.base_of(file) for file in index.files_of(ModelKind.CHECKPOINT)}
    for file in index.files_of(ModelKind.LORA):
        base = bases.base_of(file)
        if base is not None and base not in here:
            yield BaselessModel(describe(file), base.label)


def find_misplaced(index: ModelIndex) -> Iterable[MisplacedModel]:
    """Files among checkpoints that are of another kind that has a folder."""
    for file in index.files_of(ModelKind.CHECKPOINT):
        folder = right_folder_of(file)
        if folder and file.architecture:
            yield MisplacedModel(describe(file), file.architecture.label, folder)


def list_unreadable(index: ModelIndex, data_dir: Path) -> tuple[UnreadableFile, ...]:
    """Files that cannot be used, by their path in the data directory, with the reason."""
    return tuple(
        UnreadableFile(
            str(path.relative_to(data_dir)) if path.is_relative_to(data_dir) else path.name, reason
        )
        for path, reason in sorted(index.rejected.items())
    )


def describe(file: ModelFile) -> ReportedModel:
    """A file as the report names it."""
    return ReportedModel(file.kind, file.name, file.size)
