"""Thumbnails: made on demand, cached on disk, remade when the file changes.

A thumbnail belongs to a path, an inode, a size and a time of change, so a stale one is never shown
and nobody has to remove it: the least used ones go when the folder has grown too large.
"""

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from filebrowser.access.gate import Place, open_place
from filebrowser.pictures.disk_cache import DiskCache
from filebrowser.pictures.image_open import (
    DECODE_BUDGET,
    check_decodable,
    open_image,
    reserve_decoding,
)
from filebrowser.pictures.memory_budget import MemoryBudget

SIDES = (128, 256, 512, 1024)  # pixels
MAX_DECODING = 2  # pictures in decoding: more only make one another wait
TAG_LOCKS = 64  # of the same thumbnail only one goes on; the others find what it made
QUALITY = 82
MEDIA_TYPE = "image/webp"

RgbConverter = Callable[[Image.Image], Image.Image]


def convert_to_rgb(image: Image.Image) -> Image.Image:
    """RGB, or RGBA where something shines through, as Pillow converts."""
    return image.convert(_rgb_mode(image))


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """``data`` is a WebP; ``tag`` changes with the file and the size asked for."""

    data: bytes
    tag: str


class Thumbnails:
    """Makes thumbnails and keeps them below ``folder``, at most ``most_bytes`` of them.

    Safe for threads. One for the whole process, whose decoded pictures ``memory`` counts;
    ``spare`` bytes stay free on the disk. ``to_rgb`` brings pixels of every kind to 8 bits a
    channel; the application has such a function.
    """

    def __init__(
        self,
        folder: Path,
        memory: MemoryBudget | None = None,
        most_bytes: int = 512 * 2**20,
        spare: int = 0,
        to_rgb: RgbConverter = convert_to_rgb,
    ) -> None:
        self._to_rgb = to_rgb
        self._cache = DiskCache(folder, most_bytes, spare)
        self._memory = memory or MemoryBudget(DECODE_BUDGET)
        self._decode_slots = threading.BoundedSemaphore(MAX_DECODING)
        self._tag_locks = tuple(threading.Lock() for _ in range(TAG_LOCKS))

    def tag(self, place: Place, side: int) -> str:
        """What tells this thumbnail from every other. Raises the gate's errors."""
        file = open_place(place)
        try:
            return _tag(place, os.fstat(file), side)
        finally:
            os.close(file)

    def get(self, place: Place, side: int) -> Thumbnail:
        """The picture at ``place`` within ``side`` x ``side`` pixels, upright as its EXIF says.

        Raises the gate's errors, :class:`NoPicture`, :class:`TooMuch` and
        :class:`Overloaded`.
        """
        file = open_place(place)
        try:
            tag = _tag(place, os.fstat(file), side)
            data = self._cache.get(tag)
            return Thumbnail(data or self._make_once(file, side, tag), tag)
        finally:
            os.close(file)

    def _make_once(self, file: int, side: int, tag: str) -> bytes:
        """Make it, unless another request did while this one waited for its turn."""
        with self._tag_locks[hash(tag) % TAG_LOCKS], self._decode_slots:
            data = self._cache.get(tag)
            if data is None:
                data = self._make(file, side)
                self._cache.put(tag, data)
            return data

    def _make(self, file: int, side: int) -> bytes:
        with open_image(file, self._memory) as image:
            check_decodable(image, file)
            with reserve_decoding(image, self._memory, copies=int(_rgb_mode(image) != image.mode)):
                return shrink_image(image, side, self._to_rgb)


def shrink_image(image: Image.Image, side: int, to_rgb: RgbConverter = convert_to_rgb) -> bytes:
    """The first frame of ``image`` as a WebP of at most ``side`` pixels a side, without metadata.

    Raises what Pillow raises of damaged pictures.
    """
    image.draft("RGB", (2 * side, 2 * side))  # JPEG decodes to 1/2, 1/4 or 1/8 at no cost
    small = to_rgb(image)
    small.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=1.5)
    upright = ImageOps.exif_transpose(_with_orientation(small, image))
    buffer = BytesIO()
    upright.save(buffer, "WEBP", quality=QUALITY, method=1, exif=b"", icc_profile=b"")
    return buffer.getvalue()


def _rgb_mode(image: Image.Image) -> str:
    return "RGBA" if image.has_transparency_data else "RGB"


def _with_orientation(small: Image.Image, image: Image.Image) -> Image.Image:
    small.info = {key: image.info[key] for key in ("exif",) if key in image.info}
    return small


def _tag(place: Place, facts: os.stat_result, side: int) -> str:
    parts = (
        str(place.root.path), *place.names,
        *map(str, (facts.st_mtime_ns, facts.st_size, facts.st_ino, side)),
    )  # fmt: skip
    return hashlib.sha256(os.fsencode("\0".join(parts))).hexdigest()[:32]
