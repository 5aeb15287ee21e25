"""Recorded cases that are known to differ, each with its cause."""

from collections.abc import Mapping

KNOWN: Mapping[str, str] = {
    "script_*": "scripts are not there yet",
    "xyz_*": "scripts are not there yet",
}
"""Patterns of names. A case that comes right is taken out."""
