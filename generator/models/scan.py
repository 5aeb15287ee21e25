"""Scans the model folders for complete files; opens only new or changed ones."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from generator.errors import ModelUnreadable
from generator.models.contents_cache import ContentsCache, FileState
from generator.models.diffusers_folders import INDEX, FolderLook, is_stray_part, look_at
from generator.models.file_contents import FileContents, read_contents, read_folder
from generator.models.gguf_header import GGUF_SUFFIX
from generator.models.hashes import HashCache, Hashes
from generator.models.header import read_header
from generator.models.index import Identity, ModelFile, ModelIndex, natural_key
from generator.models.kinds import FOLDERS_BY_KIND, VAE_ENDINGS, Folders, ModelKind
from generator.models.plain_files import FileStamp, check_name, stamp_of, stat_plain, to_printable
from generator.models.plugin_models import (
    PluginModel,
    PluginModelFolder,
    has_suffix,
    models_in_folders,
)

SETTLE_SECONDS = 1.0  # seconds without change before a complete file of torch.save is listed
WHOLE_BY_THEMSELVES = (".safetensors", ".onnx", GGUF_SUFFIX)  # the others' end is not told

Entries = Mapping[str, "os.DirEntry[str]"]


class NotStill(ModelUnreadable):
    """The file is still being written, as far as one can tell."""


def scan(
    folders: Folders,
    hashes: HashCache | None = None,
    before: ModelIndex | None = None,
    kept_in: Path | None = None,
    whole: Sequence[Path] = (),
    cache: ContentsCache | None = None,
) -> ModelIndex:
    """List the model files below ``folders``; never raises for what it finds on the disk.

    Files that ``before`` or ``cache`` knows, of the same stamp, are not opened again. What is
    no complete model is left out, with the reason in ``ModelIndex.rejected``. Hidden files and
    folders are passed over; symbolic links are followed. ``kept_in`` is where the tensors of
    pickles are kept. At and below the paths ``whole`` (resolved) files need not have been still.
    """
    known = {file.identity: file for file in _all_files(before)}
    refused = before.refused if before else {}
    known_hashes = hashes.all_hashes() if hashes else {}
    roots = folders.of(ModelKind.CHECKPOINT)
    scanner = _Scan(known, refused, known_hashes, kept_in, tuple(whole), cache, roots)
    for kind in FOLDERS_BY_KIND:
        for root in folders.of(kind):
            scanner.scan_folder(kind, root)
    for root in folders.of(ModelKind.CHECKPOINT):
        scanner.scan_folder(ModelKind.VAE, root, VAE_ENDINGS)
    for plugin_folder in folders.plugin_folders:
        scanner.scan_plugin_folder(
            plugin_folder, before.plugin_models.get(plugin_folder.kind, ()) if before else ()
        )
    if hashes and scanner.taken_on:
        hashes.remember_all(scanner.taken_on)
    index = scanner.to_index()
    if cache and scanner.read:
        cache.remember_all(scanner.read, {str(file.path) for file in _all_files(index)})
    return index


class _Scan:
    """One walk over all shelves."""

    def __init__(
        self,
        known: Mapping[Identity, ModelFile],
        refused: Mapping[Identity, str],
        hashes: Mapping[str, Hashes],
        kept_in: Path | None,
        whole: tuple[Path, ...],
        cache: ContentsCache | None,
        checkpoint_roots: tuple[Path, ...],
    ) -> None:
        self.cache = cache
        self.read: dict[FileState, FileContents] = {}  # that no cache knew
        self.known, self.hashes, self.kept_in, self.whole = known, hashes, kept_in, whole
        self.checkpoint_roots = checkpoint_roots
        self.refused_before = refused
        self.refused: dict[Identity, str] = {}
        self.files: dict[ModelKind, dict[Path, ModelFile]] = {kind: {} for kind in FOLDERS_BY_KIND}
        self.rejected: dict[Path, str] = {}
        self.unsettled: set[Path] = set()
        self.plugin_models: dict[str, tuple[PluginModel, ...]] = {}
        self.taken_on: dict[Path, Hashes] = {}  # of rows that told no inode, which they now do

    def scan_folder(self, kind: ModelKind, root: Path, endings: tuple[str, ...] = ()) -> None:
        """Take in what lies below one root; ``endings`` stand in for the kind's suffixes."""
        holds_folders = root in self.checkpoint_roots
        for folder in _walk_folders(root, self.rejected, stops_at=INDEX if holds_folders else ""):
            if holds_folders and INDEX in folder and (place := _parent(folder[INDEX])) != root:
                if not endings:
                    self._add_folder(root, place)
                continue
            for name, entry in folder.items():
                if _has_kind_suffix(kind, name.lower(), endings):
                    self._add_file(kind, root, entry, folder)

    def to_index(self) -> ModelIndex:
        """What was found, sorted."""
        return ModelIndex(
            {
                kind: tuple(sorted(files.values(), key=lambda file: natural_key(file.name)))
                for kind, files in self.files.items()
            },
            self.rejected,
            self.refused,
            frozenset(self.unsettled),
            self.plugin_models,
        )

    def scan_plugin_folder(
        self, model_folder: PluginModelFolder, before: Sequence[PluginModel]
    ) -> None:
        """Take in a shelf of a kind that is none of ours."""
        if model_folder.folders:
            self.plugin_models[model_folder.kind] = models_in_folders(model_folder)
            return
        known, models = frozenset(before), []
        for folder in _walk_folders(model_folder.place, self.rejected):
            for name, entry in folder.items():
                if has_suffix(name, model_folder.suffixes):
                    models.append(self._plugin_model(model_folder.place, entry, folder, known))
        complete = [model for model in models if model is not None]
        self.plugin_models[model_folder.kind] = tuple(
            sorted(complete, key=lambda model: natural_key(model.name))
        )

    def _plugin_model(
        self,
        place: Path,
        entry: "os.DirEntry[str]",
        siblings: Entries,
        known: frozenset[PluginModel],
    ) -> PluginModel | None:
        """A whole file, None for one that is being written."""
        path = Path(entry.path)
        try:
            stat = stat_plain(entry)
            if stat is None:
                return None
            name = path.relative_to(place).as_posix()
            model = PluginModel(name, path, *stamp_of(stat))
            if model in known:
                return model
            if f"{entry.name}.aria2" in siblings:
                raise ModelUnreadable(f"{entry.name}: its download is not finished")
            if path.suffix.lower() == ".safetensors":
                read_header(path)
            else:
                self._must_be_still(path, stat)
        except FileNotFoundError:
            return None
        except (ModelUnreadable, OSError) as error:
            self._reject(path, error)
            return None
        return model

    def _add_file(
        self, kind: ModelKind, root: Path, entry: "os.DirEntry[str]", siblings: Entries
    ) -> None:
        path = Path(entry.path)
        if path in self.files[kind]:
            return
        try:
            stat = stat_plain(entry)
            if stat is not None:
                self.files[kind][path] = self._model_file(kind, root, entry, stat, siblings)
        except FileNotFoundError:
            return  # it left while we looked
        except (ModelUnreadable, OSError) as error:
            self._reject(path, error)

    def _add_folder(self, root: Path, folder: Path) -> None:
        """Take in a checkpoint that is a folder of diffusers, its files not by themselves."""
        if folder in self.files[ModelKind.CHECKPOINT]:
            return
        try:
            look = look_at(folder)
            self.files[ModelKind.CHECKPOINT][folder] = self._folder_file(root, folder, look)
        except (ModelUnreadable, OSError) as error:
            self._reject(folder, error)

    def _folder_file(self, root: Path, folder: Path, look: FolderLook) -> ModelFile:
        identity = (str(folder), *look.stamp)
        known = self.known.get(identity)
        if known is None:
            contents = self._read_once(
                ModelKind.CHECKPOINT, identity, lambda: read_folder(folder, look.parts)
            )
            known = _model_file(ModelKind.CHECKPOINT, root, folder, look.stamp, contents)
        hashes = self.hashes.get(str(folder))
        if hashes and hashes.are_of(look.stamp):
            known = with_hashes(known, hashes)
        return replace(known, parts=look.parts)

    def _reject(self, path: Path, error: Exception) -> None:
        reason = f"{path.name}: {error.strerror}" if isinstance(error, OSError) else str(error)
        self.rejected[path] = reason
        if isinstance(error, NotStill):
            self.unsettled.add(path)

    def _model_file(
        self,
        kind: ModelKind,
        root: Path,
        entry: "os.DirEntry[str]",
        stat: os.stat_result,
        siblings: Entries,
    ) -> ModelFile:
        path = Path(entry.path)
        if f"{entry.name}.aria2" in siblings:
            raise ModelUnreadable(f"{entry.name}: its download is not finished")
        identity = (entry.path, *stamp_of(stat))
        known = self.known.get(identity)
        if known is None or known.kind is not kind:
            known = self._open_new(kind, root, path, stat, identity)
        hashes = self.hashes.get(entry.path)
        if hashes and hashes.are_of(stamp_of(stat)):
            known = with_hashes(known, hashes)
            if hashes.inode is None:
                self.taken_on[path] = hashes.at(stamp_of(stat))
        config = siblings.get(f"{path.stem}.yaml")
        stamp = _config_stamp(config) if config else None
        return replace(
            known,
            config=Path(config.path) if config and stamp else None,
            config_stamp=stamp,
            kept_in=self.kept_in,
        )

    def _open_new(
        self, kind: ModelKind, root: Path, path: Path, stat: os.stat_result, identity: Identity
    ) -> ModelFile:
        """A file that is new here."""

        def read() -> FileContents:
            contents = read_contents(path, kind)
            if path.suffix.lower() not in WHOLE_BY_THEMSELVES:
                self._must_be_still(path, stat)
            return contents

        if kind is ModelKind.CHECKPOINT and is_stray_part(path.parent, path.name):
            raise ModelUnreadable(
                f"{path.parent.name}/{path.name}: it is one network of a folder of diffusers. Copy "
                f"the whole folder, with its {INDEX}, below the folder of checkpoints"
            )
        return _model_file(kind, root, path, identity[1:], self._read_once(kind, identity, read))

    def _read_once(
        self, kind: ModelKind, identity: Identity, read: Callable[[], FileContents]
    ) -> FileContents:
        """What ``read`` or the cache tells; what was refused is not read again until it changes."""
        reason = self.refused_before.get(identity)
        entry_path, stamp = identity[0], identity[1:]
        try:
            if reason is not None:
                raise ModelUnreadable(reason)
            contents = self.cache.find(entry_path, kind, stamp) if self.cache else None
            if contents is None:
                contents = read()
                self.read[entry_path, kind, stamp] = contents
            return contents
        except NotStill:
            raise
        except ModelUnreadable as error:
            self.refused[identity] = str(error)
            raise

    def _must_be_still(self, path: Path, stat: os.stat_result) -> None:
        # A time in the future (a clock that differs on the file server) says nothing: take the
        # file.
        if not 0 <= time.time() - stat.st_mtime < SETTLE_SECONDS:
            return
        real = Path(os.path.realpath(path)) if self.whole else path
        if not any(real.is_relative_to(each) for each in self.whole):
            raise NotStill(
                f"{path.name}: it was written to less than {SETTLE_SECONDS:g} seconds ago"
            )


