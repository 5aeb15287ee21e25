"""The configuration as one user has it: the data directory is a tree of their own in ``users/``.

Whatever asks a configuration where pictures, models, options or styles lie finds the user's.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from generator.data_folders import USERS_FOLDER
from webapp.settings.config import Config

if TYPE_CHECKING:
    from collections.abc import Collection

TOKEN_MARK = "~"  # before the name of a flag's token: no user's name has it


@dataclass(frozen=True, slots=True)
class UserConfig(Config):
    """``data_dir`` is the user's tree; ``service`` the configuration that all users share."""

    user: str = ""  # the tree's name
    service: Config = field(default_factory=lambda: Config(Path()))

    @property
    def service_config(self) -> Config:
        """The configuration that all users share."""
        return self.service

    @property
    def easel_dir(self) -> Path:
        """The service's own folder, which users have no other of."""
        return self.service.easel_dir


def user_config(config: Config, tree: str) -> UserConfig:
    """The configuration of the user whose tree has this name. Raises ``ValueError`` for no name."""
    if not tree or tree.startswith(".") or "/" in tree or "\0" in tree:
        raise ValueError(f"{tree!r} is no name of a user's tree.")
    values = {each.name: getattr(config, each.name) for each in fields(Config)}
    changes = {
        "data_dir": users_folder(config) / tree,
        "models_dir": None,
        "styles_files": (),
    }
    return UserConfig(**{**values, **changes}, user=tree, service=config)


def users_folder(config: Config) -> Path:
    """Where the users' trees lie."""
    return config.data_dir / USERS_FOLDER


def user_trees(config: Config) -> "Collection[UserConfig]":
    """The configurations of all users who have a tree by now."""
    try:
        names = sorted(path.name for path in users_folder(config).iterdir() if path.is_dir())
    except OSError:  # nobody has one yet
        return ()
    return [user_config(config, name) for name in names if not name.startswith(".")]


def tree_name(config: Config, caller: str) -> str:
    """The name of a caller's tree: the user's, or a flag's token's with a mark before it."""
    return f"{TOKEN_MARK}{caller}" if is_token_name(config, caller) else caller


def is_token_name(config: Config, caller: str) -> bool:
    """Whether a flag's token has this name; no user has."""
    return any(token.name == caller for token in config.narrow_tokens)
