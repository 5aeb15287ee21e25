"""The lists, options, progress, page and documents; and what every answer carries."""

import gzip
import io
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from generator.request import Progress, Stop
from tests.generator.models.architecture_fixtures import XL_TEXT, unet
from tests.wait import TIMEOUT
from tests.webapp.conftest import write_checkpoint, write_model, write_tensors
from webapp.errors import Unavailable
from webapp.process_tree import SUPERVISOR_VARIABLE
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.queues.worker_id import WorkerId
from webapp.routes.events import event_stream
from webapp.routes.submission import wait_for_answer

LISTS = [
    "sd-models",
    "sd-vae",
    "loras",
    "hypernetworks",
    "samplers",
    "schedulers",
    "upscalers",
    "latent-upscale-modes",
    "face-restorers",
    "realesrgan-models",
    "script-info",
]


@pytest.mark.parametrize("name", LISTS)
def test_lists_look_as_recorded(house: Any, goldens: Path, name: str) -> None:
    golden = json.loads((goldens / f"get/{name}.json").read_text())
    answer = house.client().get(f"/sdapi/v1/{name}")
    assert answer.status_code == 200
    assert isinstance(answer.get_json(), list)
    for entry in answer.get_json():
        assert set(entry) == set(golden[0])


@pytest.mark.parametrize("name", ["samplers", "schedulers", "latent-upscale-modes"])
def test_fixed_lists_are_the_recorded_ones(house: Any, goldens: Path, name: str) -> None:
    golden = json.loads((goldens / f"get/{name}.json").read_text())
    assert house.client().get(f"/sdapi/v1/{name}").get_json() == golden


@pytest.mark.parametrize("name", ["options", "progress", "embeddings", "scripts"])
def test_objects_have_the_recorded_keys(house: Any, goldens: Path, name: str) -> None:
    golden = json.loads((goldens / f"get/{name}.json").read_text())
    assert set(golden) <= set(house.client().get(f"/sdapi/v1/{name}").get_json())


def test_models_tell_of_their_files(house: Any) -> None:
    models = house.client().get("/sdapi/v1/sd-models").get_json()
    assert [m["title"] for m in models] == ["deliberate_v2.safetensors", "painter.safetensors"]
    loras = house.client().get("/sdapi/v1/loras").get_json()
    assert [(m["name"], m["alias"]) for m in loras] == [("style", "brush")]
    assert house.client().get("/sdapi/v1/sd-vae").get_json()[0]["model_name"] == "clear.safetensors"


def test_flags_tell_no_secrets(build: Any, goldens: Path) -> None:
    house = build(token="s3cret", api_auth=(("ann", "pw1"),), ignored=("--xformers",))
    answer = house.client().get("/sdapi/v1/cmd-flags")
    golden = json.loads((goldens / "get/cmd-flags.json").read_text())
    assert sorted(set(golden) - set(answer.get_json())) == []
    assert answer.get_json()["xformers"] is True
    assert answer.get_json()["nowebui"] is False
    assert "s3cret" not in answer.text
    assert "pw1" not in answer.text


def test_prompt_styles(house: Any) -> None:
    (house.data_dir / "styles.csv").write_text(
        "name,prompt,negative_prompt\nink,ink of {prompt},\n"
    )
    styles = house.client().get("/sdapi/v1/prompt-styles").get_json()
    assert styles == [{"name": "ink", "prompt": "ink of {prompt}", "negative_prompt": ""}]


def test_refreshing_finds_new_files(house: Any) -> None:
    client = house.client()
    client.get("/sdapi/v1/sd-models")
    write_model(house.data_dir / "models/Stable-diffusion/new.safetensors")
    for name in ("checkpoints", "vae", "loras", "embeddings"):
        answer = client.post(f"/sdapi/v1/refresh-{name}")
        assert (answer.status_code, answer.get_json()) == (200, None)
    assert len(client.get("/sdapi/v1/sd-models").get_json()) == 3


def test_options_have_the_recorded_types(house: Any, goldens: Path) -> None:
    golden = json.loads((goldens / "get/options_fresh_config.json").read_text())
    ours = house.client().get("/sdapi/v1/options").get_json()
    wrong = {
        name: (value, ours[name])
        for name, value in golden.items()
        if value is not None and ours[name] is not None and kind_of(value) != kind_of(ours[name])
    }
    assert not wrong


def kind_of(value: object) -> type:
    """JSON's kinds: 80 and 80.0 are one."""
    return float if type(value) is int else type(value)


