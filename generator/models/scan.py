"""Walks the model folders and lists every complete file in them. Opens only what is new."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from generator.errors import ModelUnreadable
from generator.models.embedding_facts import EmbeddingFacts, read_facts
from generator.models.families import DRAWN, architecture
from generator.models.hashes import HashCache, Hashes, legacy_hash
from generator.models.header import Header, check_pickle, read_header
from generator.models.index import Identity, Index, ModelFile, natural
from generator.models.kinds import SHELVES, VAE_ENDINGS, Folders, Kind
from generator.models.others import OtherModel, OtherShelf, belongs, models_in_folders
from generator.models.plain_files import check_name, printable, stat_plain

STILL = 1.0  # seconds without change before a complete file of torch.save is listed
LEGACY_HASHED = (Kind.CHECKPOINT, Kind.CONTROLNET)

Entries = Mapping[str, "os.DirEntry[str]"]


class NotStill(ModelUnreadable):
    """The file is still being written, as far as one can tell."""


def scan(
    folders: Folders,
    hashes: HashCache | None = None,
    before: Index | None = None,
    kept_in: Path | None = None,
) -> Index:
    """List the model files below ``folders``; never raises for what it finds on the disk.

    Files that ``before`` knows, unchanged in size, time and inode, are not opened again. What is
    no complete model is left out, with the reason in ``Index.rejected``. Hidden files and folders
    are passed over; symbolic links are followed. ``kept_in`` is where the tensors of pickles are
    kept.
    """
    known = {file.identity: file for file in _all(before)}
    walk = _Scan(known, before.refused if before else {}, hashes.known() if hashes else {}, kept_in)
    for kind in SHELVES:
        for root in folders.of(kind):
            walk.shelf(kind, root)
    for root in folders.of(Kind.CHECKPOINT):
        walk.shelf(Kind.VAE, root, VAE_ENDINGS)
    for shelf in folders.others:
        walk.other(shelf, before.others.get(shelf.kind, ()) if before else ())
    return walk.index()


class _Scan:
    """One walk over all shelves."""

    def __init__(
        self,
        known: Mapping[Identity, ModelFile],
        refused: Mapping[Identity, str],
        hashes: Mapping[str, Hashes],
        kept_in: Path | None,
    ) -> None:
        self.known, self.hashes, self.kept_in = known, hashes, kept_in
        self.refused_before = refused
        self.refused: dict[Identity, str] = {}
        self.found: dict[Kind, dict[Path, ModelFile]] = {kind: {} for kind in SHELVES}
        self.rejected: dict[Path, str] = {}
        self.unsettled: set[Path] = set()
        self.others: dict[str, tuple[OtherModel, ...]] = {}

    def shelf(self, kind: Kind, root: Path, endings: tuple[str, ...] = ()) -> None:
        """Take in what lies below one root; ``endings`` stand in for the kind's suffixes."""
        for folder in _folders(root, self.rejected):
            for name, entry in folder.items():
                if _belongs(kind, name.lower(), endings):
                    self._take(kind, root, entry, folder)

    def index(self) -> Index:
        """What was found, sorted."""
        return Index(
            {
                kind: tuple(sorted(files.values(), key=lambda file: natural(file.name)))
                for kind, files in self.found.items()
            },
            self.rejected,
            self.refused,
            frozenset(self.unsettled),
            self.others,
        )

    def other(self, shelf: OtherShelf, before: Sequence[OtherModel]) -> None:
        """Take in a shelf of a kind that is none of ours."""
        if shelf.folders:
            self.others[shelf.kind] = models_in_folders(shelf)
            return
        known, found = frozenset(before), []
        for folder in _folders(shelf.place, self.rejected):
            for name, entry in folder.items():
                if belongs(name, shelf.suffixes):
                    found.append(self._other(shelf.place, entry, folder, known))
        whole = [model for model in found if model is not None]
        self.others[shelf.kind] = tuple(sorted(whole, key=lambda model: natural(model.name)))

    def _other(
        self,
        place: Path,
        entry: "os.DirEntry[str]",
        siblings: Entries,
        known: frozenset[OtherModel],
    ) -> OtherModel | None:
        """A whole file, None for one that is being written."""
        path = Path(entry.path)
        try:
            stat = stat_plain(entry)
            if stat is None:
                return None
            name = path.relative_to(place).as_posix()
            model = OtherModel(name, path, stat.st_size, stat.st_mtime_ns)
            if model in known:
                return model
            if f"{entry.name}.aria2" in siblings:
                raise ModelUnreadable(f"{entry.name}: its download is not finished")
            if path.suffix.lower() == ".safetensors":
                read_header(path)
            else:
                _must_be_still(path, stat)
        except FileNotFoundError:
            return None
        except (ModelUnreadable, OSError) as error:
            self._reject(path, error)
            return None
        return model

    def _take(self, kind: Kind, root: Path, entry: "os.DirEntry[str]", siblings: Entries) -> None:
        path = Path(entry.path)
        if path in self.found[kind]:
            return
        try:
            stat = stat_plain(entry)
            if stat is not None:
                self.found[kind][path] = self._file(kind, root, entry, stat, siblings)
        except FileNotFoundError:
            return  # it left while we looked
        except (ModelUnreadable, OSError) as error:
            self._reject(path, error)

    def _reject(self, path: Path, error: Exception) -> None:
        told = f"{path.name}: {error.strerror}" if isinstance(error, OSError) else str(error)
        self.rejected[path] = told
        if isinstance(error, NotStill):
            self.unsettled.add(path)

    def _file(
        self,
        kind: Kind,
        root: Path,
        entry: "os.DirEntry[str]",
        stat: os.stat_result,
        siblings: Entries,
    ) -> ModelFile:
        path = Path(entry.path)
        if f"{entry.name}.aria2" in siblings:
            raise ModelUnreadable(f"{entry.name}: its download is not finished")
        identity = (entry.path, stat.st_size, stat.st_mtime_ns, stat.st_ino)
        known = self.known.get(identity)
        if known is None or known.kind is not kind:
            known = self._opened(kind, root, path, stat, identity)
        hashes = self.hashes.get(entry.path)
        if hashes and (hashes.size, hashes.mtime_ns) == (
            stat.st_size,
            stat.st_mtime_ns,
        ):
            known = with_hashes(known, hashes)
        config = siblings.get(f"{path.stem}.yaml")
        stamp = _stamp(config) if config else None
        return replace(
            known,
            config=Path(config.path) if config and stamp else None,
            config_stamp=stamp,
            kept_in=self.kept_in,
        )

    def _opened(
        self, kind: Kind, root: Path, path: Path, stat: os.stat_result, identity: Identity
    ) -> ModelFile:
        """A file that is new here; one that was refused is not read again until it changes."""
        reason = self.refused_before.get(identity)
        try:
            if reason is not None:
                raise ModelUnreadable(reason)
            return _open(kind, root, path, stat)
        except NotStill:
            raise
        except ModelUnreadable as error:
            self.refused[identity] = str(error)
            raise


