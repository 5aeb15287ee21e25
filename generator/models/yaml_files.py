"""Reads the YAML beside a model: limited in size, without aliases."""

from pathlib import Path
from typing import Any

import yaml

from generator.models.plain_files import read_text

LARGEST = 1 << 17  # bytes; real ones have 5,000
YAML_ERRORS = (
    OSError, yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError,
    RecursionError,
)  # fmt: skip
"""What reading it, and looking something up in it, may raise beside
:class:`generator.errors.ModelUnreadable`."""


class PlainLoader(yaml.SafeLoader):
    """Knows no aliases: with ``<<`` they multiply what a document holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """As of any loader. Raises ``YAMLError`` for an alias."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it refers to a part of itself")
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> Any:
    """What a YAML file holds. Raises :class:`ModelUnreadable` and ``YAML_ERRORS``."""
    return yaml.load(read_text(path, LARGEST), PlainLoader)