def test_options_can_be_posted_back(house: Any) -> None:
    client = house.client()
    options = client.get("/sdapi/v1/options").get_json()
    assert client.post("/sdapi/v1/options", json=options).status_code == 200
    assert client.get("/sdapi/v1/options").get_json() == options
    assert options["sd_model_checkpoint"] == "deliberate_v2.safetensors"
    options["sd_model_checkpoint"] = "painter"
    answer = client.post("/sdapi/v1/options", json=options)
    assert (answer.status_code, answer.get_json()) == (200, None)
    assert (
        client.get("/sdapi/v1/options").get_json()["sd_model_checkpoint"] == "painter.safetensors"
    )


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"no_such_option": 1}, "no_such_option"),
        ({"sd_model_checkpoint": "nope"}, "nope"),
        ({"CLIP_stop_at_last_layers": "abc"}, "CLIP_stop_at_last_layers"),
        ([1], "dict"),
    ],
)
def test_bad_options_change_nothing(house: Any, body: object, word: str) -> None:
    client = house.client()
    before = client.get("/sdapi/v1/options").get_json()
    answer = client.post("/sdapi/v1/options", json=body)
    assert answer.status_code == 422
    assert word in answer.text
    assert client.get("/sdapi/v1/options").get_json() == before


def put(house: Any, task: str, owner: str = "owner") -> str:
    """A frame in the queue; its id."""
    frame = Frame(id=task.rjust(32, "0"), kind="x", body=b"", owner=owner, tags={"task": task})
    house.store.put(frame)
    return frame.id


def test_progress_of_the_running_job(build: Any) -> None:
    house = build(working=False)
    client = house.client()
    house.store.record_heartbeat(WorkerState(WorkerId("w"), "idle", "", "", time.time()))
    first = put(house, "t1")
    put(house, "t2")
    assert client.get("/sdapi/v1/progress").get_json()["progress"] == 0
    house.store.take(WorkerId("w"), (), TIMEOUT)
    house.store.publish_progress(first, Progress("scripts_txt2img", 1, 2, 5, 10), b"PNG")
    seen = client.get("/sdapi/v1/progress").get_json()
    assert seen["progress"] == pytest.approx(0.01 + 0.75)
    assert seen["state"]["job_count"] == 2
    assert seen["state"]["sampling_step"] == 5
    assert seen["current_image"] == "UE5H"
    without = client.get("/sdapi/v1/progress?skip_current_image=true").get_json()
    assert without["current_image"] is None

    ask = {"id_task": "t1", "id_live_preview": -1}
    mine = client.post("/internal/progress", json=ask).get_json()
    assert (mine["active"], mine["queued"], mine["completed"]) == (True, False, False)
    assert mine["progress"] == pytest.approx(0.75)
    assert mine["live_preview"] == "data:image/png;base64,UE5H"
    ask["id_live_preview"] = mine["id_live_preview"]
    assert client.post("/internal/progress", json=ask).get_json()["live_preview"] is None
    queued = client.post("/internal/progress", json={"id_task": "t2"}).get_json()
    assert queued["queued"] is True
    assert queued["textinfo"] == "In queue: 1/1"


def test_interrupt_and_skip_reach_the_running_job_alone(build: Any) -> None:
    house = build(working=False)
    running, waiting = put(house, "t1"), put(house, "t2")
    house.store.take(WorkerId("w"), (), TIMEOUT)
    client = house.client()
    assert client.post("/sdapi/v1/skip").get_json() is None
    assert house.store.take_stop_request(running) is Stop.SKIP
    assert client.post("/sdapi/v1/interrupt").get_json() == {}
    assert house.store.take_stop_request(running) is Stop.INTERRUPT
    assert house.store.take_stop_request(waiting) is Stop.NO
    assert client.get("/sdapi/v1/progress").get_json()["state"]["interrupted"] is True


def test_an_ended_task_is_remembered(house: Any) -> None:
    house.txt2img({"width": 64, "height": 64, "force_task_id": "task(mine)"})
    ask = {"id_task": "task(mine)"}
    assert house.client().post("/internal/progress", json=ask).get_json()["completed"] is True
    ask = {"id_task": "task(other)"}
    assert house.client().post("/internal/progress", json=ask).get_json()["completed"] is False
    assert house.client().post("/internal/progress", json={}).status_code == 422


