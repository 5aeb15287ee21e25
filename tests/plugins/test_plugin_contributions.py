"""A plugin in a folder brings a sampler, a schedule, an upscaler, a tab, a route and a number."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.image_compare import is_same_drawing
from tests.parity.service import copy_models
from tests.plugins.plugin_files import make_plugin
from tests.plugins.plugin_service import WEB, WORKER, draw_small, first, start_service
from tests.wait import join_thread, wait_until
from tests.webapp.requests.request_pictures import encode_grey_picture


@pytest.fixture(scope="module")
def leaping(goldens: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    data_dir = tmp_path_factory.mktemp("easel")
    registry = copy_models(goldens, data_dir)
    make_plugin(
        data_dir, "leap", web=WEB, worker=WORKER, hooks="choices routes parts metrics tools"
    )
    with start_service(data_dir, registry) as client:
        yield client


def test_a_sampler_of_a_plugin_draws_and_is_told(leaping: FlaskClient) -> None:
    leap = draw_small(leaping, sampler_name="Leap")
    assert leap.status_code == 200, leap.text
    assert "Sampler: Leap" in json.loads(leap.get_json()["info"])["infotexts"][0]
    euler = draw_small(
        leaping, sampler_name="Euler", scheduler="Automatic"
    )  # ours is not taken over
    assert is_same_drawing(first(leap), first(euler))


def test_a_schedule_of_a_plugin(leaping: FlaskClient) -> None:
    straight = draw_small(leaping, sampler_name="Leap", scheduler="Straight")
    text = json.loads(straight.get_json()["info"])["infotexts"][0]
    assert "Schedule type: Straight" in text
    usual = draw_small(leaping, sampler_name="Leap")
    assert not is_same_drawing(first(straight), first(usual))
    rising = draw_small(leaping, sampler_name="Leap", scheduler="Rising")
    assert rising.status_code == 422
    assert "do not fall to 0" in rising.get_json()["detail"]


def test_a_broken_sampler_fails_its_job_by_name(leaping: FlaskClient) -> None:
    answer = draw_small(leaping, sampler_name="Broken")
    assert answer.status_code == 500
    assert "'leap'" in answer.get_json()["detail"]
    assert "no leap" in answer.get_json()["detail"]
    assert draw_small(leaping, sampler_name="Leap").status_code == 200


def test_an_upscaler_of_a_plugin(leaping: FlaskClient) -> None:
    body = {"image": encode_grey_picture(16, 16), "upscaler_1": "Mirror", "upscaling_resize": 2}
    assert leaping.post("/sdapi/v1/extra-single-image", json=body).status_code == 200
    larger = {"enable_hr": True, "denoising_strength": 0.5, "hr_scale": 2, "hr_upscaler": "Mirror"}
    assert (
        draw_small(leaping, sampler_name="Leap", hr_sampler_name="Leap", **larger).status_code
        == 200
    )


def test_what_it_brings_is_listed(leaping: FlaskClient) -> None:
    def names(route: str) -> list[str]:
        return [each["name"] for each in leaping.get(f"/sdapi/v1/{route}").get_json()]

    assert names("samplers")[-2:] == ["Leap", "Broken"]
    assert names("schedulers")[-2:] == ["Straight", "Rising"]
    assert names("upscalers")[-1] == "Mirror"
    assert leaping.get("/plugins/leap/ping").get_json() == "pong"
    told = leaping.get("/api/plugins").get_json()["plugins"][-1]
    assert (told["name"], told["parts"][0]["title"]) == ("leap", "Leap")
    figures = leaping.get("/metrics").text
    assert 'easel_leap_leaps_total{kind="far"} 3.0' in figures
    assert "easel_leap_bad 0" not in figures  # it fails, and nothing else does
    assert 'easel_plugin_seconds_total{hook="routes",plugin="leap",side="web"}' in figures
    worked = 'easel_plugin_seconds_total{hook="tools",plugin="leap",side="worker"}'
    assert draw_small(leaping, sampler_name="Leap").status_code == 200
    for _ in range(600):  # told with the worker's heartbeat
        if worked in leaping.get("/metrics").text:
            break
        time.sleep(0.05)
    assert worked in leaping.get("/metrics").text


def test_an_interrupt_goes_through_a_plugins_sampler(leaping: FlaskClient) -> None:
    done: list[Any] = []
    long = {"sampler_name": "Leap", "steps": 900}
    drawing = threading.Thread(target=lambda: done.append(draw_small(leaping, **long)))
    drawing.start()
    client = leaping.application.test_client()
    wait_until(lambda: client.get("/sdapi/v1/progress").get_json()["state"]["sampling_step"])
    client.post("/sdapi/v1/interrupt")
    join_thread(drawing)
    assert done[0].status_code == 200
    told = client.get("/api/plugins").get_json()["plugins"][-1]
    assert "no leap" in told["workers"][0]["last_error"] or told["workers"][0]["last_error"] == ""


def test_a_reload_waits_for_the_running_picture(leaping: FlaskClient) -> None:
    done: list[Any] = []
    drawing = threading.Thread(target=lambda: done.append(draw_small(leaping, steps=60)))
    drawing.start()
    client = leaping.application.test_client()
    wait_until(lambda: client.get("/sdapi/v1/progress").get_json()["state"]["sampling_step"])
    told = client.post("/api/plugins/reload").get_json()
    join_thread(drawing)
    assert done[0].status_code == 200
    assert len(done[0].get_json()["images"]) == 1
    (worker,) = told["plugins"][-1]["workers"]
    assert (worker["state"], worker["hooks"], worker["fault"]) == ("on", ["tools"], "")
    assert draw_small(leaping, sampler_name="Leap").status_code == 200
