"""The values of flags, as ``cmd-flags`` tells them."""

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from generator.models.kinds import ModelKind
from webapp.plugins.model_registry import folders_of
from webapp.settings.flags import FLAGS, Flag

if TYPE_CHECKING:
    from webapp.settings.config import Config


PUBLIC_FLAGS = frozenset(
    flag.name
    for flag in FLAGS
    if flag.kind == "switch" or flag.name in {
        "server-name", "port", "subpath", "tls-certfile", "cors-allow-origins",
        "cors-allow-origins-regex", "data-dir", "models-dir", "mount-path", "ckpt-dir", "vae-dir",
        "lora-dir", "embeddings-dir", "hypernetwork-dir", "controlnet-dir", "styles-file", "ckpt",
        "watch", "device", "threads", "upload-largest", "upload-quota", "upload-spare",
        "upload-keep", "trash-days",
    }
)  # fmt: skip
"""Flags whose values a caller may see; of all others it sees null."""
REPEATED_FLAGS = frozenset({"styles-file"})  # flags that repeat in AUTOMATIC1111 too
PUBLIC_FOLDERS = MappingProxyType(
    {
        "embeddings-dir": ModelKind.EMBEDDING,
        "hypernetwork-dir": ModelKind.HYPERNETWORK,
        "lora-dir": ModelKind.LORA,
    }
)
"""Folders that AUTOMATIC1111 names among its flags wherever they are."""


def flags_json(config: "Config") -> dict[str, object]:
    """The value of every flag by each of its names."""
    return {
        name.replace("-", "_"): flag_value(flag, config)
        for flag in FLAGS
        for name in (flag.name, *flag.aliases)
    }


def flag_value(flag: Flag, config: "Config") -> object:
    """A flag's value as JSON; null for one that was not given or must not be told."""
    if not flag.is_supported:
        return f"--{flag.name}" in config.ignored if flag.kind == "switch" else None
    if flag.secret or flag.name not in PUBLIC_FLAGS:
        return None
    value = getattr(config, flag.field)
    if flag.kind == "paths" and flag.name not in REPEATED_FLAGS:
        return folder_value(flag, value, config)
    return value == flag.value if flag.kind == "switch" else to_json_value(value)


def folder_value(flag: Flag, paths: tuple[Path, ...], config: "Config") -> object:
    """A folder of models as AUTOMATIC1111 tells it: by itself, also where no flag names it."""
    kind = PUBLIC_FOLDERS.get(flag.name)
    folders = paths or (folders_of(config).of(kind)[:1] if kind else ())
    return to_json_value(folders) if len(folders) > 1 else next(map(str, folders), None)


def to_json_value(value: object) -> object:
    """Paths and tuples as JSON knows them."""
    if isinstance(value, tuple):
        return [to_json_value(part) for part in value]
    return str(value) if isinstance(value, Path) else value
