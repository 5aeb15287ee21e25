"""``POST /sdapi/v1/interrogate``: through the queue to a network that the user brought."""

import base64
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.generator.interrogation.tiny_interrogators import make_captioner, make_tagger
from tests.parity.service import Service
from tests.wait import TIMEOUT
from tests.webapp.requests.request_pictures import encode_grey_picture
from webapp.errors import json_answer
from webapp.queues.contracts.frame import Lease
from webapp.queues.job_codec import INTERROGATIONS
from webapp.queues.worker_id import WorkerId

URL = "/sdapi/v1/interrogate"


def ask(client: Any, model: str = "clip", **changes: Any) -> Any:
    """The answer to a question."""
    return client.post(URL, json={"image": encode_grey_picture(16, 16), "model": model, **changes})


@pytest.mark.parametrize(
    ("model", "place"), [("clip", "models/BLIP"), ("deepdanbooru", "models/taggers")]
)
def test_without_a_network_it_says_where_to_put_one(house: Any, model: str, place: str) -> None:
    answer = ask(house.client(), model)
    assert answer.status_code == 422  # 404 is for routes and names that are not there
    body = answer.get_json()
    assert (body["error"], body["errors"]) == ("HTTPException", body["detail"])
    assert place in body["detail"]
    assert str(house.data_dir) not in answer.text


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"model": "nope"}, 404, "Model not found"),
        ({"image": ""}, 422, "image"),
        ({"image": "x"}, 422, "image"),
        ({"image": None}, 422, "image"),
        ({"image": "http://127.0.0.1:9/a.png"}, 422, "image"),
    ],
)
def test_what_is_refused(house: Any, change: dict[str, Any], status: int, word: str) -> None:
    answer = ask(house.client(), **change)
    assert answer.status_code == status
    assert word in answer.text


def test_pictures_are_described(service: Service) -> None:
    make_captioner(service.data_dir / "models/BLIP/tiny")
    make_tagger(service.data_dir / "models/taggers/tiny")
    told = ask(service.client)
    assert told.status_code == 200, told.text
    assert list(told.get_json()) == ["caption"]
    assert told.get_json()["caption"]
    for model in ("deepdanbooru", "deepbooru"):
        tags = ask(service.client, model).get_json()
        assert tags == {"caption": "1house, grass \\(plant\\)"}
    uri = "data:image/png;base64," + encode_grey_picture(16, 16)
    assert ask(service.client, image=uri).get_json() == told.get_json()


def test_a_damaged_network_is_named(service: Service) -> None:
    folder = service.data_dir / "models/taggers/0-broken"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{")
    answer = ask(service.client, "deepdanbooru")
    assert answer.status_code == 422
    assert "0-broken" in answer.get_json()["detail"]


def test_options_say_how(build: Any) -> None:
    house = build(working=False)
    (house.data_dir / "models/taggers/t").mkdir(parents=True)
    (house.data_dir / "models/taggers/t/config.json").touch()
    house.options.update(
        {
            "interrogate_clip_num_beams": 3,
            "interrogate_clip_min_length": 5,
            "interrogate_clip_max_length": 9,
            "interrogate_deepbooru_score_threshold": 0.25,
            "deepbooru_filter_tags": "night, a b",
            "deepbooru_use_spaces": False,
            "interrogate_keep_models_in_memory": True,
        }
    )
    lease = abandoned_question(house)
    question = INTERROGATIONS.validate_json(lease.frame.body)
    assert (question.caption.beams, question.caption.shortest, question.caption.longest) == (
        3,
        5,
        9,
    )
    assert (question.tags.threshold, question.tags.spaces) == (0.25, False)
    assert (question.tags.left_out, question.keep) == (("night", "a b"), True)
    assert Path(question.network).name == "t"
    assert base64.b64decode(question.picture).startswith(b"\x89PNG")


def test_networks_answer_to_their_own_names(build: Any) -> None:
    house = build(working=False)
    for name in ("BLIP/b/config.json", "taggers/a/config.json", "taggers/wd-v3/selected_tags.csv",
                 "torch_deepdanbooru/model-resnet_custom_v3.pt"):  # fmt: skip
        path = house.data_dir / "models" / name
        path.parent.mkdir(parents=True)
        path.touch()
    for model, network, form in (
        ("clip", "b", "caption"), ("blip", "b", "caption"), ("wd-v3", "wd-v3", "tags"),
        ("deepdanbooru", "model-resnet_custom_v3.pt", "tags"), ("a", "a", "tags"),
    ):  # fmt: skip
        question = INTERROGATIONS.validate_json(abandoned_question(house, model).frame.body)
        assert (Path(question.network).name, question.form) == (network, form)


def abandoned_question(house: Any, model: str = "deepdanbooru") -> Lease:
    """The frame of a question that nobody answers; its asker leaves."""
    asking = threading.Thread(target=ask, args=(house.client(), model))
    asking.start()
    lease = house.store.take(WorkerId("test"), (), TIMEOUT)
    assert lease is not None
    house.store.answer(lease, json_answer(200, {"caption": ""}), 0.0)
    asking.join()
    return lease
