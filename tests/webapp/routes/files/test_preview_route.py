"""``GET /api/files/preview``: what is inside pictures, weights and texts, hostile ones included."""

import json
import struct
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from generator.pictures.picture_files import encode_picture
from tests.generator.pictures.exif_comments import COMMENTS, with_comment
from tests.wait import TIMEOUT, assert_quick

INFOTEXT = (
    "a cat <lora:brush:1>\nNegative prompt: dogs\nSteps: 20, Sampler: Euler a, CFG scale: 7, "
    "Seed: 7, Size: 64x32, Model: painter, Version: v1.10.1"
)
SCRIPT = "<script>alert(1)</script>"


def ask(house: Any, path: str, **query: Any) -> Any:
    answer = house.client().get("/api/files/preview", query_string={"path": path, **query})
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def put(house: Any, name: str, data: bytes) -> str:
    path: Path = house.data_dir / "outputs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return f"/data/outputs/{name}"


def weights(header: bytes, body: int = 0) -> bytes:
    return struct.pack("<Q", len(header)) + header + bytes(body)


def tensors(count: int, metadata: dict[str, str] | None = None) -> bytes:
    header: dict[str, Any] = {"__metadata__": metadata or {}}
    for i in range(count):
        header[f"lora_unet_block_{i}.lora_down.weight"] = {
            "dtype": "F16", "shape": [2, 4], "data_offsets": [16 * i, 16 * i + 16],
        }  # fmt: skip
    return weights(json.dumps(header).encode(), 16 * count)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_picture_tells_how_it_was_made_and_with_which_model_here(house: Any, suffix: str) -> None:
    path = put(house, f"a.{suffix}", encode_picture(Image.new("RGB", (64, 32)), suffix, INFOTEXT))
    told = ask(house, path)
    picture = told["picture"]
    assert (told["kind"], told["type"]) == ("image", f"image/{suffix.replace('jpg', 'jpeg')}")
    assert (picture["width"], picture["height"]) == (64, 32)
    assert picture["infotext"] == INFOTEXT
    assert picture["parameters"]["Prompt"] == "a cat <lora:brush:1>"
    assert picture["parameters"]["Size-1"] == "64"
    assert picture["made"] == {
        "prompt": "a cat <lora:brush:1>",
        "negative": "dogs",
        "model": "painter",
        "model_hash": "",
        "loras": ["brush"],
        "sampler": "Euler a",
        "seed": 7,
    }
    assert picture["checkpoint"]["name"] == "painter.safetensors"


@pytest.mark.parametrize("kind", ["ascii", "unicode-le", "jis", "bare-utf-8", "undefined-utf-16"])
def test_comments_of_every_kind_are_told_and_found(house: Any, kind: str) -> None:
    comment, text = COMMENTS[kind]
    told = ask(house, put(house, "a.jpg", with_comment(comment)))["picture"]
    assert told["infotext"] == text
    assert told["made"]["prompt"] == text.partition("\n")[0].strip()
    assert told["made"]["seed"] == 42


def test_a_picture_may_tell_nothing(house: Any) -> None:
    path = put(house, "a.png", encode_picture(Image.new("RGB", (8, 8)), "png"))
    picture = ask(house, path)["picture"]
    assert (picture["infotext"], picture["made"], picture["checkpoint"]) == ("", None, None)


def test_texts_of_pictures_are_handed_on_as_they_are(house: Any) -> None:
    path = put(house, "a.png", encode_picture(Image.new("RGB", (8, 8)), "png", SCRIPT + INFOTEXT))
    answer = house.client().get("/api/files/preview", query_string={"path": path})
    assert answer.content_type == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.get_json()["picture"]["infotext"].startswith(SCRIPT)


def test_halves_of_characters_break_no_answer(house: Any) -> None:
    half = INFOTEXT.replace("painter", '"pain\\ud800ter"')
    picture = put(house, "a.png", encode_picture(Image.new("RGB", (8, 8)), "png", half))
    assert ask(house, picture)["picture"]["made"]["model"].startswith("pain")
    path = put(house, "a.safetensors", tensors(1, {"note": "\ud800"}))
    assert ask(house, path)["weights"]["metadata"] == {"note": "\ud800"}
    filing = house.app.extensions["easel.services"].filing
    filing.index.start()
    assert filing.index.wait_until_idle(TIMEOUT)
    answer = house.client().get("/api/files/search?q=model:pain").get_json()
    assert [entry["model"] for entry in answer["entries"]] == ["pain?ter"]


def test_weights_tell_architecture_words_and_tensors_by_page(house: Any) -> None:
    frequency = {"10_ink": {"ink style": 12, " ink style ": 3, "tree": 4}, "5_x": {"tree": 1}}
    metadata = {
        "ss_tag_frequency": json.dumps(frequency),
        "modelspec.trigger_phrase": "ink style, drawn",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "long": "x" * 50_000,
        "note": SCRIPT,
    }
    path = put(house, "a.safetensors", tensors(30, metadata))
    told = ask(house, path)["weights"]
    assert told["model"] == "lora"
    assert told["architecture"] == "stable-diffusion-v1"
    assert (told["count"], told["parameters"], told["dtypes"]) == (30, 240, ["F16"])
    assert told["words"][:3] == [
        {"word": "ink style", "count": 15},
        {"word": "drawn", "count": 0},
        {"word": "tree", "count": 5},
    ]
    assert told["metadata"]["note"] == SCRIPT
    assert len(told["metadata"]["long"]) < 11_000
    assert "ss_tag_frequency" not in told["metadata"]
    page = ask(house, path, offset=10, limit=5)["weights"]["tensors"]
    assert [each["name"].split("_")[3].split(".")[0] for each in page] == [*map(str, range(10, 15))]
    assert page[0]["shape"] == [2, 4]
    one = ask(house, path, tensor="BLOCK_29.")["weights"]
    assert (one["matching"], len(one["tensors"])) == (1, 1)


