"""The index of models with hashes that became known after it was made."""

from collections.abc import Mapping
from dataclasses import replace

from generator.models.index import Identity, ModelFile, ModelIndex


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
