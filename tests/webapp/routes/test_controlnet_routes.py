"""ControlNet's routes, against the recorded answers (contract section 1.15)."""

import base64
import io
import json
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from generator.control.annotators import no_networks
from generator.hooks import NullListener
from generator.job.output_filter import OutputFilter
from generator.request import ControlUnit
from tests.wait import TIMEOUT
from webapp.queues.job_codec import DETECT, DETECTIONS, QueuedDetection
from webapp.queues.worker_id import WorkerId
from webapp.worker import detection

FREE = OutputFilter(NullListener())
NONE = SimpleNamespace(draw_network_map=no_networks)
ADDRESSES = {
    "version": "version",
    "settings": "settings",
    "model_list": "model_list",
    "module_list": "module_list",
    "module_list_alias_names_true": "module_list?alias_names=true",
    "control_types": "control_types",
}


def picture(size: tuple[int, int] = (64, 48), colour: str = "red") -> str:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize("name", sorted(ADDRESSES))
def test_lists_what_was_recorded(house: Any, goldens: Path, name: str) -> None:
    folder = house.data_dir / "models/ControlNet"
    folder.mkdir(parents=True)
    shutil.copy2(goldens / "checkpoint/tiny_control_canny.safetensors", folder)
    house.registry.refresh()
    answer = house.client().get(f"/controlnet/{ADDRESSES[name]}")
    recorded = (goldens / f"get/controlnet_{name}.json").read_text()
    assert json.dumps(answer.get_json()) == json.dumps(json.loads(recorded))


def test_the_newest_generation_is_the_default(house: Any) -> None:
    folder = house.data_dir / "models/ControlNet"
    folder.mkdir(parents=True)
    any_file = house.data_dir / "models/VAE/clear.safetensors"
    for stem in ("sd15_canny", "control_v11p_sd15_canny", "control_v11f1p_sd15_depth"):
        shutil.copy2(any_file, folder / f"{stem}.safetensors")
    house.registry.refresh()
    kinds = house.client().get("/controlnet/control_types").get_json()["control_types"]
    assert kinds["Canny"]["default_model"].startswith("control_v11p_sd15_canny")
    assert len(kinds["Canny"]["model_list"]) == 3
    assert len(kinds["All"]["model_list"]) == 4


def test_a_new_file_is_listed_at_once(house: Any) -> None:
    client = house.client()
    assert client.get("/controlnet/model_list").get_json() == {"model_list": []}
    folder = house.data_dir / "models/ControlNet"
    folder.mkdir(parents=True)
    shutil.copy2(house.data_dir / "models/VAE/clear.safetensors", folder / "x.safetensors")
    (name,) = client.get("/controlnet/model_list").get_json()["model_list"]
    assert name.startswith("x [")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"controlnet_module": "canny"}, "No image selected"),
        ({"controlnet_module": "nonsense"}, "Module not available"),
        ({"controlnet_module": "revision_clipvision"}, "Module not supported"),
        ({"controlnet_module": "openpose"}, "network of its own"),
        ({"controlnet_module": "dw_openpose_full"}, "no way to run"),
        ({"controlnet_module": "inpaint_only", "controlnet_input_images": [picture()]}, "masks"),
        ({"controlnet_input_images": ["AAAA"]}, "controlnet_input_images[0]"),
    ],
)
def test_detect_refuses_in_words(house: Any, body: dict[str, Any], said: str) -> None:
    answer = house.client().post("/controlnet/detect", json=body)
    assert answer.status_code == 422
    assert said in answer.get_json()["detail"]


def test_wrong_types_are_told_by_field(house: Any) -> None:
    answer = house.client().post("/controlnet/detect", json={"controlnet_processor_res": "x"})
    assert answer.status_code == 422
    assert answer.get_json()["detail"][0]["loc"] == ["body", "controlnet_processor_res"]


def test_detect_goes_through_the_queue(build: Any) -> None:
    house = build(working=False)
    answers: list[Any] = []
    body = {
        "controlnet_module": "invert (from white bg & black line)",
        "controlnet_input_images": [picture(), picture((16, 16), "white")],
    }
    asking = threading.Thread(
        target=lambda: answers.append(house.client().post("/controlnet/detect", json=body))
    )
    asking.start()
    lease = house.store.take(WorkerId("test"), (), TIMEOUT)
    assert lease.frame.kind == DETECT
    house.store.answer(
        lease, detection.detect_maps(DETECTIONS.validate_json(lease.frame.body), FREE, NONE), 0.0
    )
    asking.join()
    (answer,) = answers
    assert answer.get_json()["info"] == "Success"
    opened = [
        Image.open(io.BytesIO(base64.b64decode(text))) for text in answer.get_json()["images"]
    ]
    assert [image.size for image in opened] == [(64, 48), (16, 16)]
    assert opened[0].getpixel((0, 0)) == (0, 255, 255)


def test_what_is_to_be_repainted_is_shown_half_transparent() -> None:
    unit = ControlUnit("inpaint_only", image=picture(), mask=picture(colour="white"))
    answer = json.loads(detection.detect_maps(QueuedDetection((unit,)), FREE, NONE).body)
    image = Image.open(io.BytesIO(base64.b64decode(answer["images"][0])))
    assert image.getpixel((0, 0)) == (255, 0, 0, 128)


def test_every_route_is_guarded(guarded_house: Any) -> None:
    for name in ADDRESSES.values():
        assert guarded_house.client().get(f"/controlnet/{name}").status_code == 401
    assert guarded_house.client().post("/controlnet/detect", json={}).status_code == 401


def test_poses_are_drawn(house: Any) -> None:
    pose = {
        "people": [{"pose_keypoints_2d": [8, 8, 1] * 18}],
        "canvas_width": 32,
        "canvas_height": 16,
    }
    told = house.client().post("/controlnet/render_openpose_json", json=[pose]).get_json()
    assert told["info"] == "Success"
    image = Image.open(io.BytesIO(base64.b64decode(told["images"][0])))
    assert image.size == (32, 16)
    assert image.getpixel((8, 8)) != (0, 0, 0)
    assert house.client().post("/controlnet/render_openpose_json", json=[]).get_json() == {
        "info": "No pose data detected."
    }


@pytest.mark.parametrize(
    "body",
    [
        {"people": []},
        [{"people": []}],
        [{"people": [], "canvas_width": 99999, "canvas_height": 1}],
        [{"people": [{"pose_keypoints_2d": [1e9]}], "canvas_width": 9, "canvas_height": 9}],
    ],
)
def test_bad_poses_are_refused(house: Any, body: Any) -> None:
    answer = house.client().post("/controlnet/render_openpose_json", json=body)
    assert answer.status_code == 422
