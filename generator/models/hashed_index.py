"""Hashes that become known after an index of models was made: whose turn it is, and the index."""

from collections.abc import Container, Mapping
from dataclasses import replace
from pathlib import Path

from generator.models.index import Identity, ModelFile, ModelIndex
from generator.models.kinds import FOLDERS_BY_KIND


def fill_hashes(index: ModelIndex, files_with_hashes: Mapping[Identity, ModelFile]) -> ModelIndex:
    """The index with hashes filled in, for the files that it still holds."""
    files = {
        kind: tuple(_fill_hash(file, files_with_hashes.get(file.identity)) for file in of_kind)
        for kind, of_kind in index.files.items()
    }
    return replace(index, files=files)


def _fill_hash(file: ModelFile, hashed: ModelFile | None) -> ModelFile:
    # A file can lie on two shelves (a folder given twice): take the hashes, keep the rest.
    if hashed is None:
        return file
    payload = hashed.payload_sha256 if file.kind is hashed.kind else file.payload_sha256
    return replace(file, sha256=hashed.sha256, payload_sha256=payload)


def next_unhashed(
    index: ModelIndex, tried: Container[Identity], below: Path | None = None
) -> ModelFile | None:
    """Checkpoints come first, and of a kind the newest: it is the one that somebody waits for."""
    for kind in FOLDERS_BY_KIND:
        waiting = [
            f
            for f in index.files_of(kind)
            if not f.sha256
            and f.identity not in tried
            and (below is None or f.path.is_relative_to(below))
        ]
        if waiting:
            return max(waiting, key=lambda file: file.mtime_ns)
    return None
