"""Conflict policy where a name is taken: skip, overwrite, rename."""

from enum import StrEnum


class Conflict(StrEnum):
    """The caller's choice; without one the caller is asked."""

    SKIP = "skip"  # keep what is there
    OVERWRITE = "overwrite"  # files are replaced, folders joined
    RENAME = "rename"  # keep both: "name (1).png"
