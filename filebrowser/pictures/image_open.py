"""Opens untrusted pictures within limits of pixels, bytes and time.

Pillow decodes what its header tells, so the header is judged before anything is decoded. Formats
that start programs are left out. Source: reference checklist 51.
"""

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from PIL import Image

from filebrowser.errors import NoPicture, TooMuch
from filebrowser.pictures.decoded_size import decoded_bytes
from filebrowser.pictures.memory_budget import MemoryBudget

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
MAX_PIXELS = 80_000_000  # of one frame: 320 MB while it is decoded with its transparency
MAX_FILE_BYTES = 400_000_000  # of the file
MAX_SCANS = 200  # of a progressive JPEG, each of which goes over all pixels; usual are 10
PIECE = 2**20  # bytes read at once
DECODE_BUDGET = 512 * 2**20  # bytes of decoded pictures at once, where nobody says otherwise
START_OF_SCAN = b"\xff\xda"

DAMAGED_PICTURE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    OverflowError,
    AttributeError,
    RuntimeError,  # of AVIF; and RecursionError
    struct.error,
    zlib.error,
)
"""What Pillow raises of a damaged file."""


@contextmanager
def open_image(
    file: int, memory: MemoryBudget | None = None, *, patiently: bool = False
) -> Iterator[Image.Image]:
    """The picture in the open file; its header is read, nothing is decoded yet.

    ``memory`` counts the file's bytes while the header is read, as some formats read all of them;
    :class:`Overloaded` where it has none left, ``patiently`` waits for them. The descriptor stays
    open, and the caller's. What Pillow raises inside the block becomes :class:`NoPicture`, what is
    too large :class:`TooMuch`.
    """
    facts = os.fstat(file)
    size = facts.st_size
    if not stat.S_ISREG(facts.st_mode):
        raise NoPicture("A folder has no picture of its own.")
    if size > MAX_FILE_BYTES:
        raise TooMuch(f"The picture has {size:,} bytes, at most {MAX_FILE_BYTES:,} are read.")
    try:
        with os.fdopen(os.dup(file), "rb") as stream:
            stream.seek(0)
            with memory.hold(size, patiently=patiently) if memory else nullcontext():
                image = Image.open(stream, formats=FORMATS)
            with image:
                yield image
    except (Image.DecompressionBombError, MemoryError):
        raise TooMuch(f"The picture has more than {MAX_PIXELS:,} pixels.") from None
    except DAMAGED_PICTURE_ERRORS as error:
        raise NoPicture(f"This is no picture that can be read: {_reason(error)}.") from None


@contextmanager
def reserve_decoding(image: Image.Image, memory: MemoryBudget, copies: int = 0) -> Iterator[None]:
    """Have the memory that decoding takes, with ``copies`` of the picture in RGB or RGBA.

    Raises :class:`TooMuch` where there never is as much, :class:`Overloaded` where not
    now.
    """
    needed = decoded_bytes(image, copies)
    if needed > memory.limit:
        raise TooMuch(
            f"Decoded, a {image.format} of {image.width} x {image.height} pixels takes "
            f"{needed >> 20:,} MiB of memory; at most {memory.limit >> 20:,} MiB are spent."
        )
    with memory.hold(needed):
        try:
            yield
        finally:
            image.close()  # whoever holds the object holds no pixels any more


def check_decodable(image: Image.Image, file: int) -> None:
    """See that decoding takes little memory and time. Raises :class:`TooMuch`."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise TooMuch(f"The picture has {width} x {height} pixels, at most {MAX_PIXELS:,} are.")
    if image.format in ("JPEG", "MPO") and _count_scans(file) > MAX_SCANS:
        raise TooMuch(f"The picture is drawn in more than {MAX_SCANS} passes.")


def _count_scans(file: int) -> int:
    """How many passes a JPEG has; inside coded data the mark cannot occur."""
    count, offset, tail = 0, 0, b""
    while count <= MAX_SCANS and (piece := os.pread(file, PIECE, offset)):
        count += (tail + piece).count(START_OF_SCAN)
        offset, tail = offset + len(piece), piece[-1:]
    return count


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and "identify" in str(error):
        return f"it is none of {', '.join(FORMATS)}"
    if isinstance(error, EOFError) or "truncated" in str(error):
        return "it is truncated"
    return "it is damaged"
