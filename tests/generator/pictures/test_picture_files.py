"""Files that carry their text, and saving that leaves all or nothing."""

from pathlib import Path

import pytest
from PIL import Image

from generator.errors import BadRequest, CannotSave
from generator.pictures.base64_images import open_header, open_picture
from generator.pictures.embedded_text import read_infotext
from generator.pictures.picture_files import encode_picture, write_picture_file


@pytest.fixture
def picture() -> Image.Image:
    return Image.linear_gradient("L").convert("RGB").resize((40, 24))


@pytest.mark.parametrize("format", ["png", "jpg", "jpeg", "webp", "PNG"])
@pytest.mark.parametrize("text", ["a cat\nSteps: 20, Size: 8x8", "красный дом, 红房子", ""])
def test_text_survives_every_container(picture: Image.Image, format: str, text: str) -> None:
    assert read_infotext(open_picture(encode_picture(picture, format, text))) == text


def test_a_picture_without_text_has_none(picture: Image.Image) -> None:
    found = open_picture(encode_picture(picture, "png", None))
    assert "parameters" not in found.info
    assert read_infotext(found) == ""


def test_png_is_lossless(picture: Image.Image) -> None:
    assert open_picture(encode_picture(picture, "png", "x")).tobytes() == picture.tobytes()


def test_quality_shrinks_a_jpeg(picture: Image.Image) -> None:
    assert len(encode_picture(picture, "jpg", quality=20)) < len(
        encode_picture(picture, "jpg", quality=95)
    )


def test_an_unknown_format_is_refused(picture: Image.Image) -> None:
    with pytest.raises(BadRequest, match=r"Invalid image format.*avif"):
        encode_picture(picture, "avif")


def test_bytes_that_are_no_picture_are_refused() -> None:
    with pytest.raises(BadRequest, match=r"Invalid encoded image"):
        open_picture(b"no picture at all")


@pytest.mark.parametrize(
    ("format", "side", "made"),
    [
        ("webp", 16383, "WEBP"),
        ("webp", 16384, "PNG"),
        ("jpg", 65501, "PNG"),
        ("jpeg", 65500, "JPEG"),
    ],
)
def test_what_a_format_cannot_hold_is_a_png(format: str, side: int, made: str) -> None:
    data = encode_picture(Image.new("L", (side, 1)), format, "Steps: 1")
    assert open_header(data).format == made


def test_save_makes_the_folder_and_leaves_only_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "0.png"
    write_picture_file(path, b"first")
    write_picture_file(path, b"second")
    assert path.read_bytes() == b"second"
    assert [child.name for child in path.parent.iterdir()] == ["0.png"]


def test_a_save_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(CannotSave, match=r"taken.png could not be saved"):
        write_picture_file(tmp_path / "taken.png", b"data")
    assert [child.name for child in tmp_path.iterdir()] == ["taken.png"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CannotSave, match=r"No space left"):
        write_picture_file(tmp_path / "0.png", b"data")
    assert not list(tmp_path.iterdir())
