"""What tests of the index share: an index of some roots that is up to date."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from filebrowser.access.gate import Root
from filebrowser.index.file_index import FileIndex
from filebrowser.pictures.picture_facts import PictureFacts
from tests.wait import TIMEOUT

IndexOpener = Callable[..., FileIndex]


def read_lines(image: Image.Image) -> PictureFacts:
    """Facts of a picture whose infotext has a line of each: see :func:`write_picture`."""
    text = str(image.info.get("parameters", ""))
    fields = dict(line.split("=", 1) for line in text.splitlines())
    return PictureFacts(
        text,
        fields.get("prompt", ""),
        fields.get("negative", ""),
        fields.get("model", ""),
        "",
        tuple(filter(None, fields.get("loras", "").split(","))),
        fields.get("sampler", ""),
        int(fields["seed"]) if "seed" in fields else None,
    )


@pytest.fixture
def open_index(tmp_path: Path, data: Root) -> Iterator[IndexOpener]:
    """Opens the index of some roots, ``data`` if none are named, and waits until it is idle."""
    running: list[FileIndex] = []

    def start(*roots: Root) -> FileIndex:
        while running:
            running.pop().stop()
        index = FileIndex(tmp_path / "index.db", roots or (data,), read_lines, without_pauses=True)
        running.append(index)
        index.start()
        assert index.wait_until_idle(TIMEOUT)
        return index

    yield start
    while running:
        running.pop().stop()
