"""Which names of a tree are hidden: patterns of paths, compared as file systems open them."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase


def is_within(names: Sequence[str], patterns: Iterable[str]) -> bool:
    """Whether a path is one of the patterns, or below one."""
    return any(
        len(parts) <= len(names) and matches_prefix(names, parts)
        for parts in map(split_pattern, patterns)
    )


def is_ancestor(names: Sequence[str], patterns: Iterable[str]) -> bool:
    """Whether a path leads to one of the patterns."""
    return any(
        len(names) < len(parts) and matches_prefix(names, parts)
        for parts in map(split_pattern, patterns)
    )


def matches_exactly(names: Sequence[str], pattern: str) -> bool:
    parts = split_pattern(pattern)
    return len(names) == len(parts) and matches_prefix(names, parts)


def split_pattern(pattern: str) -> list[str]:
    return pattern.casefold().split("/")


def matches_prefix(names: Sequence[str], parts: Sequence[str]) -> bool:
    return all(
        fnmatchcase(_name_as_opened(name), one) for name, one in zip(names, parts, strict=False)
    )


def _name_as_opened(name: str) -> str:
    """What some file systems open by this name: .easel for ".EASEL", ".easel " and ".easel:x"."""
    bare = name.partition(":")[0].rstrip(". ")
    return (bare or name).casefold()