def test_an_answer_is_kept_for_an_asker_who_left(build: Any) -> None:
    house = build(working=False)
    client, ask = house.client(), {"id_task": "t1"}
    put(house, "t1")
    assert client.post("/internal/answer", json=ask).status_code == 404  # nothing to give yet
    client.post("/internal/progress", json=ask)
    lease = house.store.take(WorkerId("w"), (), TIMEOUT)
    house.store.answer(lease, Answer(200, b'{"images": []}'), 1.0)
    assert client.post("/internal/answer", json=ask).get_json() == {"images": []}
    assert client.post("/internal/answer", json=ask).status_code == 404  # given once
    assert client.post("/internal/answer", json={}).status_code == 422


def test_a_pasted_infotext_is_taken_apart(house: Any) -> None:
    text = "a cat\nNegative prompt: dog\nSteps: 7, Sampler: Euler, Size: 320x192, RNG: NV"
    answer = house.client().post("/internal/infotext", json={"infotext": text}).get_json()
    told = answer["parameters"]
    assert (told["Prompt"], told["Negative prompt"], told["Steps"]) == ("a cat", "dog", "7")
    assert (told["Size-1"], told["RNG"], told["Clip skip"]) == ("320", "NV", "1")


def test_pending_tasks(build: Any) -> None:
    house = build(working=False)
    put(house, "t1")
    answer = house.client().get("/internal/pending-tasks").get_json()
    assert answer == {"size": 1, "tasks": ["t1"]}


def test_embeddings_that_do_not_fit_are_skipped(house: Any) -> None:
    for name in ("deliberate_v2", "painter"):
        write_model(house.data_dir / f"models/Stable-diffusion/{name}.safetensors")
    width = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
    models = house.data_dir / "models/Stable-diffusion"
    write_model(models / "wide.safetensors", name=width, shape=(2, 768))
    for name, size in (("fits", 768), ("larger", 1024)):
        path = house.data_dir / f"embeddings/{name}.safetensors"
        write_model(path, name="emb_params", shape=(4, size))
    house.registry.refresh()
    told = house.client().get("/sdapi/v1/embeddings").get_json()
    assert set(told["loaded"]) == {"fits", "larger"}  # the first checkpoint tells no width
    house.options.update({"sd_model_checkpoint": "wide"})
    told = house.client().get("/sdapi/v1/embeddings").get_json()
    entry = {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None, "vectors": 4}
    assert told["loaded"] == {"fits": entry | {"shape": 768}}
    assert told["skipped"] == {"larger": entry | {"shape": 1024}}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"prompt": ""}, "0/75"),
        ({"prompt": "a [cat:very large dog:0.5] <lora:x:1> # rest"}, "4/75"),
        ({"prompt": "cat " * 80}, "80/150"),
        ({"prompt": "a AND b", "negative": True}, "3/75"),
        ({"prompt": "a", "styles": ["long"]}, "3/75"),
        ({"prompt": "a", "styles": ["long"], "negative": True}, "4/75"),
        ({"prompt": "a zzyzx"}, "6/75"),
    ],
)
def test_tokens_are_counted(house: Any, body: object, text: str) -> None:
    words = "name,prompt,negative_prompt\nlong,{prompt} red cat,bad cat\n"
    (house.data_dir / "styles.csv").write_text(words)
    write_model(house.data_dir / "embeddings/zzyzx.safetensors", shape=(5, 768))
    house.registry.refresh()
    assert house.client().post("/internal/token-count", json=body).get_json()["text"] == text


def test_tokens_of_a_prompt_too_long_are_not_counted(house: Any) -> None:
    answer = house.client().post("/internal/token-count", json={"prompt": "a" * 20_001})
    assert answer.status_code == 422
    assert "20000" in answer.get_json()["detail"]


