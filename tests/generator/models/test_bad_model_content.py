"""Each bad file of a folder of models is left out by itself, with its name and what to do."""

import json
import re
import struct
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from generator.models.kinds import Folders, ModelKind
from generator.models.scan import scan
from tests.generator.models.gguf_files import gguf

MEBI = 1 << 20


def safetensors(header: object, data: bytes = b"") -> bytes:
    """A file with this header, whether it makes sense or not."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(begin: int, end: int) -> dict[str, object]:
    return {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}


def zipped(name: str) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, b"x" * 99)
    return content.getvalue()


GOOD = safetensors({"w": tensor(0, 4)}, bytes(4))
PAGE = b"<!DOCTYPE html><html><head><title>403 Forbidden</title></head></html>"
BAD: dict[str, tuple[bytes, str]] = {  # file name: content, what the reason says
    "empty.safetensors": (b"", "it is empty.*copy it again"),
    "empty.ckpt": (b"", "it is empty.*copy it again"),
    "empty.gguf": (b"", "it is empty.*copy it again"),
    "cut.safetensors": (GOOD[:-1], "copy it again"),
    "cut-header.safetensors": (GOOD[:20], "copy it again"),
    "long.safetensors": (GOOD + b"x", "damaged: copy it again"),
    "page.safetensors": (PAGE, "it is a web page.*Download it again"),
    "page.ckpt": (b"\n<html>" + PAGE, "it is a web page.*Download it again"),
    "page.gguf": (PAGE, "it is a web page.*Download it again"),
    "answer.safetensors": (b'{"error": "unauthorized"}', "it is a text.*Download it again"),
    "pointer.safetensors": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n", "git lfs pull",
    ),
    "torch.safetensors": (zipped("a/data.pkl"), r"a zip.*Rename it to \.ckpt"),
    "tensors.ckpt": (GOOD, r"a safetensors file.*Rename it to \.safetensors"),
    "quantised.safetensors": (gguf({"w": (2, 2)}), r"a GGUF file.*Rename it to \.gguf"),
    "quantised.ckpt": (gguf({"w": (2, 2)}), r"a GGUF file.*Rename it to \.gguf"),
    "picture.safetensors": (b"\x89PNG\r\n\x1a\n" + bytes(99), "a picture.*Move it"),
    "archive.ckpt": (zipped("readme.txt"), "there is no data.pkl.*Unpack it"),
    "noise.safetensors": (b"\x07" * 99, "damaged, or of another kind.*Copy it again"),
    "length.safetensors": (struct.pack("<Q", 1 << 62) + b"{}", "Copy it again"),
    "depth.safetensors": (safetensors(b'{"a":' * 9999), "header is damaged.*Copy it again"),
    "count.safetensors": (
        safetensors(b'{"a":[' + b"1," * 1_000_001 + b"1]}"), "more than 1,000,000 parts.*again",
    ),
    "metadata.safetensors": (
        struct.pack("<Q", 26 * MEBI) + b'{"__metadata__":{"a":"' + b"x" * 600,
        "at most 25,000,000 are read.*Copy it again",
    ),
    "overlap.safetensors": (
        safetensors({"a": tensor(0, 4), "b": tensor(2, 6)}, bytes(6)), "overlap.*Copy it again",
    ),
    "gap.safetensors": (
        safetensors({"a": tensor(0, 4), "b": tensor(6, 8)}, bytes(8)), "overlap.*Copy it again",
    ),
    "alias.safetensors": (
        safetensors({"a": tensor(0, 4), "b": tensor(0, 4)}, bytes(4)), "overlap.*Copy it again",
    ),
    "twice.safetensors": (
        safetensors(
            b'{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
            b'"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"1",
        ),
        "a name stands in it twice.*Copy it again",
    ),
    "hollow.safetensors": (safetensors({"__metadata__": {"a": "b"}}), "only a header.*Copy"),
}  # fmt: skip
UNRELATED = (
    "readme.txt", "notes.md", "setup.exe", "sheet.xlsx", "picture.png", "film.mp4", "data.zip",
    "model.safetensors.part", "model.safetensors.crdownload", "Thumbs.db", "no-suffix", "a.html",
)  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_tells_its_name_and_what_to_do(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "models/Stable-diffusion"
    folder.mkdir(parents=True)
    content, words = BAD[name]
    (folder / name).write_bytes(content)
    (folder / "good.safetensors").write_bytes(GOOD)
    index = scan(Folders.under(tmp_path))
    assert [file.name for file in index.files_of(ModelKind.CHECKPOINT)] == ["good.safetensors"]
    (reason,) = index.rejected.values()
    assert reason.startswith(f"{name}: ")
    assert len(reason) < 400
    assert re.search(words, reason, re.DOTALL), reason


def test_a_folder_of_unrelated_files_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "models/Stable-diffusion"
    (folder / "sub").mkdir(parents=True)
    for name in UNRELATED:
        (folder / name).write_bytes(PAGE)
        (folder / "sub" / name).write_bytes(b"")
    index = scan(Folders.under(tmp_path))
    assert (index.files_of(ModelKind.CHECKPOINT), index.rejected) == ((), {})


def test_a_name_that_two_files_have_is_told_by_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "models/Stable-diffusion"
    for place in ("a", "b"):
        (folder / place).mkdir(parents=True)
        (folder / place / "one.safetensors").write_bytes(GOOD)
    index = scan(Folders.under(tmp_path))
    for place in ("a", "b"):
        for name in (f"{place}/one.safetensors", f"{place}_one"):
            assert index.find_checkpoint(name).name == f"{place}/one.safetensors"
    assert index.find_checkpoint("one").name == "a/one.safetensors"
