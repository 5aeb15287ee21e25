"""Invalid model files, as they arrive in a shared model folder."""

import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
"""Recorded files of the kind, where the checkout has them."""

FOLDERS = ("models/Lora", "embeddings", "models/Stable-diffusion", "models/VAE")
HUNGRY_PICKLE = b"\x80\x04]\x94r\xff\xff\xff\x3f."
"""Asks a plain unpickler for a memo of 2**30 entries."""


@dataclass(frozen=True, slots=True)
class BadFile:
    """A name, as the disk has it, and what makes it there."""

    name: bytes
    make: Callable[[bytes], None]

    def write_into(self, folder: Path) -> bytes:
        """Put it into a folder; its path."""
        path = os.path.join(os.fsencode(folder), self.name)
        remove_file(path)
        self.make(path)
        return path


def remove_file(path: bytes) -> None:
    """Take it away again."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        os.unlink(path)


def bad_files(cases: Path = CASES) -> tuple[BadFile, ...]:
    """All of them, the recorded ones included where there are any."""
    return (*generated_files(), *recorded_files(cases))


def recorded_files(cases: Path) -> Iterator[BadFile]:
    """Copies of recorded files."""
    for path in sorted(cases.glob("*")) if cases.is_dir() else ():
        if path.suffix in (".safetensors", ".pt"):
            yield BadFile(b"recorded-" + os.fsencode(path.name), _content_writer(path.read_bytes()))


def generated_files() -> Iterator[BadFile]:
    """Files that are made here."""
    yield BadFile(b"\xc9\xf1bad.safetensors", _content_writer(safetensors_bytes({"a": (2, 2)})))
    yield BadFile(
        b"line\nbreak\x1b[31m.safetensors", _content_writer(safetensors_bytes({"a": (2, 2)}))
    )
    yield BadFile(
        "\u202egnp.safetensors".encode(), _content_writer(safetensors_bytes({"a": (2, 2)}))
    )
    yield BadFile(b"n" * 243 + b".safetensors", _content_writer(safetensors_bytes({"a": (2, 2)})))
    yield BadFile(b"pipe.safetensors", os.mkfifo)
    yield BadFile(b"pipe.pt", os.mkfifo)
    yield BadFile(b"folder.safetensors", os.mkdir)
    yield BadFile(b"loop.safetensors", lambda path: os.symlink(path, path))
    yield BadFile(b"zero.safetensors", lambda path: os.symlink(b"/dev/zero", path))
    yield BadFile(b"empty.safetensors", _content_writer(b""))
    yield BadFile(b"empty.pt", _content_writer(b""))
    yield BadFile(b"scalar.safetensors", _content_writer(safetensors_bytes({"emb_params": ()})))
    yield BadFile(
        b"no-vectors.safetensors", _content_writer(safetensors_bytes({"emb_params": (0, 768)}))
    )
    yield BadFile(b"cut.safetensors", _content_writer(safetensors_bytes({"a": (64, 64)})[:200]))
    yield BadFile(
        b"header-only.safetensors",
        _content_writer(safetensors_bytes({"a": (1 << 20, 999)}, data=b"")),
    )
    yield BadFile(b"long-header.safetensors", _content_writer(struct.pack("<Q", 1 << 62) + b"{}"))
    yield BadFile(b"deep.safetensors", _content_writer(safetensors_with_header(b"[" * 200_000)))
    yield BadFile(b"hungry.pt", _content_writer(HUNGRY_PICKLE))
    yield BadFile(b"hungry.ckpt", _content_writer(HUNGRY_PICKLE))
    yield BadFile(b"stack.pt", _content_writer(b"\x80\x04" + b"(" * 500_000 + b"."))
    yield BadFile(b"surrogate.safetensors", _content_writer(safetensors_with_header(SURROGATES)))
    yield BadFile(b"broken.zip.ckpt", _content_writer(b"PK\x03\x04" + b"\xff" * 500))


SURROGATES = (
    b'{"__metadata__":{"ss_tag_frequency":"{\\"\\ud800\\":1}","\\udfff":"\\ud800"},'
    b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
)


def safetensors_bytes(shapes: dict[str, tuple[int, ...]], data: bytes | None = None) -> bytes:
    """A safetensors file of zeros, or with other data behind its header."""
    entries, at = {}, 0
    for name, shape in shapes.items():
        size = 4
        for side in shape:
            size *= side
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    header = json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + (b"\0" * at if data is None else data)


def safetensors_with_header(header: bytes) -> bytes:
    """A safetensors file with such a header."""
    return struct.pack("<Q", len(header)) + header + b"\0" * 4


def _content_writer(content: bytes) -> Callable[[bytes], None]:
    def write(path: bytes) -> None:
        with open(path, "wb") as file:
            file.write(content)

    return write
