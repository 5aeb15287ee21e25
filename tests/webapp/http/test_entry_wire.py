"""The bytes of entries, against messages that were written out by hand."""

import base64
import json

import pytest

from webapp.http.entry_wire import (
    encode_attributes,
    encode_frame,
    encode_json,
    encode_list,
    varint,
    with_length,
)
from webapp.queues.contracts.entries import Entry

ENTRY = Entry("r", b"\x00\xff", {"k": "é"}, message="m", index=300)
FRAME = b"\x08\xac\x02\x12\x07\x0a\x01k\x12\x02\xc3\xa9\x1a\x02\x00\xff\x22\x01m"


@pytest.mark.parametrize(
    ("number", "encoded"),
    [(0, b"\x00"), (127, b"\x7f"), (128, b"\x80\x01"), (2**64 - 1, b"\xff" * 9 + b"\x01")],
)
def test_numbers(number: int, encoded: bytes) -> None:
    assert varint(number) == encoded


def test_frame_list_and_attributes_have_the_vendor_s_field_numbers() -> None:
    assert encode_frame(ENTRY) == FRAME
    listed = b"\x0a" + bytes([len(FRAME)]) + FRAME + b"\x0a\x00"
    assert encode_list([ENTRY, Entry("r", b"")]) == listed
    assert encode_attributes({"a": "b"}) == b"\x0a\x06\x0a\x01a\x12\x01b"


def test_json_has_the_data_in_base64() -> None:
    (found,) = json.loads(encode_json([ENTRY]))
    assert base64.b64decode(found.pop("data")) == b"\x00\xff"
    assert found == {"index": 300, "message": "m", "tags": {"k": "é"}}


def test_length_stands_before_a_message_the_greatest_byte_first() -> None:
    assert with_length(b"abc") == b"\x00\x00\x00\x03abc"
