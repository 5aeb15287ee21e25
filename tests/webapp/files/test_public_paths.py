"""What callers are told names files as they know them, and quotes no exception of Python's."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from generator.errors import ModelUnreadable
from generator.reasons import logged_cause, reason_of
from tests.webapp.conftest import configuration
from webapp.files.public_paths import CODE_FOLDER, PublicPaths

OF_PYTHON = re.compile(
    r"Error|Errno|Exception|Traceback|object at 0x|<class|NoneType|codec|not enough values"
    r"|invalid literal|Expecting|out of range|cannot identify|BytesIO"
)


def test_paths_below_known_folders_are_named_as_callers_know_them(tmp_path: Path) -> None:
    data, loras, tree = tmp_path / "da ta", tmp_path / "loras", tmp_path / "tree"
    config = configuration(data, lora_dirs=(loras,), browse_roots=(("pics", tree, True),))
    shown = PublicPaths(config).rewrite
    assert shown(f"no {data}/models/x.pt: {data}") == "no models/x.pt: the data directory"
    assert shown(f"{loras}/a.pt, {tree}/b, {CODE_FOLDER}/webapp/x.py") == (
        f"loras/a.pt, tree/b, {CODE_FOLDER.name}/webapp/x.py"
    )
    assert shown(f"{data}2/x and /data/outputs/x") == f"{data}2/x and /data/outputs/x"


def test_a_tree_of_callers_keeps_its_name() -> None:
    assert PublicPaths(configuration(Path("/data"))).rewrite("/data/outputs/x") == "/data/outputs/x"


@pytest.mark.parametrize("path", ["models/Lora/ä ö.safetensors", "outputs/猫.png"])
def test_an_error_from_anywhere_names_no_path_of_the_server(build: Any, path: str) -> None:
    house = build()

    def fail(_: Any) -> None:
        raise ModelUnreadable(f"{house.data_dir}/{path} cannot be read: '{house.data_dir}'")

    house.draw = fail
    answer = house.txt2img({"prompt": "a"})
    assert answer.status_code == 422
    assert answer.get_json()["detail"] == f"{path} cannot be read: 'the data directory'"
    assert str(house.data_dir) not in answer.text


def test_webdav_tells_no_exception(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    house = build(working=False)
    (house.data_dir / "work").mkdir()

    def fail(*_: Any) -> None:
        raise RuntimeError(f"{house.data_dir} of no use")

    monkeypatch.setattr("filebrowser.dav.propfind.FolderMembers.iter_entries", fail)
    for _ in range(9):  # more than a caller may list at once: none is kept
        answer = house.client().open("/dav/data/work", method="PROPFIND", headers={"Depth": "1"})
        assert answer.status_code == 500
        assert not OF_PYTHON.search(answer.text)
        assert str(house.data_dir) not in answer.text


BROKEN_PICTURES = {
    "none": b"no picture",
    "head": b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
    "gif": b"GIF89a" + b"\xff" * 30,
    "jpeg": b"\xff\xd8\xff\xe0" + b"\0" * 20,
    "webp": b"RIFF\x10\0\0\0WEBPVP8 " + b"\1" * 20,
    "bmp": b"BM" + b"\xff" * 60,
}


@pytest.mark.parametrize("name", BROKEN_PICTURES)
def test_a_broken_picture_is_refused_in_our_words(build: Any, name: str) -> None:
    client = build(working=False).client()
    text = base64.b64encode(BROKEN_PICTURES[name]).decode()
    for path, body in {
        "/sdapi/v1/img2img": {"init_images": [text]},
        "/sdapi/v1/extra-single-image": {"image": text},
        "/sdapi/v1/interrogate": {"image": text},
        "/controlnet/detect": {"controlnet_input_images": [text], "controlnet_module": "canny"},
    }.items():
        answer = client.post(path, json=body)
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert not OF_PYTHON.search(answer.get_json()["detail"]), answer.text


def test_a_broken_plugin_archive_is_refused_in_our_words(build: Any) -> None:
    client = build(working=False).client()
    for data in (b"no zip", b"PK\x05\x06" + b"\xff" * 18, b"PK\3\4" + b"\0" * 60):
        answer = client.post("/api/plugins/install", data=data)
        assert answer.status_code == 422
        assert not OF_PYTHON.search(answer.get_json()["detail"]), answer.text


def test_reasons() -> None:
    broken = (
        KeyError("/srv/x"),
        RuntimeError("Error(s) in loading state_dict for AutoencoderKL"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        FileNotFoundError(2, "No such file or directory", "/srv/data/x"),
        OSError("image file is truncated (3 bytes not processed)"),
        ValueError("invalid literal for int() with base 10"),
        EOFError(),
    )
    for error in broken:
        assert not OF_PYTHON.search(reason_of(error))
        assert "/srv" not in reason_of(error)
    assert reason_of(ValueError("it is no tensor."), own=(ValueError,)) == "it is no tensor"
    told = ModelUnreadable("x")
    assert logged_cause(told) == ""
    told.__cause__ = broken[0]
    assert "KeyError: '/srv/x'" in logged_cause(told)
