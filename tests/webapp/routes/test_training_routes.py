"""Words made and trained over HTTP; and what is refused at the door."""

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.parity.service import Service
from tests.webapp.conftest import write_model
from tests.webapp.requests.request_pictures import encode_grey_picture

NEW = {"name": "sks", "num_vectors_per_token": 2, "overwrite_old": False}


def folder(data_dir: Path) -> Path:
    """Two pictures to train on, one with words beside it."""
    found = data_dir / "pictures"
    found.mkdir(exist_ok=True)
    for name in ("01-red", "blue"):
        (found / f"{name}.png").write_bytes(base64.b64decode(encode_grey_picture(64, 64)))
    (found / "blue.txt").write_text("a blue, square")
    return found


def test_a_word_is_made_and_trained(service: Service) -> None:
    folder(service.data_dir)
    client = service.client
    made = client.post("/sdapi/v1/create/embedding", json={**NEW, "init_text": "red"}).get_json()
    path = service.data_dir / "embeddings/sks.pt"
    assert made == {"info": f"create embedding filename: {path}"}
    again = client.post("/sdapi/v1/create/embedding", json=NEW)
    assert again.status_code == 200
    assert again.get_json()["info"].startswith("create embedding error: file")
    lesson = {
        "embedding_name": "sks", "learn_rate": "0.01:1, 0.001", "data_root": "pictures",
        "training_width": 64, "training_height": 64, "steps": 2, "save_embedding_every": 1,
        "batch_size": 2, "template_filename": "subject_filewords.txt", "preview_prompt": "",
    }  # fmt: skip
    before = path.read_bytes()
    told = client.post("/sdapi/v1/train/embedding", json=lesson)
    assert told.get_json() == {"info": f"train embedding complete: filename: {path} error: None"}
    assert path.read_bytes() != before
    listed = client.get("/sdapi/v1/embeddings").get_json()["loaded"]["sks"]
    assert (listed["step"], listed["vectors"], listed["shape"]) == (2, 2, 128)
    copies = sorted(each.name for each in (service.data_dir / "textual_inversion").rglob("*.pt"))
    assert copies == ["sks-1.pt", "sks-2.pt"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": "../up"}, "name"),
        ({"name": "a<b"}, "letters"),
        ({"name": " "}, "name"),
        ({"num_vectors_per_token": 0}, "num_vectors_per_token"),
        ({"num_vectors_per_token": "x"}, "num_vectors_per_token"),
        ({"nope": 1}, "nope"),
    ],
)
def test_bad_words_are_refused(house: Any, change: dict[str, object], word: str) -> None:
    answer = house.client().post("/sdapi/v1/create/embedding", json={**NEW, **change})
    assert answer.status_code == 422
    assert word in answer.text


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"embedding_name": "none"}, "embedding"),
        ({"data_root": "/etc"}, "data_root"),
        ({"data_root": "../.."}, "data_root"),
        ({"data_root": "nowhere"}, "data_root"),
        ({"data_root": "embeddings"}, "data_root"),
        ({"log_directory": "/tmp", "save_embedding_every": 1}, "log_directory"),
        ({"template_filename": "../config.json"}, "template_filename"),
        ({"learn_rate": "fast"}, "learn_rate"),
        ({"steps": 0}, "steps"),
        ({"training_width": 100}, "training_width"),
        ({"clip_grad_mode": "odd"}, "clip_grad_mode"),
        ({"varsize": True}, "varsize"),
    ],
)
def test_bad_trainings_are_refused(house: Any, change: dict[str, object], word: str) -> None:
    folder(house.data_dir)
    write_model(house.data_dir / "embeddings/sks.safetensors", shape=(2, 8))
    lesson = {"embedding_name": "sks", "data_root": "pictures", "steps": 1}
    answer = house.client().post("/sdapi/v1/train/embedding", json={**lesson, **change})
    assert answer.status_code == 422
    assert word in answer.text


def test_hypernetworks_are_not_trained(house: Any) -> None:
    answer = house.client().post("/sdapi/v1/train/hypernetwork", json={"hypernetwork_name": "h"})
    assert answer.status_code == 501
    assert "train/embedding" in answer.get_json()["detail"]
    made = {"name": "h", "enable_sizes": [768], "overwrite_old": False}
    assert house.client().post("/sdapi/v1/create/hypernetwork", json=made).status_code == 501
