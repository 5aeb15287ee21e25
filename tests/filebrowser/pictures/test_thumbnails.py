"""Thumbnails: upright, small, kept within bytes, and cheap to refuse for hostile pictures."""

import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filebrowser.access.gate import Place, Root
from filebrowser.errors import NoPicture, NotAFile, NotHere, TooMuch
from filebrowser.pictures.disk_cache import DiskCache
from filebrowser.pictures.thumbnails import SIDES, Thumbnails
from generator.pictures.pixel_modes import to_eight_bits
from tests.wait import assert_quick


@pytest.fixture
def thumbnails(tmp_path: Path) -> Thumbnails:
    return Thumbnails(tmp_path / "kept", most_bytes=2**20, to_rgb=to_eight_bits)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    path = tmp_path / "files"
    path.mkdir()
    return Root("data", path)


def small(thumbnails: Thumbnails, root: Root, name: str, side: int = 128) -> Image.Image:
    data = thumbnails.get(Place(root, (name,)), side).data
    return Image.open(BytesIO(data))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def quickly(action: object, error: type[Exception]) -> None:
    def expect_error() -> None:
        with pytest.raises(error):
            action()  # type: ignore[operator]

    assert_quick(expect_error, 2)


@pytest.mark.parametrize("side", SIDES)
def test_a_thumbnail_fits_its_side_and_keeps_its_shape(
    thumbnails: Thumbnails, root: Root, side: int
) -> None:
    Image.new("RGB", (1600, 800), "red").save(root.path / "wide.png")
    assert small(thumbnails, root, "wide.png", side).size == (side, side // 2)


def test_a_small_picture_is_not_made_larger(thumbnails: Thumbnails, root: Root) -> None:
    Image.new("RGB", (40, 30)).save(root.path / "tiny.png")
    assert small(thumbnails, root, "tiny.png").size == (40, 30)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "png"])
def test_exif_turns_a_thumbnail_upright(thumbnails: Thumbnails, root: Root, suffix: str) -> None:
    picture = Image.new("RGB", (400, 200), "white")
    picture.paste("blue", (0, 0, 200, 200))  # left half
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: what is left here belongs on top
    picture.save(root.path / f"turned.{suffix}", exif=exif)
    upright = small(thumbnails, root, f"turned.{suffix}")
    assert upright.size == (64, 128)
    top, bottom = upright.getpixel((32, 20)), upright.getpixel((32, 110))
    assert top[2] > 200 > 60 > top[0]
    assert min(bottom) > 200
    assert not upright.getexif()


def test_transparency_stays(thumbnails: Thumbnails, root: Root) -> None:
    Image.new("RGBA", (200, 200), (255, 0, 0, 0)).save(root.path / "clear.png")
    assert small(thumbnails, root, "clear.png").getpixel((5, 5))[3] == 0


def test_sixteen_bits_are_brought_to_eight(thumbnails: Thumbnails, root: Root) -> None:
    values = np.full((64, 64), 0x8000, dtype=np.uint16)
    Image.fromarray(values).save(root.path / "deep.png")
    assert abs(small(thumbnails, root, "deep.png").getpixel((5, 5))[0] - 128) < 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK"])
def test_every_mode_has_a_thumbnail(thumbnails: Thumbnails, root: Root, mode: str) -> None:
    name = "mode.jpg" if mode == "CMYK" else "mode.png"
    Image.new(mode, (300, 300)).save(root.path / name)
    assert small(thumbnails, root, name).size == (128, 128)


def test_of_an_animation_the_first_frame_is_shown(thumbnails: Thumbnails, root: Root) -> None:
    frames = [Image.new("RGB", (200, 200), (0, 255, i % 200)) for i in range(300)]
    for name in ("moving.webp", "moving.gif"):
        frames[0].save(root.path / name, save_all=True, append_images=frames[1:], duration=20)
        fresh = iter(range(5))  # a thumbnail is made once of each name

        def fresh_thumbnail(name: str = name, fresh: Iterator[int] = fresh) -> Image.Image:
            again = f"{next(fresh)}{name}"
            (root.path / again).write_bytes((root.path / name).read_bytes())
            return small(thumbnails, root, again)

        assert assert_quick(fresh_thumbnail, 1, 5).convert("RGB").getpixel((9, 9))[1] > 240


def test_another_picture_of_the_name_has_another_thumbnail(
    thumbnails: Thumbnails, root: Root
) -> None:
    path = root.path / "p.png"
    Image.new("RGB", (200, 200), "red").save(path)
    first = thumbnails.get(Place(root, ("p.png",)), 128)
    Image.new("RGB", (200, 200), "lime").save(path)
    second = thumbnails.get(Place(root, ("p.png",)), 128)
    assert first.tag != second.tag
    assert Image.open(BytesIO(second.data)).getpixel((5, 5))[1] > 200