def test_a_drawing_is_queued_with_its_work_and_teaches_the_pace(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames: list[Frame] = []
    put = house.store.put
    monkeypatch.setattr(
        house.store, "put", lambda frame, *words: frames.append(frame) or put(frame, *words)
    )
    before = house.store.predict_seconds("generate", "", 9.0)
    size = {"width": 512, "height": 256, "steps": 4, "batch_size": 2, "n_iter": 3}
    assert house.txt2img({"prompt": "a", **size}).status_code == 200
    assert frames[0].work == pytest.approx(512 * 256 * 4 * 6 / 1e6)
    assert house.store.predict_seconds("generate", "", 9.0) != before


def test_probes(build: Any) -> None:
    house = build(working=False)
    client = house.client()
    assert client.get("/internal/ping").get_json() == {}
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    house.store.record_heartbeat(
        WorkerState(WorkerId("cpu"), "idle", "", "", time.time() + TIMEOUT)
    )
    assert client.get("/readyz").status_code == 200


def test_a_service_that_starts_workers_on_demand_is_ready_without_one(
    build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SUPERVISOR_VARIABLE, raising=False)
    alone = build(working=False, workers_min=0).client()
    assert alone.get("/readyz").status_code == 503  # nobody would start one
    monkeypatch.setenv(SUPERVISOR_VARIABLE, "1")
    answer = build(working=False, workers_min=0).client().get("/readyz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "asleep"})


@pytest.mark.parametrize(
    "path", ["/sdapi/v1/samplers/", "/sdapi//v1//samplers", "/sdapi/v1/samplers"]
)
def test_slashes_are_forgiven(house: Any, path: str) -> None:
    assert house.client().get(path).status_code == 200


def test_a_subpath_is_served_with_and_without_itself(build: Any) -> None:
    house = build(root_path="/sd")
    assert house.client().get("/sd/sdapi/v1/samplers").status_code == 200
    assert house.client().get("/sdapi/v1/samplers").status_code == 200
    assert house.client().get("/sdx/sdapi/v1/samplers").status_code == 404


def test_unknown_urls_and_methods(house: Any) -> None:
    answer = house.client().get("/sdapi/v1/nope")
    assert (answer.status_code, answer.get_json()) == (404, {"detail": "Not Found"})
    answer = house.client().post("/sdapi/v1/samplers")
    assert (answer.status_code, answer.get_json()) == (405, {"detail": "Method Not Allowed"})


def test_every_answer_tells_its_time_and_name(house: Any) -> None:
    for path in ("/sdapi/v1/samplers", "/sdapi/v1/nope", "/internal/ping"):
        answer = house.client().get(path, headers={"X-Request-Id": "abc-1"})
        assert float(answer.headers["X-Process-Time"]) >= 0
        assert answer.headers["X-Request-Id"] == "abc-1"
    evil = house.client().get("/internal/ping", headers={"X-Request-Id": "a b"})
    assert evil.headers["X-Request-Id"] != "a b"


def test_gzip_from_a_thousand_bytes(house: Any) -> None:
    client = house.client()
    answer = client.get("/sdapi/v1/samplers", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.data)) == client.get("/sdapi/v1/samplers").get_json()
    short = client.get("/internal/ping", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in short.headers
    refused = client.get("/sdapi/v1/samplers", headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers
    assert "Accept-Encoding" in refused.headers["Vary"]


def test_a_body_too_long_is_413(house: Any) -> None:
    house.app.config["MAX_CONTENT_LENGTH"] = 1000
    answer = house.client().post("/sdapi/v1/txt2img", data=b"x" * 2000)
    assert answer.status_code == 413
    assert {"error", "detail", "body", "errors"} <= set(answer.get_json())
    assert answer.get_json()["code"] == "too_large"


def test_a_body_without_a_length_is_413_too(house: Any) -> None:
    house.app.config["MAX_CONTENT_LENGTH"] = 1000
    environ = {"wsgi.input": io.BytesIO(b" " * 2000), "wsgi.input_terminated": True}
    answer = house.client().post("/sdapi/v1/txt2img", environ_overrides=environ)
    assert answer.status_code == 413


def test_cors_only_for_named_origins(build: Any) -> None:
    house = build(cors_allow_origins=("https://a.example",))
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    answer = house.client().options("/sdapi/v1/txt2img", headers=preflight)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
    other = preflight | {"Origin": "https://b.example"}
    answer = house.client().options("/sdapi/v1/txt2img", headers=other)
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_log_lines(build: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="easel")
    build(api_log=True, time_log=True).client().get("/sdapi/v1/samplers")
    assert "200 http/1.1 GET /sdapi/v1/samplers 127.0.0.1" in caplog.text
    assert "GET /sdapi/v1/samplers took" in caplog.text


def test_the_page_and_its_assets(house: Any) -> None:
    page = house.client().get("/")
    assert "Easel" in page.text
    assert page.headers["Cache-Control"] == "no-cache"
    asset = house.client().get("/assets/app-1a2b.js")
    assert "immutable" in asset.headers["Cache-Control"]
    assert house.client().get("/assets/../index.html").status_code == 404
    assert house.client().get("/assets/%2e%2e/index.html").status_code == 404


def test_assets_are_compressed_for_who_takes_it(house: Any, tmp_path: Path) -> None:
    text = b"export const a = 1;" * 500
    (tmp_path / "dist/assets/large-1a2b.js").write_bytes(text)
    plain = house.client().get("/assets/large-1a2b.js")
    assert plain.data == text
    small = house.client().get("/assets/large-1a2b.js", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(small.data) == text
    assert int(small.headers["Content-Length"]) == len(small.data) < 500
    assert small.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in small.headers["Vary"]
    assert "immutable" in small.headers["Cache-Control"]
    assert small.headers["ETag"] != plain.headers["ETag"]
    part = house.client().get(
        "/assets/large-1a2b.js", headers={"Accept-Encoding": "gzip", "Range": "bytes=0-5"}
    )
    assert part.data == text[:6]
    short = house.client().get("/assets/app-1a2b.js", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in short.headers
    assert house.client().get("/assets/../index.html").status_code == 404


def test_the_page_runs_its_own_scripts_alone(house: Any) -> None:
    policy = house.client().get("/").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy


def test_a_page_not_built_says_so(house: Any, tmp_path: Path) -> None:
    (tmp_path / "dist/index.html").unlink()
    answer = house.client().get("/")
    assert answer.status_code == 503
    assert "npm" in answer.get_json()["detail"]


def test_without_the_page_the_api_answers(build: Any) -> None:
    house = build(web_ui=False)
    answer = house.client().get("/")
    assert answer.status_code == 200
    assert "<script" not in answer.get_data(as_text=True)
    assert house.client().get("/sdapi/v1/samplers").status_code == 200


def test_openapi_knows_the_fields_of_txt2img(house: Any, goldens: Path) -> None:
    told_of = house.client().get("/openapi.json").get_json()
    name = "StableDiffusionProcessingTxt2Img"
    golden = json.loads((goldens / "openapi.json").read_text())["components"]["schemas"][name]
    ours = told_of["components"]["schemas"][name]["properties"]
    assert [name for name in ours if name != "deterministic"] == list(golden["properties"])
    for field, recorded in golden["properties"].items():
        assert ours[field]["type"] == recorded["type"], field
        if "default" in recorded and field != "denoising_strength":
            assert ours[field]["default"] == recorded["default"], field


def test_docs_need_nothing_from_outside(house: Any) -> None:
    page = house.client().get("/docs").text
    assert "openapi.json" in page
    assert "http://" not in page
    assert "https://" not in page


def test_session_tells_the_page_what_it_needs(house: Any) -> None:
    session = house.client().get("/api/session").get_json()
    assert {"user", "version", "edition", "filebrowser", "default_size", "checkpoint"} <= set(
        session
    )
    assert session["checkpoint"] == "deliberate_v2.safetensors"


def test_session_tells_which_sections_are_hidden(build: Any) -> None:
    house = build(hidden_tabs=("Train, modelmerger", "Settings"))
    client = house.client()
    client.post("/sdapi/v1/options", json={"hidden_tabs": ["Extras", "Settings", ""]})
    told = client.get("/api/session").get_json()["hidden_tabs"]
    assert told == ["Train", "modelmerger", "Settings", "Extras"]


def test_the_size_that_a_checkpoint_prefers(house: Any) -> None:
    folder = house.data_dir / "models/Stable-diffusion"
    write_checkpoint(folder / "a.safetensors", {"easel.preferred_size": "256x256"})
    write_tensors(folder / "xl.safetensors", {**unet(4, 2048), **XL_TEXT})
    house.registry.refresh()
    session = house.client().get("/api/session").get_json()
    assert (session["checkpoint"], session["default_size"]) == ("a.safetensors", 256)
    assert session["default_sizes"] == {
        "a.safetensors": 256, "deliberate_v2.safetensors": 512, "painter.safetensors": 512,
        "xl.safetensors": 1024,
    }  # fmt: skip


def test_events_tell_of_changes() -> None:
    changed, revision = threading.Event(), iter((1, 2))
    events = event_stream(changed, lambda: next(revision), lambda: True)
    assert next(events) == 'event: models\ndata: {"revision": 1}\n\n'
    changed.set()
    assert next(events) == 'event: models\ndata: {"revision": 2}\n\n'


def test_events_over_http(house: Any) -> None:
    before = list(house.registry._listeners)
    answer = house.client().get("/api/events")
    assert answer.content_type.startswith("text/event-stream")
    assert b"models" in next(answer.response)
    assert len(house.registry._listeners) == len(before) + 1
    answer.close()
    assert house.registry._listeners == before


def test_a_lost_frame_does_not_wait_for_ever(build: Any) -> None:
    house = build(working=False)
    with pytest.raises(Unavailable):
        wait_for_answer(house.store, house.store, "0" * 32, lambda: False)
