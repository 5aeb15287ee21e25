"""Comments in EXIF, in the encodings that pictures of others have."""

from PIL import ExifTags, Image

from tests.generator.pictures.sample_pictures import COLOURS, file

TEXT = "a café, 猫 🐈\nNegative prompt: dog\nSteps: 7, Sampler: Euler a, CFG scale: 5, Seed: 42"

ASCII = TEXT.encode("ascii", "ignore").decode()

JAPANESE = TEXT.replace("é", "e").replace(" 🐈", "")

UNICODE, UNMARKED = b"UNICODE\0", bytes(8)

COMMENTS = {
    "ascii": (b"ASCII\0\0\0" + ASCII.encode(), ASCII),
    "ascii-that-is-utf-8": (b"ASCII\0\0\0" + TEXT.encode() + b"\0", TEXT),
    "unicode-be": (UNICODE + TEXT.encode("utf-16-be"), TEXT),
    "unicode-le": (UNICODE + TEXT.encode("utf-16-le"), TEXT),
    "unicode-be-mark": (UNICODE + b"\xfe\xff" + TEXT.encode("utf-16-be"), TEXT),
    "unicode-le-mark": (UNICODE + b"\xff\xfe" + TEXT.encode("utf-16-le"), TEXT),
    "unicode-that-is-utf-8": (UNICODE + TEXT.encode(), TEXT),
    "unicode-lower": (b"Unicode\0" + TEXT.encode("utf-16-be") + bytes(4), TEXT),
    "unicode-chinese": (UNICODE + "一只猫和一只狐狸".encode("utf-16-be"), "一只猫和一只狐狸"),
    "jis": (b"JIS\0\0\0\0\0" + JAPANESE.encode("iso2022_jp"), JAPANESE),
    "jis-shifted": (b"JIS\0\0\0\0\0" + JAPANESE.encode("shift_jis"), JAPANESE),
    "undefined-utf-8": (UNMARKED + TEXT.encode(), TEXT),
    "undefined-utf-16": (UNMARKED + TEXT.encode("utf-16-le"), TEXT),
    "bare-utf-8": (TEXT.encode(), TEXT),
    "bare-latin-1": ("un café".encode("latin-1"), "un café"),
    "blank": (b"ASCII\0\0\0" + b" " * 40, ""),
}


def with_comment(comment: bytes | str, format: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    return file(COLOURS, format, exif=exif.tobytes())
