"""What has just come, left or been replaced counts in the next picture, by every door.

The worker watches nothing here: only what a job tells lets it look again.
"""

import json
import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from safetensors.torch import load

from tests.webapp.routes.files.tus_client import BYTES, TUS, encode_metadata
from webapp.settings.config import Config

if TYPE_CHECKING:
    from tests.parity.service import Service

SMALL = {"steps": 1, "width": 64, "height": 64, "seed": 7}
CHECKPOINTS = "models/Stable-diffusion"


@pytest.fixture(scope="module")
def service(goldens: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Service"]:
    from tests.parity.service import copy_models, run_service

    data_dir = tmp_path_factory.mktemp("fresh")
    config = Config(data_dir, allow_pickle_upload=True, watch="off")
    with run_service(data_dir, copy_models(goldens, data_dir), config) as running:
        assert running.post("/sdapi/v1/options", {"sd_vae": "Automatic"}).status == 200
        yield running


@pytest.fixture(scope="module")
def parts(goldens: Path) -> Path:
    return goldens / "checkpoint"


def draw_picture(service: "Service", prompt: str = "a red cat", **more: object) -> tuple[str, str]:
    """The infotext and the picture of a job."""
    answer = service.post("/sdapi/v1/txt2img", {**SMALL, "prompt": prompt, **more})
    assert answer.status == 200, answer.body
    return json.loads(answer.body["info"])["infotexts"][0], answer.body["images"][0]


def refresh(service: "Service", what: str) -> None:
    assert service.post(f"/sdapi/v1/refresh-{what}", {}).status == 200


def list_embeddings(service: "Service") -> set[str]:
    return set(service.client.get("/sdapi/v1/embeddings").get_json()["loaded"])


@pytest.mark.parametrize("source", ["tinyemb.safetensors", "tinyembpt.pt"])
def test_an_embedding_is_used_right_after_a_refresh(
    service: "Service", parts: Path, source: str
) -> None:
    for number in range(2):
        word = f"fresh{Path(source).suffix[1:]}{number}"
        place = service.data_dir / "embeddings" / f"{word}{Path(source).suffix}"
        shutil.copyfile(parts / source, place)  # written just now
        refresh(service, "embeddings")
        assert word in list_embeddings(service)
        assert f'TI hashes: "{word}: ' in draw_picture(service, f"a {word} cat")[0]


def test_a_vae_beside_the_checkpoint_counts_at_once(service: "Service", parts: Path) -> None:
    place = service.data_dir / CHECKPOINTS / "tinysd15.vae.safetensors"
    for _ in range(2):
        shutil.copyfile(parts / "tinyvae.safetensors", place)
        refresh(service, "vae")
        assert "VAE: tinysd15.vae.safetensors" in draw_picture(service)[0]
        place.unlink()
        refresh(service, "vae")
        assert "VAE:" not in draw_picture(service)[0]


def upload_by_tus(service: "Service", name: str, content: bytes) -> None:
    meta = encode_metadata(folder="/data/embeddings", filename=name)
    headers = {**TUS, "Upload-Length": str(len(content)), "Upload-Metadata": meta}
    answer = service.client.post(
        "/api/files/uploads", headers={**headers, "Content-Type": BYTES}, data=content
    )
    assert answer.status_code == 201, answer.text


def upload_by_webdav(service: "Service", name: str, content: bytes) -> None:
    answer = service.client.put(f"/dav/data/embeddings/{name}", data=content)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("upload", [upload_by_tus, upload_by_webdav])
@pytest.mark.parametrize("source", ["tinyemb.safetensors", "tinyembpt.pt"])
def test_what_was_uploaded_is_used_by_the_next_picture(
    service: "Service", parts: Path, upload: Any, source: str
) -> None:
    word = f"{upload.__name__.replace('_', '')}{Path(source).suffix[1:]}"
    upload(service, f"{word}{Path(source).suffix}", (parts / source).read_bytes())
    assert word in list_embeddings(service)
    assert f'TI hashes: "{word}: ' in draw_picture(service, f"a {word} cat")[0]


def test_verbs_of_the_file_manager_count_at_once(service: "Service", parts: Path) -> None:
    shutil.copyfile(parts / "tinyemb.safetensors", service.data_dir / "moving.safetensors")

    def ask(verb: str, **body: object) -> Any:
        answer = service.client.post(f"/api/files/{verb}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def uses(word: str) -> bool:
        found = f'TI hashes: "{word}: ' in draw_picture(service, f"a {word} cat")[0]
        assert found == (word in list_embeddings(service))
        return found

    assert not uses("moving")
    ask("move", paths=["/data/moving.safetensors"], to="/data/embeddings")
    assert uses("moving")
    ask("rename", path="/data/embeddings/moving.safetensors", name="named.safetensors")
    assert not uses("moving")
    assert uses("named")
    gone = ask("delete", paths=["/data/embeddings/named.safetensors"])
    assert not uses("named")
    ask("restore", trash_id=gone["trash_id"])
    assert uses("named")
    assert service.client.delete("/dav/data/embeddings/named.safetensors").status_code == 204
    assert not uses("named")


def test_a_job_without_news_looks_at_no_folder(
    service: "Service", monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_picture(service)
    monkeypatch.setattr("generator.models.registry.scan", None)
    for _ in range(2):
        draw_picture(service)


def put_over(place: Path, content: bytes) -> None:
    """Other weights of the same size and time in place of a file, as ``cp -p`` puts them."""
    before = place.stat()
    assert len(content) == before.st_size
    place.write_bytes(content)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = place.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def negative(content: bytes) -> bytes:
    """A model file with the opposite of all its numbers: safetensors in fp16 or fp32."""
    tensors = {name: -tensor for name, tensor in load(content).items()}
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    body = bytearray(content)
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        body[begin:end] = tensors[name].numpy().tobytes()
    return bytes(body)


@pytest.mark.parametrize(
    ("folder", "name", "prompt"),
    [
        (CHECKPOINTS, "tinysd15.safetensors", "a red cat"),
        ("models/Lora", "tinylora.safetensors", "a red cat <lora:tinylora:1>"),
        ("models/VAE", "tinyvae.safetensors", "a red cat"),
        ("embeddings", "tinyemb.safetensors", "a tinyemb cat"),
    ],
)
def test_other_weights_of_the_same_size_and_time_are_drawn_with(
    service: "Service", folder: str, name: str, prompt: str
) -> None:
    place = service.data_dir / folder / name
    vae = {"sd_vae": name} if folder == "models/VAE" else {}
    text, picture = draw_picture(service, prompt, override_settings=vae)
    content = place.read_bytes()
    put_over(place, negative(content))
    refresh(service, "checkpoints")
    other_text, other_picture = draw_picture(service, prompt, override_settings=vae)
    assert other_picture != picture
    assert other_text != text, "its hash is another"
    put_over(place, content)
    refresh(service, "checkpoints")
    assert draw_picture(service, prompt, override_settings=vae) == (text, picture)
