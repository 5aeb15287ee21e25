"""One picture in every kind of file that people send, made here."""

import struct
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageCms

SIDE = 48
STEPS = np.linspace(0, 255, SIDE * SIDE).round().astype(np.uint8).reshape(SIDE, SIDE)
RAMP = Image.fromarray(STEPS)
COLOURS = Image.merge("RGB", (RAMP, Image.fromarray(STEPS.T.copy()), Image.fromarray(255 - STEPS)))


def file(image: Image.Image, format: str, **how: Any) -> bytes:
    """``image`` as a file."""
    buffer = BytesIO()
    image.save(buffer, format, **how)
    return buffer.getvalue()


def numbers(kind: type, white: float) -> Image.Image:
    """The ramp in numbers of another kind, whose ``white`` is 255."""
    return Image.fromarray((STEPS * (white / 255)).astype(kind))


def in_lab(image: Image.Image) -> Image.Image:
    """``image`` in CIELAB."""
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    assert converted is not None
    return converted


def grey_tiff(samples: np.ndarray, photometric: int, order: str) -> bytes:
    """A plain TIFF of whole numbers; ``order`` is ">" (most significant byte first) or "<"."""
    data = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    height, width = samples.shape
    entries = (
        (256, width),
        (257, height),
        (258, 8 * samples.itemsize),
        (259, 1),
        (262, photometric),
        (273, 8),
    )
    entries += ((277, 1), (278, height), (279, len(data)))
    head = (b"MM" if order == ">" else b"II") + struct.pack(f"{order}HI", 42, 8 + len(data))
    listed = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in entries)
    return head + data + struct.pack(f"{order}H", len(entries)) + listed + bytes(4)


GREY: dict[str, bytes] = {
    "png-16": file(numbers(np.uint16, 65535), "PNG"),
    "tiff-16": file(numbers(np.uint16, 65535), "TIFF"),
    "tiff-16-big-endian": grey_tiff(STEPS.astype(np.uint16) * 257, 1, ">"),
    "tiff-16-white-is-zero": grey_tiff(65535 - STEPS.astype(np.uint16) * 257, 0, "<"),
    "pgm-16": b"P5 %d %d 65535\n" % (SIDE, SIDE) + (STEPS.astype(">u2") * 257).tobytes(),
    "tiff-32-of-bytes": file(numbers(np.int32, 255), "TIFF"),
    "tiff-32-of-words": file(numbers(np.int32, 65535), "TIFF"),
    "tiff-32": file(numbers(np.int32, 2**31 - 1), "TIFF"),
    "tiff-32-unsigned": grey_tiff(STEPS.astype(np.uint32) * 0x1010101, 1, "<"),
    "tiff-float": file(numbers(np.float32, 1), "TIFF"),
    "tiff-float-of-bytes": file(numbers(np.float32, 255), "TIFF"),
    "tiff-float-of-words": file(numbers(np.float32, 65535), "TIFF"),
    "tiff-la": file(Image.merge("LA", (RAMP, Image.new("L", RAMP.size, 255))), "TIFF"),
    "png-l": file(RAMP, "PNG"),
}
"""Each shows RAMP."""

COLOURED: dict[str, bytes] = {
    "jpeg-cmyk": file(COLOURS.convert("CMYK"), "JPEG", quality=100),
    "tiff-cmyk": file(COLOURS.convert("CMYK"), "TIFF"),
    "tiff-ycbcr": file(COLOURS.convert("YCbCr"), "TIFF"),
    "tiff-lab": file(in_lab(COLOURS), "TIFF"),
    "webp": file(COLOURS, "WEBP", lossless=True),
    "ppm": file(COLOURS, "PPM"),
    "avif": file(COLOURS, "AVIF", quality=100, subsampling="4:4:4"),
    "png-animated": file(COLOURS, "PNG", save_all=True, append_images=[RAMP.convert("RGB")]),
}
"""Each shows COLOURS, as exactly as its kind can."""

FEW = COLOURS.quantize(8)
TRANSPARENT: dict[str, bytes] = {
    "png-palette-bytes": file(FEW, "PNG", transparency=bytes([0, 128, 255])),
    "png-palette-index": file(FEW, "PNG", transparency=3),
    "png-la": file(Image.merge("LA", (RAMP, Image.fromarray(STEPS.T.copy()))), "PNG"),
    "png-colour": file(COLOURS, "PNG", transparency=COLOURS.getpixel((0, 0))),
    "png-16-grey": file(numbers(np.uint16, 65535), "PNG", transparency=0),
    "png-1": file(RAMP.convert("1"), "PNG", transparency=0),
    "gif": file(FEW, "GIF", transparency=3),
    "webp-rgba": file(Image.merge("RGBA", (*COLOURS.split(), RAMP)), "WEBP", lossless=True),
}
"""Each is transparent in places."""
