"""Bad files of every kind in every folder: each costs itself alone, and tells its reason."""

import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import save_file

from generator.models.kinds import FOLDERS_BY_KIND
from tests.generator.models.hostile_pickles import PICKLES, zip_pickle
from tests.wait import TIMEOUT, wait_until
from tests.webapp.routes.bad_model_files import BAD, EMBEDDINGS
from tests.webapp.web_process import WebProcess

FOLDERS = tuple(folder for shelf in FOLDERS_BY_KIND.values() for folder in shelf.created)
NOT_UTF8 = b"\xc9\xf1bad.safetensors"
MEMORY = 300 << 20  # bytes that the web process takes for all of it, its own 120 among them
LISTS = (
    "/sdapi/v1/sd-models", "/sdapi/v1/sd-vae", "/sdapi/v1/loras", "/sdapi/v1/hypernetworks",
    "/sdapi/v1/embeddings", "/sdapi/v1/upscalers", "/sdapi/v1/realesrgan-models",
    "/sdapi/v1/prompt-styles", "/sdapi/v1/scripts", "/sdapi/v1/script-info",
    "/sdapi/v1/extensions", "/sdapi/v1/options", "/sdapi/v1/extra-networks",
    "/controlnet/model_list", "/controlnet/module_list", "/internal/sysinfo",
    "/internal/broken-models", "/api/resources/data/models/Lora", "/api/resources/data/embeddings",
    "/openapi.json", "/config",
)  # fmt: skip
"""Routes that look at what lies in the folders."""


SIDES = (".json", ".yaml", ".txt", ".png", ".preview.png")