def with_hashes(file: ModelFile, hashes: Hashes) -> ModelFile:
    """The same file, knowing its hashes."""
    payload = hashes.payload_sha256 if file.kind is ModelKind.LORA else None
    return replace(file, sha256=hashes.sha256, payload_sha256=payload)


def _config_stamp(entry: "os.DirEntry[str]") -> FileStamp | None:
    try:
        return stamp_of(entry.stat())
    except OSError:  # a link that leads nowhere
        return None


def _model_file(
    kind: ModelKind, root: Path, path: Path, stamp: FileStamp, contents: FileContents
) -> ModelFile:
    size, mtime_ns, inode, ctime_ns = stamp
    return ModelFile(
        kind=kind,
        name=path.relative_to(root).as_posix(),
        path=path,
        size=size,
        mtime_ns=mtime_ns,
        inode=inode,
        ctime_ns=ctime_ns,
        legacy_hash=contents.legacy_hash,
        metadata=contents.metadata,
        is_drawable=contents.is_drawable,
        architecture=contents.architecture,
        weight_format=contents.weight_format,
        embedding=contents.embedding,
    )


def _has_kind_suffix(kind: ModelKind, name: str, endings: tuple[str, ...]) -> bool:
    if endings:
        return name.endswith(endings)
    if kind is ModelKind.CHECKPOINT and name.endswith(VAE_ENDINGS):
        return False
    return name.endswith(FOLDERS_BY_KIND[kind].suffixes)


