"""Recorded cases that are known to differ, each with its cause."""

from collections.abc import Mapping
from fnmatch import fnmatch

KNOWN_DIFFERENCES: Mapping[str, str] = {
    "sampler_alias_k_euler_a": "an alias draws with the sampler that it means, not with DPM++ 2M",
    "xl_xyz_sampler_cfg": "the original's cells share their notes: a label stays for later cells",
}
"""Patterns of names. A case that comes right is taken out."""


def cause_of(name: str) -> str | None:
    """Why a case is known to differ, or None."""
    return next(
        (cause for pattern, cause in KNOWN_DIFFERENCES.items() if fnmatch(name, pattern)), None
    )
