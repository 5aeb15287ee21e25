"""Builds the model registry from the flags, for web process and workers. No Flask, no torch."""

from pathlib import Path
from typing import TYPE_CHECKING

from generator.models.contents_cache import ContentsCache
from generator.models.registry import Folders, HashCache, Registry

if TYPE_CHECKING:
    from webapp.settings.config import Config

HASHES_FILE = "hashes.db"
FACTS_FILE = "model-facts.db"
CONVERTED_FOLDER = "converted"


def folders_of(config: "Config") -> Folders:
    """The model folders of the data directory and those that flags add."""
    return Folders.under(
        config.data_dir,
        config.models_dir,
        checkpoint=config.checkpoint_dirs,
        vae=config.vae_dirs,
        lora=config.lora_dirs,
        embedding=config.embedding_dirs,
        hypernetwork=config.hypernetwork_dirs,
        controlnet=config.controlnet_dirs,
    )


def converted_folder(config: "Config") -> Path:
    """Where pickled models lie as safetensors."""
    return config.cache_folder / CONVERTED_FOLDER


def registry_of(config: "Config") -> Registry:
    """An index of those folders; it has looked at nothing yet."""
    cache = HashCache(config.cache_folder / HASHES_FILE) if config.hashing else None
    contents = ContentsCache(config.cache_folder / FACTS_FILE)
    return Registry(
        folders_of(config), cache, kept_in=converted_folder(config), contents_cache=contents
    )
