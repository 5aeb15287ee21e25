"""Entries on the wire: the protobuf messages of the vendor's clients, and JSON. No Flask.

The messages are written by hand, since the vendor's Python client pins an old protobuf that a
dependency of ours would fight. Proto3, field numbers as in its ``queueservice.proto``:

* DataFrame: index 1 (uint64), tags 2 (map of strings), data 3 (bytes), message 4 (string)
* DataFrameList: index 1 (repeated DataFrame); Attributes: attributes 1 (map of strings)
"""

import base64
import json
import struct
from collections.abc import Mapping, Sequence

from webapp.queues.contracts.entries import Entry

PROTOBUF = "application/vnd.google.protobuf"
JSON = "application/json"
VARINT, LENGTH_DELIMITED = 0, 2  # wire types


def varint(number: int) -> bytes:
    """A number of 0 or more in groups of seven bits, the least significant first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def field(number: int, value: bytes) -> bytes:
    """A field of bytes, of text in UTF-8, or of a message."""
    return varint(number << 3 | LENGTH_DELIMITED) + varint(len(value)) + value


def text_field(number: int, value: str) -> bytes:
    """A field of text; what is no text in UTF-8 becomes question marks."""
    return field(number, value.encode("utf-8", "replace"))


def map_fields(number: int, values: Mapping[str, str]) -> bytes:
    """A map of texts: for each pair a message of key and value."""
    pairs = (text_field(1, key) + text_field(2, value) for key, value in values.items())
    return b"".join(field(number, pair) for pair in pairs)


def encode_frame(entry: Entry) -> bytes:
    """A DataFrame. Fields that are empty are left out, as proto3 has it."""
    index = varint(1 << 3 | VARINT) + varint(entry.index) if entry.index else b""
    data = field(3, entry.data) if entry.data else b""
    message = text_field(4, entry.message) if entry.message else b""
    return index + map_fields(2, entry.tags) + data + message


def encode_list(entries: Sequence[Entry]) -> bytes:
    """A DataFrameList."""
    return b"".join(field(1, encode_frame(entry)) for entry in entries)


def encode_attributes(attributes: Mapping[str, str]) -> bytes:
    """Attributes."""
    return map_fields(1, attributes)


def frame_json(entry: Entry) -> dict[str, object]:
    """An entry for clients that read JSON; its data is in base64."""
    return {
        "index": entry.index,
        "message": entry.message,
        "tags": dict(entry.tags),
        "data": base64.b64encode(entry.data).decode("ascii"),
    }


def encode_json(entries: Sequence[Entry]) -> bytes:
    """Entries as a JSON array."""
    return json.dumps([frame_json(entry) for entry in entries]).encode()


def encode_streamed(entry: Entry, content_type: str) -> bytes:
    """One entry of a watch, in the client's encoding."""
    if content_type == JSON:
        return json.dumps(frame_json(entry)).encode()
    return encode_frame(entry)


def with_length(message: bytes) -> bytes:
    """A message of a watch over plain HTTP: 4 bytes of length, the greatest first, before it."""
    return struct.pack(">I", len(message)) + message
