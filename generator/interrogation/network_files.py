"""The files of a network that describes pictures, as the book of weights knows it."""

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from generator.errors import ModelUnreadable
from generator.interrogation.requests import TAGS_FILE, Form
from generator.models.diffusers_folders import ModelPart
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.plain_files import MOST_INTEGER, FileStamp, stamp_of
from generator.models.residency import ResidentKind
from generator.reasons import reason_of

PLAIN_SUFFIXES = (".safetensors", ".bin")  # of what transformers reads, in this order
ONNX_SUFFIX = ".onnx"


def look_at_network(network: Path, form: Form) -> tuple[ResidentKind, ModelFile]:
    """What kind of network lies there, and its files as they are now.

    A folder whose files change, any of them, is another network. Raises :class:`ModelUnreadable`.
    """
    try:
        is_onnx = form == "tags" and (network / TAGS_FILE).is_file()
        kind = ModelKind.BLIP if form == "caption" else ModelKind.TAGGER
        if network.is_file():
            file = ModelFile(kind, network.name, network, *stamp_of(network.stat()))
        else:
            weights = tuple(_weights(network, is_onnx))
            stamp = _stamp_of_folder(network, weights)
            parts = tuple(ModelPart("", path) for path in weights)
            file = ModelFile(kind, network.name, network, *stamp, parts=parts)
    except OSError as error:
        raise ModelUnreadable(
            f"{network.name} cannot be read: {reason_of(error)}. Put the network there again"
        ) from error
    if form == "caption":
        return ResidentKind.CAPTIONER, file
    return ResidentKind.ONNX_TAGGER if is_onnx else ResidentKind.TAGGER, file


def _weights(folder: Path, is_onnx: bool) -> Iterator[Path]:
    """The files that hold its weights."""
    for suffix in (ONNX_SUFFIX,) if is_onnx else PLAIN_SUFFIXES:
        files = sorted(folder.glob(f"*{suffix}"))
        if files:
            yield from files[:1] if is_onnx else files
            return


def _stamp_of_folder(folder: Path, weights: tuple[Path, ...]) -> FileStamp:
    """Bytes of the weights, and what changes with any file beside them."""
    stamps = {path.name: stamp_of(path.stat()) for path in folder.iterdir() if path.is_file()}
    seen = blake2b(repr(sorted(stamps.items())).encode(), digest_size=8).digest()
    size = sum(stamps[path.name][0] for path in weights if path.name in stamps)
    newest, changed = (
        max((stamp[place] for stamp in stamps.values()), default=0) for place in (1, 3)
    )
    return size, newest, int.from_bytes(seen) & MOST_INTEGER, changed