def fill(folder: Path) -> None:
    """Everything bad that a folder of models may hold, and one good file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in BAD.items():
        (folder / f"{name}.safetensors").write_bytes(content)
    for name in (NOT_UTF8, b"line\nfeed.safetensors", b"\xc9.pt", b"\xff\xfe.txt"):
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(b"x")
    os.mkdir(os.path.join(os.fsencode(folder), b"folder\xff"))
    (folder / "folder.safetensors").mkdir()
    (folder / "dangling.safetensors").symlink_to("nowhere")
    (folder / "loop.safetensors").symlink_to("loop.safetensors")
    (folder / "loop").symlink_to("loop")
    (folder / "device.safetensors").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.safetensors")
    os.mkfifo(folder / "pipe.pt")
    save_file({"w": torch.zeros(1, 4)}, folder / "good.safetensors")
    for side in SIDES:
        os.mkfifo(folder / f"good{side}")
        (folder / f"rubbish{side}").write_bytes(b"\xff\xfe\x00" * 9)
        (folder / f"empty{side}").mkdir()


def get(service: WebProcess, path: str) -> tuple[int, bytes]:
    """Status and body; a route that waits for a pipe never answers."""
    try:
        with urllib.request.urlopen(service.url + path, timeout=TIMEOUT) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def post(service: WebProcess, path: str, body: object) -> bytes:
    """The body of an answer that is 200."""
    asked = urllib.request.Request(
        service.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=TIMEOUT) as answer:
        found: bytes = answer.read()
    return found


def list_json(service: WebProcess, path: str) -> object:
    """What a route lists, as strict JSON."""
    status, body = get(service, path)
    assert status == 200, (path, status, body[:300])

    def refuse(text: str) -> object:
        raise AssertionError(f"{path}: {text} is no JSON")

    return json.loads(body.decode("utf-8"), parse_constant=refuse)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """A service over folders full of bad files, which watches and hashes them."""
    data = tmp_path_factory.mktemp("data")
    for folder in (*FOLDERS, "extensions", "outputs"):
        fill(data / folder)
    shutil.rmtree(data / "models/taggers")
    (data / "models/taggers").symlink_to("taggers")
    shutil.rmtree(data / "models/Codeformer")
    (data / "models/Codeformer").write_text("no folder")
    for name, content in EMBEDDINGS.items():
        (data / "embeddings" / f"{name}.safetensors").write_bytes(content)
    (data / "models/BeautifulPrompt/model").mkdir()
    (data / "models/BeautifulPrompt/model/config.json").write_bytes(b"[" * 100_000)
    (data / "extensions/piped").mkdir()
    os.mkfifo(data / "extensions/piped/easel-plugin.toml")
    (data / "styles.csv").write_bytes(b"name;prompt;negative_prompt\nblau;k\xfchl;\n")
    process = WebProcess(data, ("--watch=inotify",), usual=())
    process.start()
    yield process
    process.stop()


@pytest.mark.parametrize("path", LISTS)
def test_every_list_answers(service: WebProcess, path: str) -> None:
    list_json(service, path)


def test_a_bad_file_is_out_and_tells_its_reason(service: WebProcess) -> None:
    told = {one["file"]: one["reason"] for one in list_json(service, "/internal/broken-models")}  # type: ignore[attr-defined]
    names = ("header-only", "no-numbers", "cut", "surrogates", "rubbish", "empty", "folder", "pipe")
    for folder in ("models/Lora", "embeddings", "models/Stable-diffusion", "models/VAE"):
        for name in (*names, "dangling", "loop", "device", "\ufffd\ufffdbad", "line\ufffdfeed"):
            assert len(told[f"{folder}/{name}.safetensors"]) > 15
    for name in EMBEDDINGS.keys() - {" "}:
        assert f"embeddings/{name}.safetensors" in told
    assert not any("/models/" in reason for reason in told.values())
    assert told["models/taggers"]
    assert told["models/Codeformer"]
    assert "not UTF-8" in told["models/Lora/\ufffd\ufffdbad.safetensors"]


def test_the_good_ones_are_in_the_lists(service: WebProcess) -> None:
    loras = {one["name"]: one for one in list_json(service, "/sdapi/v1/loras")}  # type: ignore[attr-defined]
    assert set(loras) == {"good", "surrogate-inside", "deep-inside"}
    assert isinstance(loras["deep-inside"]["metadata"]["a"], str)
    words = list_json(service, "/sdapi/v1/embeddings")
    assert isinstance(words, dict)
    assert words["loaded"].keys() | words["skipped"].keys() == {
        "good", " ", "surrogate-inside", "deep-inside",
    }  # fmt: skip
    assert {"name": "blau", "prompt": "kühl", "negative_prompt": ""} in list_json(  # type: ignore[operator]
        service, "/sdapi/v1/prompt-styles"
    )


def test_a_word_without_tokens_does_not_hang_the_counter(service: WebProcess) -> None:
    assert json.loads(post(service, "/internal/token-count", {"prompt": "a cat"}))["count"] == 2


def test_folders_are_told_over_webdav_and_packed(service: WebProcess) -> None:
    for folder in ("models/Lora", "outputs"):
        asked = urllib.request.Request(f"{service.url}/dav/data/{folder}/", method="PROPFIND")
        asked.add_header("Depth", "1")
        with urllib.request.urlopen(asked, timeout=TIMEOUT) as answer:
            assert answer.status == 207
            assert b"good.safetensors" in answer.read()
    status, body = get(service, "/api/files/archive?path=/data/models/Lora")
    assert status == 200
    assert b"good.safetensors" in body


def test_what_comes_later_is_seen_and_hashed(service: WebProcess) -> None:
    folder = service.data_dir / "models/Lora"
    for number in range(3):
        name = os.path.join(os.fsencode(folder), b"later\xff%d.safetensors" % number)
        Path(os.fsdecode(name)).write_bytes(b"x")
    save_file({"w": torch.ones(2)}, folder / "later.safetensors")
    save_file({"w": torch.ones(3)}, service.data_dir / "models/Stable-diffusion/later.safetensors")

    def names() -> bool:
        files = list_json(service, "/sdapi/v1/sd-models")
        assert isinstance(files, list)
        hashed = any(one["model_name"] == "later" and one["sha256"] for one in files)
        loras = list_json(service, "/sdapi/v1/loras")
        return hashed and any(one["name"] == "later" for one in loras)  # type: ignore[attr-defined]

    wait_until(names, message="the watcher or the hashing thread is dead")

    def is_found() -> bool:
        _, body = get(service, "/api/files/search?q=later")
        return b"later.safetensors" in body

    wait_until(is_found, message="the index of files is dead")


def test_all_of_it_takes_no_memory(service: WebProcess) -> None:
    case = service.data_dir / "embeddings/memory.pt"
    for number, content in enumerate(PICKLES.values()):
        path = case.with_stem(f"memory{number}")
        path.write_bytes(zip_pickle(content))
        os.utime(path, (1, 1))  # it lies still
    post(service, "/sdapi/v1/refresh-loras", {})
    told = {one["file"] for one in list_json(service, "/internal/broken-models")}  # type: ignore[attr-defined]
    assert {f"embeddings/memory{number}.pt" for number in range(len(PICKLES))} <= told
    list_json(service, "/sdapi/v1/embeddings")
    assert psutil.Process(service.serving.pid).memory_info().rss < MEMORY
