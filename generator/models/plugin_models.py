"""Model folders of plugins, beside Easel's own kinds."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from generator.errors import ModelUnreadable
from generator.models.plain_files import check_name


@dataclass(frozen=True, slots=True)
class PluginModelFolder:
    """Where models of another kind lie: files with these suffixes, or a folder each."""

    kind: str
    place: Path
    suffixes: tuple[str, ...] = (".safetensors",)
    folders: bool = False


@dataclass(frozen=True, slots=True)
class PluginModel:
    """One of them."""

    name: str  # posix path below its shelf, with suffix
    path: Path
    size: int  # bytes, of a folder those of the files right in it
    mtime_ns: int
    inode: int = 0  # 0 of a folder
    ctime_ns: int = 0


def models_in_folders(folder: PluginModelFolder) -> tuple[PluginModel, ...]:
    """The folders right below a shelf that hold a file; hidden ones are passed over."""
    return tuple(_folder_models(folder.place))


def _folder_models(place: Path) -> Iterator[PluginModel]:
    try:
        paths = sorted(path for path in place.iterdir() if _is_visible(path.name))
    except OSError:
        return  # it is not there yet
    for path in paths:
        try:
            stats = [file.stat() for file in path.iterdir() if file.is_file()]
        except OSError:
            continue  # no folder, or it left while we looked
        if stats:
            size = sum(stat.st_size for stat in stats)
            times = (max(s.st_mtime_ns for s in stats), max(s.st_ctime_ns for s in stats))
            yield PluginModel(path.name, path, size, times[0], ctime_ns=times[1])


def _is_visible(name: str) -> bool:
    try:
        check_name(name)
    except ModelUnreadable:
        return False
    return not name.startswith(".")


def has_suffix(name: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a file of this name is one of the shelf's."""
    return name.lower().endswith(tuple(suffix.lower() for suffix in suffixes))
