"""What a file is by its name: nothing that a browser would run is served as what it is."""

import socket
from pathlib import Path

import pytest

from filebrowser.listing.file_kinds import (
    OCTET_STREAM,
    PLAIN_TEXT,
    TYPES_BY_SUFFIX,
    FileKind,
    kind_by_mode,
    kind_of,
    suffix,
    type_of,
)

RUNNABLE = ("html", "htm", "js", "xml", "css", "xhtml", "mjs", "wasm", "swf", "svgz", "php", "jsp")


@pytest.mark.parametrize(
    ("name", "kind", "media_type"),
    [
        ("a.PNG", FileKind.IMAGE, "image/png"),
        ("a.tar.gz", FileKind.ARCHIVE, OCTET_STREAM),
        ("model.fp16.safetensors", FileKind.MODEL, OCTET_STREAM),
        ("README.md", FileKind.MARKDOWN, PLAIN_TEXT),
        ("notes", FileKind.FILE, OCTET_STREAM),
        (".png", FileKind.FILE, OCTET_STREAM),  # a dotted name, not a suffix
        ("a.png.", FileKind.FILE, OCTET_STREAM),
        ("a.png ", FileKind.FILE, OCTET_STREAM),
        ("a.unheard-of", FileKind.FILE, OCTET_STREAM),
        ("", FileKind.FILE, OCTET_STREAM),
    ],
)
def test_kind_and_type_go_by_the_last_suffix(name: str, kind: FileKind, media_type: str) -> None:
    assert (kind_of(name), type_of(name)) == (kind, media_type)


@pytest.mark.parametrize("ending", RUNNABLE)
def test_what_could_run_is_plain_text_or_bytes(ending: str) -> None:
    assert type_of(f"a.{ending}") in (PLAIN_TEXT, OCTET_STREAM)
    assert type_of(f"a.{ending.upper()}") in (PLAIN_TEXT, OCTET_STREAM)


def test_each_suffix_of_the_table_can_be_met() -> None:
    assert all(suffix(f"name{key.upper()}") == key for key in TYPES_BY_SUFFIX)
    assert all(kind not in (FileKind.FOLDER, FileKind.LINK) for kind, _ in TYPES_BY_SUFFIX.values())


def test_the_mode_goes_before_the_name(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to("nowhere")
    (tmp_path / "file.png").touch()
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(tmp_path / "end.png"))
        kinds = {
            path.name: kind_by_mode(path.name, path.lstat().st_mode) for path in tmp_path.iterdir()
        }
    assert kinds == {
        "folder.png": FileKind.FOLDER,
        "link.png": FileKind.LINK,
        "file.png": FileKind.IMAGE,
        "end.png": FileKind.SPECIAL,
    }