DEEP = b'{"a":' * 200_000 + b"1" + b"}" * 200_000
HOSTILE = {
    "length of 2^63": struct.pack("<Q", 2**63) + b"{}",
    "90 MB of header": struct.pack("<Q", 90_000_000) + b"{" + bytes(1000),
    "deep": weights(DEEP),
    "not JSON": weights(b"{" + b"x" * 1000),
    "twice": weights(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{}}', 1),
    "NaN": weights(b'{"__metadata__":{},"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,1]}}', 1),
    "overlap": weights(
        b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},'
        b'"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}',
        6,
    ),
    "metadata of numbers": weights(b'{"__metadata__":{"a":1}}'),
    "a million tensors": weights(
        b"{" + b",".join(b'"%d":{"data_offsets":[0,0]}' % i for i in range(200_000)) + b"}"
    ),
    "pickle": b"\x80\x04cos\nsystem\n(S'touch /tmp/x'\ntR.",
    "nothing": b"",
    "cut": tensors(3)[:-1],
}


def test_a_hostile_header_is_told_as_a_problem_at_once(house: Any) -> None:
    for name, content in HOSTILE.items():
        path = put(house, "evil.safetensors", content)
        told = assert_quick(partial(ask, house, path), 3)
        assert "weights" not in told, name
        assert told["problem"], name


NO_TAGS = ("[" * 100_000, "[1]", '{"a": [1]}', '{"a": {"b": 1e999, "c": "x", "d": -1, "e": true}}')


def test_tags_that_are_none_are_left_out(house: Any) -> None:
    for frequency in NO_TAGS:
        path = put(house, "a.safetensors", tensors(1, {"ss_tag_frequency": frequency}))
        assert ask(house, path)["weights"]["words"] == []


@pytest.mark.parametrize("suffix", ["ckpt", "pt", "pth", "bin"])
def test_pickles_are_never_opened(house: Any, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(house, f"a.{suffix}", b"\x80\x04cos\nsystem\n")
    reads: list[object] = []
    monkeypatch.setattr("os.pread", lambda *_: reads.append(1))
    told = ask(house, path)
    assert "never opened" in told["problem"]
    assert not reads


TEXTS = [
    ("ünïcode 中文".encode(), "utf-8", "ünïcode 中文"),
    ("中文".encode("utf-8-sig"), "utf-8", "中文"),
    ("中文".encode("utf-16"), "utf-16", "中文"),
    ("提示词 一个女孩".encode("gb18030"), "gb18030", "提示词 一个女孩"),
    ("café au lait".encode("latin-1"), "latin-1", "café au lait"),
    (b"", "utf-8", ""),
]


def test_texts_in_their_encodings(house: Any) -> None:
    for data, encoding, content in TEXTS:
        told = ask(house, put(house, "note.txt", data))["text"]
        assert told == {"content": content, "encoding": encoding, "complete": True}


def test_of_a_long_text_the_first_mebibyte(house: Any) -> None:
    path = put(house, "long.md", ("x" + "中" * 500_000).encode())
    told = ask(house, path)["text"]
    assert not told["complete"]
    assert told["encoding"] == "utf-8"
    assert 2**20 - 3 <= len(told["content"].encode()) <= 2**20


def test_binary_is_no_text(house: Any) -> None:
    told = ask(house, put(house, "note.txt", b"a\0b"))
    assert "no text" in told["problem"]


def test_others_tell_their_type(house: Any) -> None:
    put(house, "film.mp4", b"x")
    put(house, "book.pdf", b"%PDF-1.7")
    assert ask(house, "/data/outputs/film.mp4")["type"] == "video/mp4"
    assert ask(house, "/data/outputs/book.pdf")["type"] == "application/pdf"
    assert ask(house, "/data/outputs")["kind"] == "folder"
    assert ask(house, "/data")["kind"] == "folder"


def test_a_picture_too_large_to_open_says_so(house: Any) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header + crc
    png += struct.pack(">I", 10) + b"IDAT" + bytes(10)
    assert "pixels" in ask(house, put(house, "a.png", png))["problem"]


def test_what_is_not_there_has_no_preview(house: Any) -> None:
    for path, status in (
        ("/data/no.txt", 404),
        ("/data/.easel/token", 404),
        ("/data/../x", 400),
        ("/etc", 404),
    ):
        answer = house.client().get("/api/files/preview", query_string={"path": path})
        assert answer.status_code == status


def test_links_are_not_followed(house: Any, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (house.data_dir / "link.txt").symlink_to(tmp_path / "secret.txt")
    answer = house.client().get("/api/files/preview?path=/data/link.txt")
    assert answer.status_code == 404
