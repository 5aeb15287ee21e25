"""``easel-plugin.toml``: a plugin's manifest, validated before any of its code runs."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from generator.errors import ModelUnreadable
from generator.models.plain_files import open_plain
from plugins.errors import BadManifest, Unmet
from plugins.hookspecs import HOOKS

FILE = "easel-plugin.toml"
MAX_MANIFEST_BYTES = 64 * 1024  # bytes
RESERVED_NAMES = frozenset({"install", "reload"})
"""Names that ``/api/plugins/<name>`` has for itself."""

PERMISSIONS = ("files", "network", "processes")
"""What a plugin may say that it does besides hooks. Told to the owner; nothing enforces it."""


def _check_name(text: str) -> str:
    if text in RESERVED_NAMES:
        raise ValueError(f"{text!r} is a word of /api/plugins itself; choose another")
    return text


def _check_version(text: str) -> str:
    try:
        return str(Version(text))
    except InvalidVersion:
        raise ValueError(f"{text!r} is no version, as in 1.0.2") from None


def _check_range(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        raise ValueError(f"{text!r} is no range of versions, as in >=0.1,<1") from None
    return text


def _check_requirement(text: str) -> str:
    try:
        Requirement(text)
    except InvalidRequirement:
        raise ValueError(f"{text!r} is no requirement, as in dynamicprompts>=0.31") from None
    return text


def _check_hook(name: str) -> str:
    if name not in HOOKS:
        raise ValueError(f"there is no hook {name!r}; there are {', '.join(sorted(HOOKS))}")
    return name


def _check_permission(name: str) -> str:
    if name not in PERMISSIONS:
        raise ValueError(f"there is no permission {name!r}; there are {', '.join(PERMISSIONS)}")
    return name


class Manifest(BaseModel):
    """One plugin. Unknown keys are refused, so that a misspelt one is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$"), AfterValidator(_check_name)]
    version: Annotated[str, AfterValidator(_check_version)]
    licence: Annotated[str, Field(min_length=1, max_length=100)]
    title: Annotated[str, Field(max_length=60)] = ""
    description: Annotated[str, Field(max_length=500)] = ""
    easel: Annotated[str, AfterValidator(_check_range)] = ""
    hooks: list[Annotated[str, AfterValidator(_check_hook)]] = []
    permissions: list[Annotated[str, AfterValidator(_check_permission)]] = []
    requires: list[Annotated[str, AfterValidator(_check_requirement)]] = []

    @property
    def display_name(self) -> str:
        """The name for people."""
        return self.title or self.name


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a plugin's folder. Raises :class:`BadManifest` with every fault named."""
    path = folder / FILE
    try:
        with open_plain(path) as file:
            text = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise BadManifest(f"{path.name} cannot be read: {error.strerror}.") from error
    except ModelUnreadable as error:
        raise BadManifest(f"{error}.") from error
    return parse_manifest(text)


def parse_manifest(text: bytes) -> Manifest:
    """The manifest in ``text``. Raises :class:`BadManifest`."""
    if len(text) > MAX_MANIFEST_BYTES:
        raise BadManifest(f"{FILE} has more than {MAX_MANIFEST_BYTES} bytes.")
    try:
        table: Mapping[str, Any] = tomllib.loads(text.decode())
        return Manifest.model_validate(table)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadManifest(f"{FILE} is no TOML: {error}.") from error
    except RecursionError:
        raise BadManifest(f"{FILE} is nested too deep.") from None
    except ValidationError as error:
        raise BadManifest(f"{FILE}: {'; '.join(map(_fault_text, error.errors()))}.") from error


def _fault_text(fault: Any) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    return f"{place}: {re.sub('^Value error, ', '', fault['msg'])}"


def check_requirements(manifest: Manifest, version: str) -> None:
    """Check the required Easel version and packages. Raises :class:`Unmet`.

    Nothing is installed here: the text names the command.
    """
    if manifest.easel and Version(version) not in SpecifierSet(manifest.easel, prereleases=True):
        raise Unmet(f"It is made for Easel {manifest.easel}; this is {version}.")
    lacking = missing_requirements(manifest.requires)
    if lacking:
        raise Unmet(f"Not installed: {', '.join(lacking)}. {pip_command(lacking)}")


def missing_requirements(requirements: Iterable[str]) -> list[str]:
    """Those that the installed packages do not meet."""
    return [text for text in requirements if not _is_installed(Requirement(text))]


def pip_command(lacking: Iterable[str]) -> str:
    """What to run, in words."""
    return "Run: pip install " + " ".join(f"'{text}'" for text in lacking)


def _is_installed(requirement: Requirement) -> bool:
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        return True
    try:
        version = Version(metadata.version(requirement.name))
    except (metadata.PackageNotFoundError, InvalidVersion, TypeError, KeyError):
        return False  # the last three: a package whose metadata is torn
    return requirement.specifier.contains(version, prereleases=True)
