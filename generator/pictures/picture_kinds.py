"""Names unsupported picture formats by their first bytes, for error messages."""

BOXED = 4  # where an ISO media file says "ftyp", before its brand
BRANDS = (
    ((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"), "a HEIC picture"),
    ((b"avif", b"avis"), "a damaged AVIF"),
    ((b"crx ",), "a camera's raw picture"),
)
KINDS = (
    ((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"), "a JPEG XL picture"),
    ((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"), "a JPEG 2000 picture"),
    ((b"8BPS",), "a Photoshop document"),
    ((b"gimp xcf",), "a GIMP document"),
    ((b"%PDF",), "a PDF document"),
    ((b"%!PS", b"\xc5\xd0\xd3\xc6"), "a PostScript file"),
    ((b"\x76\x2f\x31\x01",), "an OpenEXR picture"),
    ((b"#?RADIANCE", b"#?RGBE"), "a Radiance picture"),
    ((b"DDS ",), "a DDS texture"),
    ((b"qoif",), "a QOI picture"),
    ((b"\0\0\1\0", b"\0\0\2\0"), "an icon"),
    ((b"PK\3\4",), "a zip archive"),
    ((b"\x1aE\xdf\xa3",), "a video"),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "a TIFF of an unusual layout"),
    ((b"\x89PNG",), "a damaged PNG"),
    ((b"\xff\xd8\xff",), "a damaged JPEG"),
    ((b"GIF8",), "a damaged GIF"),
    ((b"BM",), "a damaged BMP"),
)
HEAD = 512  # bytes in which an SVG names itself


def kind_of(data: bytes) -> str:
    """The kind of a file with its article, such as "a HEIC picture"; "" for an unknown one."""
    if data[BOXED : BOXED + 4] == b"ftyp":
        brand = data[8:12]
        return next((kind for brands, kind in BRANDS if brand in brands), "a video")
    if data.startswith(b"RIFF"):
        return "a damaged WebP" if data[8:12] == b"WEBP" else "a sound or a video"
    if b"<svg" in data[:HEAD].lower():
        return "an SVG drawing"
    return next((kind for marks, kind in KINDS if data.startswith(marks)), "")
