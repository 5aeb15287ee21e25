"""No pickle and no header makes its reader take memory or time beyond a bound."""

import bz2
import json
import pickle
import struct
import subprocess
import sys
import zipfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from generator.errors import ModelUnreadable
from generator.models.header import read_header
from generator.models.pickle_reader import BadPickle, PickleReader
from generator.models.pickles import LEGACY_TORCH
from tests.conftest import ROOT
from tests.generator.models.hostile_pickles import PICKLES, zip_pickle

MEMORY = 350 << 20  # bytes of addresses, an interpreter's own 60 among them
SECONDS = 20  # of a processor, for all of them together

GLOBAL = b"ctorch\nFloatStorage\nq\x00"
"""A tuple that holds another twice, and so on sixty times: hashing or printing it never ends."""


def lying(archive: bytes, size: int) -> bytes:
    """The zip with another size of its entry told in both records."""
    at = archive.index(b"PK\x01\x02")
    told = struct.pack("<I", size)
    return archive[:22] + told + archive[26 : at + 24] + told + archive[at + 28 :]


def long_index() -> bytes:
    """A zip whose last record says that its list of files takes most of a large file."""
    return bytes(64 << 20) + struct.pack("<4s4HIIH", b"PK\x05\x06", 0, 0, 9, 9, 64 << 20, 0, 0)


def safetensors(header: bytes, length: int | None = None, data: bytes = b"") -> bytes:
    """A file with this header."""
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def entries(*each: tuple[str, dict[str, object]]) -> bytes:
    """JSON of tensors, in which a name may come twice."""
    return ("{" + ",".join(f"{json.dumps(n)}:{json.dumps(e)}" for n, e in each) + "}").encode()


def floats(begin: int, end: int, *shape: int) -> dict[str, object]:
    """An entry."""
    return {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}


ONE = ("a", floats(0, 4, 1))
HEADERS = {
    "8 EB of header": safetensors(b"{}", (1 << 63) + 2),
    "more than there is": safetensors(b"{}", 1 << 20),
    "depth": safetensors(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "dictionaries": safetensors(b'{"a":[' + b"{}," * 12_000_000 + b"{}]}"),
    "a name twice": safetensors(entries(ONE, ONE), data=bytes(4)),
    "overlap": safetensors(entries(ONE, ("b", floats(2, 6, 1))), data=bytes(6)),
    "a hole": safetensors(entries(("a", floats(0, 4, 1)), ("b", floats(8, 12, 1))), data=bytes(12)),
    "negative": safetensors(entries(("a", floats(-4, 0, 1)))),
    "backwards": safetensors(entries(("a", floats(4, 0, 1))), data=bytes(4)),
    "another size": safetensors(entries(("a", floats(0, 4, 10**18))), data=bytes(4)),
    "overflowing size": safetensors(entries(("a", floats(0, 0, 1 << 40, 1 << 40))), data=b""),
    "a great number": safetensors(b'{"a":' + b"9" * 1_000_000 + b"}"),
    "not a number": safetensors(b'{"a":NaN}'),
    "an infinite one": safetensors(b'{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}}'),
    "surrogates in a name": safetensors(
        b'{"\\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', data=b"a"
    ),
    "no UTF-8": safetensors(b'{"\xc9\xf1":1}'),
    "nothing": b"",
}  # fmt: skip


def files(folder: Path) -> list[Path]:
    """Every bad file, written."""
    made = {f"{name} (zip).pt": zip_pickle(content) for name, content in PICKLES.items()}
    short = {name: content for name, content in PICKLES.items() if len(content) < 100_000}
    made |= {f"{name} (packed).pt": zip_pickle(short[name], zipfile.ZIP_DEFLATED) for name in short}
    made |= {f"{name} (legacy).pt": LEGACY_TORCH + content for name, content in short.items()}
    made |= {f"{name}.safetensors": content for name, content in HEADERS.items()}
    bomb = zip_pickle(b"\x80\x02" + b"]" * (64 << 20) + b".", zipfile.ZIP_DEFLATED)
    made |= {
        "bomb.pt": bomb,
        "bomb that lies.pt": lying(bomb, 100),
        "bomb of bz2.pt": lying(zip_pickle(b"]" * (32 << 20), zipfile.ZIP_BZIP2), 100),
        "long index.pt": long_index(),
        "rubbish.pt": bz2.compress(b"rubbish"),
    }
    for name, content in made.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in made]


READ = """
import resource, sys
from pathlib import Path
from generator.errors import ModelUnreadable
from generator.models.header import check_pickle, read_header
from generator.models.pickles import read_pickle
memory, seconds = map(int, sys.argv[1:3])
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
read = 0
for path in sorted(Path(sys.argv[3]).iterdir()):
    for reader in (read_header,) if path.suffix == ".safetensors" else (check_pickle, read_pickle):
        try:
            reader(path)
            read += 1
        except ModelUnreadable as error:
            assert not isinstance(error.__cause__, MemoryError), error
            assert len(str(error)) < 500, error
print(read)
"""


def test_bad_files_cost_neither_memory_nor_time(tmp_path: Path) -> None:
    assert len(files(tmp_path)) > 70
    told = subprocess.run(
        [sys.executable, "-c", READ, str(MEMORY), str(SECONDS), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert told.returncode == 0, told.stderr
    assert int(told.stdout) < 150


@pytest.mark.parametrize("name", sorted(set(HEADERS)))
def test_a_damaged_header_is_refused_with_a_reason(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(HEADERS[name])
    with pytest.raises(ModelUnreadable, match=r"a\.safetensors: .{10}"):
        read_header(path)


WORDS = st.text(st.characters(codec="utf-8"))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
    | WORDS | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(WORDS, inner),
    max_leaves=12,
)  # fmt: skip


@given(PLAIN, st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_plain_things_are_read_as_they_were_written(thing: object, protocol: int) -> None:
    text = pickle.dumps(thing, protocol)
    assume(protocol > 2 or (b"codecs" not in text and b"bytes" not in text))  # made by a call
    assert PickleReader(BytesIO(text)).load() == thing


def valid() -> bytes:
    """A small pickle with a tensor, as torch writes it."""
    return (
        b"\x80\x02}q\x00X\x01\x00\x00\x00wq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02(((X\x07\x00"
        b"\x00\x00storageq\x03ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x000q\x05X\x03\x00\x00\x00"
        b"cpuq\x06K\x04tq\x07QK\x00K\x02K\x02\x86q\x08K\x02K\x01\x86q\t\x89ccollections\n"
        b"OrderedDict\nq\n)Rq\x0btq\x0cRq\rs."
    )


@given(st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=6)), min_size=1, max_size=6))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_changed_pickle_is_read_or_refused(changes: list[tuple[int, bytes]]) -> None:
    text = bytearray(valid())
    for at, put in changes:
        text[at % len(text) : at % len(text) + len(put)] = put
    with suppress(BadPickle):
        PickleReader(BytesIO(bytes(text))).load()
