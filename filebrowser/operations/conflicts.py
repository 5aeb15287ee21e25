"""What to do where a name is taken."""

from enum import StrEnum


class Conflict(StrEnum):
    """The caller's choice; without one the caller is asked."""

    SKIP = "skip"  # keep what is there
    OVERWRITE = "overwrite"  # files are replaced, folders joined
    RENAME = "rename"  # keep both: "name (1).png"
