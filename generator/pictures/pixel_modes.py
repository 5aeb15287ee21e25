"""Converts every Pillow mode to 8 bits a channel: L, RGB or RGBA.

Pillow's own conversion cuts off what is larger than 255, so a grey picture of 16 bits turns white.
"""

from PIL import Image, ImageCms

EIGHT_BIT_MODES = ("L", "RGB", "RGBA")
BYTE = 255
TRANSPARENCY = "transparency"


def to_eight_bits(image: Image.Image) -> Image.Image:
    """``image`` as L, RGB or RGBA, the latter where it has any alpha; itself where it is so.

    16 bits are divided by 257. Of 32 bits white is 255, 65535 or the type's greatest number, and
    of floats 1, 255, 65535 or their greatest: the least that fits. What is negative or no number
    is black, infinity white. Raises what Pillow raises of damaged pictures.
    """
    image.load()
    if image.mode in EIGHT_BIT_MODES and TRANSPARENCY not in image.info:
        return image
    if image.mode.startswith(("I", "F")):
        from generator.pictures.deep_grey import scale_to_eight_bits  # numpy

        key = image.info.get(TRANSPARENCY)
        grey = scale_to_eight_bits(image, key if isinstance(key, int) else None)
        return _with_info_of(image, grey)
    if image.mode == "LAB":
        return _from_lab(image)
    if image.mode == "La":
        return image.convert("LA").convert("RGBA")
    if image.mode != "RGBA" and image.has_transparency_data:
        return _to_rgba(image)
    return image.convert("L" if image.mode == "1" else "RGB")


def _to_rgba(image: Image.Image) -> Image.Image:
    """RGBA; in a PNG of 16 bits the transparent colour has 16 bits too, the pixels 8 by now."""
    key = image.info.get(TRANSPARENCY)
    if isinstance(key, tuple) and max(key) > BYTE:
        image = image.copy()
        image.info[TRANSPARENCY] = tuple(part >> 8 for part in key)
    return image.convert("RGBA")


def _from_lab(image: Image.Image) -> Image.Image:
    lab, colours = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    try:
        converted = ImageCms.profileToProfile(image, lab, colours, outputMode="RGB")
    except ImageCms.PyCMSError as error:
        raise ValueError(str(error)) from error
    assert converted is not None  # only a conversion in place gives nothing
    return _with_info_of(image, converted)


def _with_info_of(image: Image.Image, plain: Image.Image) -> Image.Image:
    """``plain`` with what ``image`` tells of itself."""
    plain.info = {key: value for key, value in image.info.items() if key != TRANSPARENCY}
    return plain