def _parent(entry: "os.DirEntry[str]") -> Path:
    return Path(entry.path).parent


def _walk_folders(root: Path, rejected: dict[Path, str], stops_at: str = "") -> Iterator[Entries]:
    """Each folder at and below ``root`` as name -> entry, without hidden ones and loops.

    What lies in a folder below that holds a file ``stops_at`` is passed over.
    """
    waiting, linked = [str(root)], list[str]()
    visited: set[tuple[int, int]] = set()
    while waiting or linked:
        folder = (waiting or linked).pop()  # what lies in the tree goes by its own name
        try:
            stat = os.stat(folder)
            if (stat.st_dev, stat.st_ino) in visited:
                continue
            visited.add((stat.st_dev, stat.st_ino))
            with os.scandir(folder) as listing:
                entries = {each.name: each for each in listing if _is_listed(each, rejected)}
        except FileNotFoundError:
            continue
        except OSError as error:
            rejected[Path(folder)] = f"{Path(folder).name}: {error.strerror}"
            continue
        yield entries
        if stops_at in entries and folder != str(root):
            continue
        for entry in filter(_is_folder, entries.values()):
            (linked if entry.is_symlink() else waiting).append(entry.path)


def _is_listed(entry: "os.DirEntry[str]", rejected: dict[Path, str]) -> bool:
    """Whether an entry is looked at; a name that nobody could write is rejected with a reason."""
    try:
        check_name(entry.name)
    except ModelUnreadable as error:
        rejected[Path(to_printable(entry.path))] = str(error)
        return False
    return not entry.name.startswith(".")


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _all_files(index: ModelIndex | None) -> Iterator[ModelFile]:
    for files in index.files.values() if index else ():
        yield from files
