"""Discovery of plugins: shipped ones, installed packages, folders of the data directory.

Only manifests are read here; nothing of a plugin runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib import metadata, util
from pathlib import Path

from generator.errors import ModelUnreadable
from generator.models.plain_files import check_name, printable
from plugins.errors import BadManifest, PluginError
from plugins.manifest import FILE, Manifest, check_met, read_manifest
from plugins.nouns import Side

GROUP = "easel.plugins"
EXTENSIONS = "extensions"
SHIPPED = Path(__file__).parent


class Origin(StrEnum):
    """How a plugin came here. Shipped ones are trusted to import."""

    SHIPPED = "shipped"
    PACKAGE = "package"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Found:
    """A discovered plugin. ``fault`` says why it cannot be used; "" if it may be loaded."""

    name: str
    folder: Path
    origin: Origin
    package: str  # dotted name that its modules are imported under
    manifest: Manifest | None
    fault: str = ""

    def has(self, side: Side) -> bool:
        """Whether it has a part for that process."""
        return (self.folder / f"{side}.py").is_file()


def find_plugins(data_dir: Path, version: str) -> tuple[Found, ...]:
    """Every plugin, shipped ones first; of two with one name the first is used."""
    taken: dict[str, Found] = {}
    found: list[Found] = []
    for each in (*_shipped(), *_packages(), *_folders(data_dir / EXTENSIONS)):
        judged = _judged(each, version, taken)
        taken.setdefault(judged.name, judged)
        found.append(judged)
    return tuple(found)


def _judged(found: Found, version: str, taken: dict[str, Found]) -> Found:
    fault = found.fault
    if not fault and found.name in taken:
        fault = f"The name {found.name!r} is taken by {taken[found.name].folder}."
    if not fault and found.manifest:
        try:
            check_met(found.manifest, version)
        except PluginError as error:
            fault = str(error)
    if not fault and not any(found.has(side) for side in Side):
        fault = "It has neither web.py nor worker.py."
    return Found(found.name, found.folder, found.origin, found.package, found.manifest, fault)


def _shipped() -> Iterator[Found]:
    for path in sorted(SHIPPED.glob(f"*/{FILE}")):
        yield _read(path.parent, Origin.SHIPPED, f"plugins.{path.parent.name}")


def _packages() -> Iterator[Found]:
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
        folder = _package(entry.value)
        if folder is None:
            fault = (
                f"The entry point {entry.name!r} names {entry.value!r}, which is no package here."
            )
            yield Found(entry.name, Path(), Origin.PACKAGE, entry.value, None, fault)
            continue
        found = _read(folder, Origin.PACKAGE, entry.value)
        yield replace(found, name=entry.name) if found.manifest is None else found


def _package(name: str) -> Path | None:
    """The folder of an installed package. Only where the first of its names lies is looked up:

    for what is inside another, Python would run the outer one.
    """
    top, *inner = name.split(".")
    try:
        spec = util.find_spec(top)
    except (ImportError, ValueError):
        return None
    places = (spec.submodule_search_locations if spec else None) or ()
    folders = (Path(place, *inner) for place in places)
    return next((folder for folder in folders if folder.is_dir()), None)


def _folders(extensions: Path) -> Iterator[Found]:
    """Folders with a manifest; those of AUTOMATIC1111's extensions are told to be just that."""
    if not extensions.is_dir():
        return
    for folder in sorted(extensions.iterdir(), key=lambda path: path.name.casefold()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        try:
            check_name(folder.name)
        except ModelUnreadable as error:
            name = printable(folder.name)
            yield Found(name, Path(name), Origin.FOLDER, module_name(name), None, f"{error}.")
            continue
        yield _read(folder, Origin.FOLDER, f"easel_extensions.{module_name(folder.name)}")


def module_name(name: str) -> str:
    """A folder's name as Python can say it."""
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in name)


def _read(folder: Path, origin: Origin, package: str) -> Found:
    if origin is Origin.FOLDER and not (folder / FILE).exists():
        fault = f"It has no {FILE}."
        if (folder / "scripts").is_dir():
            fault += " Extensions of AUTOMATIC1111 do not run here."
        return Found(folder.name, folder, origin, package, None, fault)
    try:
        manifest = read_manifest(folder)
    except BadManifest as error:
        return Found(folder.name, folder, origin, package, None, str(error))
    return Found(manifest.name, folder, origin, package, manifest)
