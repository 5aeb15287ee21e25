"""Pickles that no reader may believe."""

import struct
import zipfile
from io import BytesIO

NESTED = b"\x80\x02)" + b"\x86".join([b"2"] * 60) + b"\x86"

PICKLES = {
    "memory of a far index": b"\x80\x02}r\xff\xff\xff\xff.",
    "memories everywhere": b"\x80\x02}"
    + b"".join(b"r" + struct.pack("<I", 1 << n) for n in range(31)) + b".",
    "text of 8 EB": b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7f.",
    "text of 4 GB": b"X\xff\xff\xff\xff.",
    "bytes of 8 EB": b"\x80\x05\x96" + b"\xff" * 7 + b"\x7f.",
    "bytes of 4 GB": b"\x80\x03B\xff\xff\xff\xff.",
    "a negative length": b"T\xff\xff\xff\xff.",
    "a number of 2 GB": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "a number of a megabyte": b"\x80\x02\x8b" + struct.pack("<i", 1 << 20) + bytes(1 << 20) + b".",
    "a frame of 8 EB": b"\x80\x04\x95" + b"\xff" * 8 + b"}.",
    "a million lists": b"\x80\x02" + b"]" * 1_200_000 + b".",
    "a million sets": b"\x80\x04" + b"\x8f" * 1_200_000 + b".",
    "a million marks": b"(" * 1_200_000 + b".",
    "classes without end": b"\x80\x02" + b"ctorch\na\n" * 1_200_000 + b".",
    "a key that holds itself": b"\x80\x02}" + NESTED[2:] + b"Ns.",
    "a storage named by it": b"\x80\x02(X\x07\x00\x00\x00storage"
    + b"N" + NESTED[2:] + b"NK\x01tQ.",
    "a dictionary made again and again": b"\x80\x02ccollections\nOrderedDict\nq\x00(("
    + b"NN\x86" * 20_000 + b"l\x85q\x010" + b"h\x00h\x01R" * 300_000 + b".",
    "sizes without end": b"\x80\x02(" + b"K\x01" * 100_000 + b"tq\x00"
    + b"ctorch._utils\n_rebuild_tensor_v2\nq\x01" + b"(NK\x00h\x00h\x00tR" * 1000 + b".",
    "sizes beyond numbers": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NK\x00\x8a\x09" + bytes(8)
    + b"\x01\x85)tR.",
    "a function changed": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n"
    + b"N}(X\x0c\x00\x00\x00__defaults__)u\x86b.",
    "persistent nonsense": b"Pnonsense\n.",
    "an extension": b"\x80\x02\x82\x01.",
}  # fmt: skip


def zip_pickle(content: bytes, packed: int = zipfile.ZIP_STORED) -> bytes:
    """A zip as torch.save writes it."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", packed) as archive:
        archive.writestr("archive/data.pkl", content)
    return file.getvalue()