def test_a_thumbnail_is_made_once(
    thumbnails: Thumbnails, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    inner = Thumbnails._make
    monkeypatch.setattr(
        Thumbnails, "_make", lambda *args: (made.append(1), time.sleep(0.05), inner(*args))[2]
    )
    Image.new("RGB", (200, 200), "red").save(root.path / "p.png")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: thumbnails.get(Place(root, ("p.png",)), 128), range(16)))
    assert len(made) == 1


def test_30000_by_30000_pixels_are_refused_at_once(thumbnails: Thumbnails, root: Root) -> None:
    rows = zlib.compress(bytes(10_000_000))
    (root.path / "bomb.png").write_bytes(png_of(30_000, 30_000, chunk(b"IDAT", rows)))
    quickly(lambda: small(thumbnails, root, "bomb.png"), TooMuch)


def test_text_chunks_that_swell_are_refused_at_once(thumbnails: Thumbnails, root: Root) -> None:
    text = b"parameters\0\0" + zlib.compress(bytes(100_000_000))
    image = png_of(64, 64, chunk(b"zTXt", text), chunk(b"IDAT", zlib.compress(bytes(64 * 193))))
    (root.path / "text.png").write_bytes(image)
    quickly(lambda: small(thumbnails, root, "text.png"), NoPicture)


def test_a_jpeg_of_endless_passes_is_refused_at_once(thumbnails: Thumbnails, root: Root) -> None:
    buffer = BytesIO()
    Image.new("L", (4000, 4000)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    start = data.rindex(b"\xff\xda")
    scan = data[start:-2]
    (root.path / "scans.jpg").write_bytes(data[:-2] + scan * 5_000 + b"\xff\xd9")
    quickly(lambda: small(thumbnails, root, "scans.jpg"), TooMuch)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "avif"])
def test_a_truncated_picture_is_refused(thumbnails: Thumbnails, root: Root, suffix: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, {"jpg": "JPEG"}.get(suffix, suffix.upper()))
    (root.path / f"cut.{suffix}").write_bytes(buffer.getvalue()[:-2000])
    quickly(lambda: small(thumbnails, root, f"cut.{suffix}"), NoPicture)


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe"]
)
def test_what_is_no_picture_is_said_to_be_none(
    thumbnails: Thumbnails, root: Root, content: bytes
) -> None:
    (root.path / "p.png").write_bytes(content)
    with pytest.raises(NoPicture):
        small(thumbnails, root, "p.png")


def test_links_pipes_and_absent_files_have_no_thumbnail(
    thumbnails: Thumbnails, root: Root, tmp_path: Path
) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "outside.png")
    (root.path / "link.png").symlink_to(tmp_path / "outside.png")
    os.mkfifo(root.path / "pipe.png")
    for name, error in (("link.png", NotAFile), ("pipe.png", NotAFile), ("no.png", NotHere)):
        with pytest.raises(error):
            small(thumbnails, root, name)


def test_the_least_used_go_when_the_folder_is_full(tmp_path: Path) -> None:
    kept = DiskCache(tmp_path / "kept", 1000)
    for name in ("aa", "bb", "cc"):
        kept.put(name, bytes([1]) * 300)
    assert kept.get("aa")
    kept.put("dd", bytes([1]) * 300)
    assert kept.get("bb") is None
    assert all(map(kept.get, ("aa", "cc", "dd")))


def test_a_later_process_knows_what_lies_there(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    first = DiskCache(folder, 1000)
    for age, name in ((300, "aa"), (200, "bb"), (100, "cc")):
        first.put(name, bytes([1]) * 300)
        os.utime(folder / name[:2] / name, (time.time() - age,) * 2)
    (folder / "left.part").write_bytes(bytes(5000))
    os.utime(folder / "left.part", (1, 1))
    second = DiskCache(folder, 1000)
    second.put("dd", bytes([1]) * 300)
    assert second.get("aa") is None
    assert all(map(second.get, ("bb", "cc", "dd")))
    assert not (folder / "left.part").exists()


def test_many_writers_stay_within_the_bytes(tmp_path: Path) -> None:
    kept = DiskCache(tmp_path / "kept", 10_000)
    threads = [
        threading.Thread(target=lambda n=n: [kept.put(f"{n}{i:02}", bytes(100)) for i in range(60)])
        for n in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lying = sum(path.stat().st_size for path in kept.folder.rglob("*") if path.is_file())
    assert lying <= 10_000
