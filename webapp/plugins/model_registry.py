"""Builds the model registry from the flags, for web process and workers. No Flask, no torch."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from generator.models.contents_cache import ContentsCache
from generator.models.registry import Folders, HashCache, ModelKind, Registry

if TYPE_CHECKING:
    from webapp.settings.config import Config

HASHES_FILE = "hashes.db"
FACTS_FILE = "model-facts.db"
CONVERTED_FOLDER = "converted"
OWN_KINDS = frozenset(
    {ModelKind.LORA, ModelKind.VAE, ModelKind.GFPGAN, ModelKind.EMBEDDING, ModelKind.HYPERNETWORK}
)
"""Kinds of which users with accounts have files of their own, and none of the data directory's."""


def folders_of(config: "Config") -> Folders:
    """The model folders of the data directory and those that flags add; of a user, see there."""
    if config.service_config is not None:
        return _user_folders(config.data_dir, config.service_config)
    return Folders.under(
        config.data_dir,
        config.models_dir,
        checkpoint=config.checkpoint_dirs,
        vae=config.vae_dirs,
        lora=config.lora_dirs,
        embedding=config.embedding_dirs,
        hypernetwork=config.hypernetwork_dirs,
        gfpgan=config.gfpgan_dirs,
        controlnet=config.controlnet_dirs,
    )


def _user_folders(tree: Path, service: "Config") -> Folders:
    """A user's own folders, and those of all users: their own come first.

    Of LoRAs the folders of ``--lora-dir`` besides the user's; of the other four kinds that are a
    user's own the folders of their flag alone, where it names some. Everything else of the service
    is for all.
    """
    own, shared = Folders.under(tree), folders_of(service)
    named = {
        ModelKind.VAE: service.vae_dirs,
        ModelKind.GFPGAN: service.gfpgan_dirs,
        ModelKind.EMBEDDING: service.embedding_dirs,
        ModelKind.HYPERNETWORK: service.hypernetwork_dirs,
    }
    roots = {
        kind: named[kind] or own.of(kind)
        if kind in named
        else (*own.of(kind), *(service.lora_dirs if kind is ModelKind.LORA else shared.of(kind)))
        for kind in ModelKind
    }
    absolute = {kind: tuple(path.absolute() for path in paths) for kind, paths in roots.items()}
    return Folders(absolute, own.parents)


def converted_folder(config: "Config") -> Path:
    """Where pickled models lie as safetensors."""
    return config.cache_folder / CONVERTED_FOLDER


def user_registry_of(config: "Config", shared: Registry) -> Registry:
    """An index of what one user may load; what is kept of files is the ``shared`` registry's.

    Only the user's own files are hashed in its background: the others are by ``shared``.
    """
    registry = Registry(
        replace(folders_of(config), plugin_folders=shared.folders.plugin_folders),
        shared.hash_cache,
        kept_in=shared.kept_in,
        contents_cache=shared.contents_cache,
        hashed_below=config.data_dir,
    )
    registry.set_plugin_families(shared.plugin_families)
    return registry


def registry_of(config: "Config") -> Registry:
    """An index of those folders; it has looked at nothing yet."""
    cache = HashCache(config.cache_folder / HASHES_FILE) if config.hashing else None
    contents = ContentsCache(config.cache_folder / FACTS_FILE)
    return Registry(
        folders_of(config), cache, kept_in=converted_folder(config), contents_cache=contents
    )
