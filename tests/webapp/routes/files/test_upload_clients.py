"""Clients that others wrote: tuspy, tus-js-client, curl."""

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.wait import TIMEOUT
from tests.webapp.web_process import WebProcess, web_process

CONTENT = random.Random(5).randbytes(400_000)
MODULES = ROOT / "static/node_modules"
FOLDER = "/data/outputs"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    with web_process(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "content.png"
    path.write_bytes(CONTENT)
    return path


def outputs(server: WebProcess) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (server.data_dir / "outputs").iterdir()}


@pytest.mark.parametrize("checked", [False, True], ids=["plain", "with checksums"])
def test_tuspy(server: WebProcess, file: Path, checked: bool) -> None:
    client = pytest.importorskip("tusclient.client", reason="make test installs tuspy")
    easel = client.TusClient(f"{server.url}/api/files/uploads")
    name = f"tuspy-{checked}.png"
    meanings = {"folder": FOLDER, "filename": name}
    words = {"chunk_size": 90_000, "upload_checksum": checked}
    first = easel.uploader(str(file), metadata=meanings, **words)
    first.upload(stop_at=200_000)
    again = easel.uploader(str(file), url=first.url, **words)
    assert again.offset == 200_000
    again.upload()
    assert outputs(server)[name] == CONTENT


def test_tus_js_client(server: WebProcess, file: Path) -> None:
    node = shutil.which("node")
    if node is None or not (MODULES / "tus-js-client").is_dir():
        pytest.skip("Node and the page's packages are not here; make test brings them")
    done = subprocess.run(
        [
            *(node, Path(__file__).with_name("tus_js_client.mjs")),
            *(MODULES / "@uppy/tus/package.json", f"{server.url}/api/files/uploads", file),
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"resumed_from": 100_000, "after_the_end": 404, "taken": 409}
    sent = ("whole", "chunks", "created", "override", "parallel", "resumed")
    found = outputs(server)
    assert {name: found[f"{name}.png"] == CONTENT for name in sent} == dict.fromkeys(sent, True)
    assert "ended.png" not in found
    assert not list((server.data_dir / ".uploads").glob("*/data"))


def test_the_examples_of_the_page_run(server: WebProcess, tmp_path: Path) -> None:
    """The shell and Python blocks of docs/files.md on uploads, as they stand there."""
    blocks = examples()
    assert [kind for kind, _ in blocks] == ["sh", "python"]
    models = server.data_dir / "models/Lora"
    for (kind, text), name in zip(blocks, ("mine", "other"), strict=True):
        if kind == "sh" and shutil.which("curl") is None:
            continue
        (tmp_path / f"{name}.safetensors").write_bytes(lora())
        ready = text.replace("http://127.0.0.1:7860", server.url)
        command = ["bash", "-euc", ready] if kind == "sh" else [sys.executable, "-c", ready]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT
        )
        assert done.returncode == 0, done.stderr
        assert (models / f"{name}.safetensors").read_bytes() == lora()


def lora() -> bytes:
    header = b'{"w":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}'
    return len(header).to_bytes(8, "little") + header + b"abc"


def examples() -> list[tuple[str, str]]:
    page = (ROOT / "docs/files.md").read_text(encoding="utf-8")
    section = page.partition("## Uploads")[2].partition("\n## ")[0]
    parts = section.split("```")[1::2]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]
