"""Finds a plugin's package in a wheel by the wheel's metadata; pip is not used."""

import configparser
import zipfile
from email import message_from_bytes
from pathlib import PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from generator.reasons import reason_of
from plugins.discovery import ENTRY_POINT_GROUP
from plugins.errors import BadPackage
from plugins.manifest import FILE, missing_requirements, pip_command

INFO = ".dist-info"
MAX_METADATA_BYTES = 1 << 20  # bytes of a file of metadata
EASEL = "easel"  # what a manifest's "easel" says, a wheel may say of the distribution


def is_wheel(names: list[str]) -> bool:
    """Whether an archive has a wheel's metadata, whatever it is called."""
    return any(name.partition("/")[0].endswith(INFO) for name in names)


def root_in_wheel(packed: zipfile.ZipFile) -> str:
    """The folder of the plugin, "package/".

    Raises :class:`BadPackage` where metadata or entry point do not lead to one, or ask for packages
    that are not installed.
    """
    names = packed.namelist()
    folders = sorted({name.partition("/")[0] for name in names if is_wheel([name])})
    if len(folders) != 1:
        raise BadPackage(f"A wheel has one folder NAME-VERSION{INFO}; this has {len(folders)}.")
    check_metadata(_read_member(packed, f"{folders[0]}/METADATA"))
    entry, value = find_entry_point(_read_member(packed, f"{folders[0]}/entry_points.txt", b""))
    root = value.replace(".", "/") + "/"
    if f"{root}{FILE}" in names:
        return root
    here = any(name.startswith(root) or PurePosixPath(name) == PurePosixPath(f"{root[:-1]}.py")
               for name in names)  # fmt: skip
    fault = f"has no {FILE}" if here else "is not in the wheel"
    raise BadPackage(
        f"The wheel's entry point {entry!r} names the package {value!r}, which {fault}."
    )


def _read_member(packed: zipfile.ZipFile, name: str, usual: bytes | None = None) -> bytes:
    """A file of the archive. Raises :class:`BadPackage` where it is not there and has to be."""
    if name not in packed.namelist():
        if usual is None:
            raise BadPackage(f"The wheel has no {name}.")
        return usual
    return read_entry(packed, name)


def read_entry(packed: zipfile.ZipFile, name: str) -> bytes:
    """A small file of an archive, however little of it the archive tells. Raises ``BadPackage``."""
    with packed.open(name) as file:
        content = file.read(MAX_METADATA_BYTES + 1)  # a size makes zipfile unpack no more than that
    if len(content) > MAX_METADATA_BYTES:
        raise BadPackage(f"The archive's {name} has more than {MAX_METADATA_BYTES} bytes.")
    return content


def check_metadata(text: bytes) -> None:
    """Raises :class:`BadPackage` for what is no metadata, or asks for what is not installed."""
    facts = message_from_bytes(text)
    if not facts.get("Name"):
        raise BadPackage("The wheel's METADATA names no Name.")
    try:
        Version(str(facts.get("Version", "")))
        wanted = [Requirement(each) for each in facts.get_all("Requires-Dist") or ()]
    except (InvalidVersion, InvalidRequirement) as error:
        raise BadPackage(f"The wheel's METADATA cannot be meant: {error}") from error
    lacking = missing_requirements(str(each) for each in wanted if each.name.lower() != EASEL)
    if lacking:
        raise BadPackage(f"The wheel needs what is not installed: {pip_command(lacking)}")


def find_entry_point(text: bytes) -> tuple[str, str]:
    """Name and package of the one plugin. Raises :class:`BadPackage` for none, or several."""
    table = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    table.optionxform = str  # type: ignore[assignment, method-assign]  # names keep their case
    try:
        table.read_string(text.decode())
    except (UnicodeDecodeError, configparser.Error) as error:
        why = reason_of(error, "a line in it is no NAME = VALUE")
        raise BadPackage(f"The wheel's entry_points.txt cannot be read: {why}.") from error
    entries = table.items(ENTRY_POINT_GROUP) if table.has_section(ENTRY_POINT_GROUP) else []
    if len(entries) != 1:
        raise BadPackage(
            f"A plugin's wheel has one entry point of the group {ENTRY_POINT_GROUP}, as in "
            f"[{ENTRY_POINT_GROUP}] my-plugin = my_package; this has {len(entries)}."
        )
    return entries[0][0], entries[0][1].strip()
