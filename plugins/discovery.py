"""Discovery of plugins: shipped ones, installed packages, folders of the data directory.

Only manifests are read here; nothing of a plugin runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib import metadata, util
from pathlib import Path

from generator.data_folders import EXTENSIONS_FOLDER
from generator.errors import ModelUnreadable
from generator.models.plain_files import check_name, to_printable
from plugins.api import Side
from plugins.errors import BadManifest, PluginError
from plugins.manifest import FILE, Manifest, check_requirements, read_manifest

ENTRY_POINT_GROUP = "easel.plugins"
SHIPPED_FOLDER = Path(__file__).parent


class PluginOrigin(StrEnum):
    """How a plugin came here. Shipped ones are trusted to import."""

    SHIPPED = "shipped"
    PACKAGE = "package"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class DiscoveredPlugin:
    """A discovered plugin. ``fault`` says why it cannot be used; "" if it may be loaded."""

    name: str
    folder: Path
    origin: PluginOrigin
    package: str  # dotted name that its modules are imported under
    manifest: Manifest | None
    fault: str = ""

    def has(self, side: Side) -> bool:
        """Whether it has a part for that process."""
        return (self.folder / f"{side}.py").is_file()


def find_plugins(data_dir: Path, version: str) -> tuple[DiscoveredPlugin, ...]:
    """Every plugin, shipped ones first; of two with one name the first is used."""
    by_name: dict[str, DiscoveredPlugin] = {}
    plugins: list[DiscoveredPlugin] = []
    for each in (
        *_shipped_plugins(),
        *_packaged_plugins(),
        *_extension_folders(data_dir / EXTENSIONS_FOLDER),
    ):
        checked = _check_plugin(each, version, by_name)
        by_name.setdefault(checked.name, checked)
        plugins.append(checked)
    return tuple(plugins)


def _check_plugin(
    plugin: DiscoveredPlugin, version: str, by_name: dict[str, DiscoveredPlugin]
) -> DiscoveredPlugin:
    fault = plugin.fault
    if not fault and plugin.name in by_name:
        fault = f"The name {plugin.name!r} is taken by {by_name[plugin.name].folder}."
    if not fault and plugin.manifest:
        try:
            check_requirements(plugin.manifest, version)
        except PluginError as error:
            fault = str(error)
    if not fault and not any(plugin.has(side) for side in Side):
        fault = "It has neither web.py nor worker.py."
    return DiscoveredPlugin(
        plugin.name, plugin.folder, plugin.origin, plugin.package, plugin.manifest, fault
    )


def _shipped_plugins() -> Iterator[DiscoveredPlugin]:
    for path in sorted(SHIPPED_FOLDER.glob(f"*/{FILE}")):
        yield _read_plugin(path.parent, PluginOrigin.SHIPPED, f"plugins.{path.parent.name}")


def _packaged_plugins() -> Iterator[DiscoveredPlugin]:
    for entry in sorted(
        metadata.entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.name
    ):
        folder = _package_folder(entry.value)
        if folder is None:
            fault = (
                f"The entry point {entry.name!r} names {entry.value!r}, which is no package here."
            )
            yield DiscoveredPlugin(
                entry.name, Path(), PluginOrigin.PACKAGE, entry.value, None, fault
            )
            continue
        plugin = _read_plugin(folder, PluginOrigin.PACKAGE, entry.value)
        yield replace(plugin, name=entry.name) if plugin.manifest is None else plugin


def _package_folder(name: str) -> Path | None:
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


def _extension_folders(extensions: Path) -> Iterator[DiscoveredPlugin]:
    """Folders with a manifest; those of AUTOMATIC1111's extensions are told to be just that."""
    if not extensions.is_dir():
        return
    for folder in sorted(extensions.iterdir(), key=lambda path: path.name.casefold()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        try:
            check_name(folder.name)
        except ModelUnreadable as error:
            name = to_printable(folder.name)
            yield DiscoveredPlugin(
                name, Path(name), PluginOrigin.FOLDER, module_name(name), None, f"{error}."
            )
            continue
        yield _read_plugin(
            folder, PluginOrigin.FOLDER, f"easel_extensions.{module_name(folder.name)}"
        )


def module_name(name: str) -> str:
    """A folder's name as Python can say it."""
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in name)


def _read_plugin(folder: Path, origin: PluginOrigin, package: str) -> DiscoveredPlugin:
    if origin is PluginOrigin.FOLDER and not (folder / FILE).exists():
        fault = f"It has no {FILE}."
        if (folder / "scripts").is_dir():
            fault += " Extensions of AUTOMATIC1111 do not run here."
        return DiscoveredPlugin(folder.name, folder, origin, package, None, fault)
    try:
        manifest = read_manifest(folder)
    except BadManifest as error:
        return DiscoveredPlugin(folder.name, folder, origin, package, None, str(error))
    return DiscoveredPlugin(manifest.name, folder, origin, package, manifest)
