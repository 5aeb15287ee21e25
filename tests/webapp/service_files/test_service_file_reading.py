"""Service files as bytes: what is no JSON, or JSON that was made to do harm."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.webapp.service_files.samples import ASYNC, STANDARD, small, write
from webapp.service_files.document import read_document
from webapp.service_files.errors import BadServiceFile
from webapp.service_files.json_file import MAX_BYTES, read_json
from webapp.service_files.key_table import KEYS, KEYS_BY_SPELLING


@pytest.mark.parametrize(("name", "content"), [("standard", STANDARD), ("async", ASYNC)])
def test_the_samples_are_the_vendors(shared: Path, name: str, content: dict[str, Any]) -> None:
    assert read_json(shared / "reference" / f"service-{name}.json") == content


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "service.json"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(STANDARD).encode())
    assert read_json(file) == STANDARD


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "It is not JSON: line 1"),
        (b"metadata:\n  name: x\n", "It is not JSON: line 1"),
        (b'{"a": 1,}', "line 1, column 9"),
        (b'{\n // of ours\n "a": 1}', "no comments: line 2"),
        (b'{"a": 1} # end', "no comments: line 1"),
        (b"[]", "begins with {"),
        (b"3", "begins with {"),
        (b'{"a": "x\x00y"}', "It is not JSON: line 1"),
        (b'{"a": "x\\u0000y"}', r"'a': .*U\+0000"),
        (b'{"a": ["\\ud800"]}', r"'a\[0\]': .*U\+D800"),
        (b'{"a\\u001b[2J": 1}', r"U\+001B"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON that can be read"),
        (b'{"metadata": {"name": "a", "name": "b"}}', "'name' stands twice"),
        (b'\xff\xfe{\x00}\x00', "UTF-16"),
        (b'{"a": "\xe4"}', "byte 7 is 0xe4"),
        (b"[" * 10_000 + b"]" * 10_000, "nested more than 32 deep"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested more than 32 deep"),
        (b'{"a": "' + b"[" * 10_000 + b'"', "It is not JSON"),
        (b'{"a": [' + b"1," * 2000 + b"1]}", "a has 2001 parts"),
        (b" " * (MAX_BYTES + 1), "at most 1,048,576"),
    ],
    ids=lambda value: str(value[:20]),
)  # fmt: skip
def test_what_is_no_service_file_is_told(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "service.json"
    file.write_bytes(content)
    with pytest.raises(BadServiceFile, match=sentence):
        read_json(file)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "service.json"
    with file.open("wb") as sparse:
        sparse.truncate(100 << 20)
    with pytest.raises(BadServiceFile, match="104,857,600 bytes"):
        read_json(file)


def test_only_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "/dev/zero"):
        with pytest.raises(BadServiceFile, match="It is not a file"):
            read_json(tmp_path / name)
    with pytest.raises(BadServiceFile, match="No such file"):
        read_json(tmp_path / "none")
    with pytest.raises(BadServiceFile, match="cannot be read"):
        read_json(tmp_path / "a\0b")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"metadata": {"nmae": "x"}}, r"Unknown key 'metadata.nmae'. Did you mean metadata.name\?"),
        ({"contaners": []}, r"Unknown key 'contaners'. Did you mean containers\?"),
        ({"instance": 2}, r"Did you mean metadata.instance\?"),
        ({"storage": [{"oss": {"pth": "x"}}]}, r"'storage\[0\].oss.pth'. Did you mean .*oss.path"),
        ({"autoscaler": {"scale_strategies": []}}, r"Did you mean autoscaler.scaleStrategies\?"),
        ({"metadata": {"rpc.worker_thread": 1}}, r"Did you mean metadata.rpc.worker_threads\?"),
        ({"queue.max_delivry": 1}, r"Did you mean queue.max_delivery\?"),
        ({"zzz": 1}, "Unknown key 'zzz'. See docs/service-keys.md"),
        ({"": 1}, "Unknown key ''"),
        ({"containers[]": {}}, r"Unknown key 'containers\[\]'"),
        ({"metadata": 3}, "metadata is 3; an object is expected"),
        ({"metadata": [{"name": "x"}]}, "an object is expected"),
        ({"storage": {}}, "storage is an object; a list is expected"),
        ({"storage": "x"}, "storage is 'x'; a list of objects is expected"),
        ({"containers": ["x"]}, r"containers\[0\] is 'x'; an object is expected"),
        ({"metadata": {"name": 3}}, "metadata.name is 3; a text is expected"),
        ({"metadata": {"instance": "two"}}, "is 'two'; a whole number from 1 to 64"),
        ({"metadata": {"instance": True}}, "metadata.instance is True; a whole number"),
        ({"metadata": {"instance": 1.5}}, "metadata.instance is 1.5; a whole number"),
        ({"metadata": {"instance": 0}}, "metadata.instance is 0; a whole number from 1 to 64"),
        ({"metadata": {"enable_webservice": "yes"}}, "is 'yes'; true or false is expected"),
        ({"token": 5}, r"token is \(not shown\); a text is expected"),
        ({"queue": {"sink": {"memory_ratio": 2}}}, "a number from 0 to 1 is expected"),
        ({"rpc": {"worker_threads": 2}, "metadata": {"rpc.worker_threads": 1}},
         "rpc.worker_threads is 2, and metadata.rpc.worker_threads, which is the same, is 1"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_keys_that_do_not_fit_are_named(content: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadServiceFile, match=sentence):
        read_document(content)


def test_dotted_and_nested_spellings_are_the_same() -> None:
    dotted = {
        "metadata.name": "x", "metadata": {"rpc.worker_threads": 3, "enable_webservice": "true"},
        "queue.sink.max_length": 9, "meta": {"type": "Async"},
    }  # fmt: skip
    nested = {
        "name": "x", "rpc": {"worker_threads": 3},
        "metadata": {"type": "Async", "enable_webservice": True},
        "queue": {"sink": {"max_length": 9}},
    }  # fmt: skip
    found, other = read_document(dotted), read_document(nested)
    assert {key: given.value for key, given in found.values.items()} == {
        key: given.value for key, given in other.values.items()
    }
    assert found.get("metadata.name") == "x"


def test_names_that_are_the_vendors_own_may_hold_dots() -> None:
    features = {"eas.aliyun.com/gpu-driver-version": "470", "a": {"b.c": 1}}
    document = read_document({"features": features, "networking": {"nlb": [{"id": "x"}]}})
    assert {given.place: given.value for given in document.values.values()} == {
        "features.eas.aliyun.com/gpu-driver-version": "470",
        "features.a": {"b.c": 1},
        "networking.nlb": [{"id": "x"}],
    }


def test_every_key_of_the_table_is_read() -> None:
    """A value that fits stands under its name, from each of its spellings."""
    fitting = {"text": "x", "texts": ["x"], "integer": 1, "number": 1, "switch": True, "any": "x"}
    for spelling, key in KEYS_BY_SPELLING.items():
        value: Any = fitting[key.kind]
        for part in reversed(spelling.split(".")):
            value = {part.replace("[]", "").replace("*", "any"): [value] if "[]" in part else value}
        (given,) = read_document(value).values.values()
        assert given.key is key, spelling
    assert len({key.name for key in KEYS}) == len(KEYS)


def test_null_is_not_given(tmp_path: Path) -> None:
    document = read_document(read_json(write(tmp_path, small(queue=None, token=None))))
    assert [name for name, _ in document.values] == ["metadata.name", "containers[].script"]