def with_hashes(file: ModelFile, hashes: Hashes) -> ModelFile:
    """The same file, knowing its hashes."""
    payload = hashes.payload_sha256 if file.kind is Kind.LORA else None
    return replace(file, sha256=hashes.sha256, payload_sha256=payload)


def _stamp(entry: "os.DirEntry[str]") -> tuple[int, int] | None:
    try:
        stat = entry.stat()
    except OSError:  # a link that leads nowhere
        return None
    return (stat.st_size, stat.st_mtime_ns)


def _open(kind: Kind, root: Path, path: Path, stat: os.stat_result) -> ModelFile:
    header = None
    if path.suffix.lower() == ".safetensors":
        header = read_header(path)
        if header.size == 8 + header.length:
            raise ModelUnreadable(f"{path.name}: it holds no numbers, only a header")
    elif path.suffix.lower() != ".onnx":
        check_pickle(path)
        _must_be_still(path, stat)
    return ModelFile(
        kind=kind,
        name=path.relative_to(root).as_posix(),
        path=path,
        size=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
        inode=stat.st_ino,
        legacy_hash=legacy_hash(path) if kind in LEGACY_HASHED else None,
        metadata=header.metadata if header else {},
        draws=kind is not Kind.CHECKPOINT or header is None or _draws(header),
        embedding=read_facts(path) if kind is Kind.EMBEDDING else EmbeddingFacts(),
    )


def _draws(header: Header) -> bool:
    return architecture({name: each.shape for name, each in header.tensors.items()}) in DRAWN


def _must_be_still(path: Path, stat: os.stat_result) -> None:
    # A time in the future (a clock that differs on the file server) says nothing: take the file.
    if 0 <= time.time() - stat.st_mtime < STILL:
        raise NotStill(f"{path.name}: it was written to less than {STILL:g} seconds ago")


def _belongs(kind: Kind, name: str, endings: tuple[str, ...]) -> bool:
    if endings:
        return name.endswith(endings)
    if kind is Kind.CHECKPOINT and name.endswith(VAE_ENDINGS):
        return False
    return name.endswith(SHELVES[kind].suffixes)


def _folders(root: Path, rejected: dict[Path, str]) -> Iterator[Entries]:
    """Each folder at and below ``root`` as name -> entry, without hidden ones and loops."""
    waiting, seen = [str(root)], set()
    while waiting:
        folder = waiting.pop()
        try:
            stat = os.stat(folder)
            if (stat.st_dev, stat.st_ino) in seen:
                continue
            seen.add((stat.st_dev, stat.st_ino))
            with os.scandir(folder) as listing:
                entries = {each.name: each for each in listing if _is_shown(each, rejected)}
        except FileNotFoundError:
            continue
        except OSError as error:
            rejected[Path(folder)] = f"{Path(folder).name}: {error.strerror}"
            continue
        yield entries
        waiting.extend(entry.path for entry in entries.values() if _is_folder(entry))


def _is_shown(entry: "os.DirEntry[str]", rejected: dict[Path, str]) -> bool:
    """Whether an entry is looked at; a name that nobody could write is rejected with a reason."""
    try:
        check_name(entry.name)
    except ModelUnreadable as error:
        rejected[Path(printable(entry.path))] = str(error)
        return False
    return not entry.name.startswith(".")


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _all(index: Index | None) -> Iterator[ModelFile]:
    for files in index.files.values() if index else ():
        yield from files
