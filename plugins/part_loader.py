"""Imports a part (``web.py`` or ``worker.py``) of a plugin, and unloads its modules."""

import importlib
import sys
import types
from collections.abc import Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING

from plugins.api import Side
from plugins.discovery import DiscoveredPlugin, PluginOrigin
from plugins.errors import Unfit

if TYPE_CHECKING:
    from collections.abc import Iterator

EXTENSIONS_PACKAGE = "easel_extensions"
REFUSED_PACKAGES = ("torch", "diffusers", "transformers", "flask")


def import_part(plugin: DiscoveredPlugin, side: Side) -> types.ModuleType:
    """The module of one side. Raises :class:`Unfit` with what its import raised."""
    if plugin.origin is PluginOrigin.FOLDER:
        _make_package(EXTENSIONS_PACKAGE, [])
        _make_package(plugin.package, [str(plugin.folder)])
    try:
        return importlib.import_module(f"{plugin.package}.{side}")
    except (Exception, SystemExit) as error:  # a plugin's code may raise anything
        raise Unfit(f"{side}.py does not import: {_error_text(error)}") from error


def _error_text(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "it ends the interpreter."
    return f"{type(error).__name__}: {error}"


def _make_package(name: str, places: Sequence[str]) -> None:
    if name not in sys.modules:
        package = types.ModuleType(name)
        package.__path__ = list(places)
        sys.modules[name] = package


def unload_modules(plugin: DiscoveredPlugin) -> None:
    """Take the modules of an extension's folder out, so that its files are read anew."""
    if plugin.origin is PluginOrigin.SHIPPED:
        return
    for name in tuple(sys.modules):
        if name == plugin.package or name.startswith(f"{plugin.package}."):
            del sys.modules[name]
    importlib.invalidate_caches()


class _RefusedImports:
    """An import hook that refuses packages by their first name."""

    def __init__(self, refused: Sequence[str]) -> None:
        self.refused = frozenset(refused)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Raises ``ImportError`` for what is refused; finds nothing itself."""
        if name.partition(".")[0] in self.refused:
            raise ImportError(f"web.py may not import {name}; what needs it belongs in worker.py")
        return None


def refuse_imports(packages: Sequence[str] = REFUSED_PACKAGES) -> None:
    """Imports of ``packages`` that are not there yet fail in this process from now on."""
    sys.meta_path.insert(0, _RefusedImports([name for name in packages if name not in sys.modules]))


@contextmanager
def imports_refused(packages: Sequence[str] = REFUSED_PACKAGES) -> "Iterator[None]":
    """Inside the block, imports of ``packages`` that are not loaded yet raise ``ImportError``."""
    refusal = _RefusedImports([name for name in packages if name not in sys.modules])
    sys.meta_path.insert(0, refusal)
    try:
        yield
    finally:
        sys.meta_path.remove(refusal)


def python_files(folder: Path) -> tuple[Path, ...]:
    """The Python files of a plugin, in a fixed order."""
    return tuple(sorted(path for path in folder.rglob("*.py") if path.is_file()))
