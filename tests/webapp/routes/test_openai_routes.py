"""``/v1`` asked by hand: what each field comes to, and every refusal in OpenAI's form."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from generator.request import Generation
from tests.webapp.conftest import pretend, write_checkpoint
from webapp.access.credentials import build_credentials
from webapp.access.scopes import AccessScope
from webapp.access.tokens import narrow_tokens
from webapp.http.openai_errors import openai_error
from webapp.queues.contracts.frame import Answer

DRAW, EDIT = "/v1/images/generations", "/v1/images/edits"
SMALL = {"prompt": "a red house", "size": "64x64"}
BOUNDARY = "----easel"


def png(size: tuple[int, int] = (64, 64), clear: tuple[int, int] | None = None) -> bytes:
    """A red picture; its upper left part of the size ``clear`` is transparent."""
    image = Image.new("RGBA", size, (200, 30, 30, 255))
    if clear:
        image.paste((0, 0, 0, 0), (0, 0, *clear))
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def form(*parts: tuple[str, bytes | str]) -> dict[str, Any]:
    """A multipart body; bytes are files."""
    body = b""
    for name, value in parts:
        is_file = isinstance(value, bytes)
        head = f'Content-Disposition: form-data; name="{name}"' + '; filename="x"' * is_file
        data = value if isinstance(value, bytes) else value.encode()
        body += f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"
    data = body + f"--{BOUNDARY}--\r\n".encode()
    return {"data": data, "content_type": f"multipart/form-data; boundary={BOUNDARY}"}


def refusal(answer: Any, status: int = 400) -> dict[str, Any]:
    """The error of a refusal, whose form is checked."""
    assert answer.status_code == status, answer.get_data(as_text=True)
    body = answer.get_json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["message"]
    error: dict[str, Any] = body["error"]
    return error


def pictures(answer: Any) -> Iterator[Image.Image]:
    """The pictures in an answer."""
    assert answer.status_code == 200, answer.get_data(as_text=True)
    for entry in answer.get_json()["data"]:
        yield Image.open(BytesIO(base64.b64decode(entry["b64_json"])))


# -- drawing -----------------------------------------------------------------------------------


def test_pictures_in_the_format_asked_for(house: Any) -> None:
    body = {**SMALL, "n": 3, "output_format": "webp", "output_compression": 60, "model": "painter"}
    answer = house.client().post(DRAW, json={**body, "negative_prompt": "grey", "seed": 5})
    assert [(p.format, p.size) for p in pictures(answer)] == [("WEBP", (64, 64))] * 3
    told = answer.get_json()
    assert (told["output_format"], told["size"]) == ("webp", "64x64")
    assert told["created"] > 1_700_000_000
    assert "usage" not in told
    assert told["easel"] == {"model": "painter", "seeds": [5, 6, 7], "comments": []}
    job = house.jobs[-1]
    assert job.request.negative_prompt == "grey"
    assert job.request.checkpoint == "painter.safetensors"
    assert (job.request.sampling.steps, job.answer_quality, job.save) == (20, 60, None)


def test_what_is_not_done_as_asked_is_told(house: Any) -> None:
    body = {
        **SMALL, "size": "auto", "model": "gpt-image-2", "quality": "hd", "style": "vivid",
        "background": "transparent", "user": "ann", "moderation": "auto", "frame_count": 3,
        "output_compression": 7,
    }  # fmt: skip
    answer = house.client().post(DRAW, json=body)
    assert [p.size for p in pictures(answer)] == [(512, 512)]
    comments = house.jobs[-1].request.remarks  # the engine repeats them
    assert [sentence.partition(":")[0] for sentence in comments] == [
        "model", "quality", "style", "background", "user", "output_compression", "'frame_count'",
    ]  # fmt: skip


def test_an_odd_size_is_told_with_the_one_that_is_drawn(house: Any) -> None:
    assert house.client().post(DRAW, json={**SMALL, "size": "65x79"}).status_code == 200
    (told,) = house.jobs[-1].request.remarks
    assert told == "size: 65x79 is drawn as 64x72; sides are multiples of 8."


@pytest.mark.parametrize(
    "body",
    [{"response_format": "url"}, {"model": "dall-e-3"}, {"alwayson_scripts": {"save_dir": "o"}}],
)
def test_addresses_open_the_saved_pictures_for_anybody(build: Any, body: dict[str, Any]) -> None:
    narrow = narrow_tokens(AccessScope.GENERATE, ["drawing-token"])
    house = build(build_credentials("s3cret-token", narrow=narrow))
    asked = {**SMALL, "response_format": "url", **body, "n": 2, "output_format": "jpeg"}
    headers = {"Authorization": "Bearer drawing-token", "X-Forwarded-Proto": "https"}
    told = house.client().post(DRAW, json=asked, headers=headers).get_json()
    urls = [urlsplit(entry["url"]) for entry in told["data"]]
    assert [(url.scheme, url.netloc) for url in urls] == [("https", "localhost")] * 2
    assert str(house.data_dir) not in json.dumps(told)
    for url in urls:
        answer = house.client().get(f"{url.path}?{url.query}")
        assert Image.open(BytesIO(answer.data)).format == "JPEG"
        assert house.client().get(url.path).status_code == 401


def test_auto_is_what_the_named_checkpoint_draws_best(house: Any) -> None:
    small = house.data_dir / "models/Stable-diffusion/small.safetensors"
    write_checkpoint(small, {"easel.preferred_size": "256x256"})
    house.registry.refresh()
    for model, side in (("small", 256), ("painter", 512), ("gpt-image-2", 512)):
        answer = house.client().post(DRAW, json={"prompt": "a", "model": model})
        assert [p.size for p in pictures(answer)] == [(side, side)]


def test_a_sheet_is_none_of_the_pictures(house: Any) -> None:
    answer = house.client().post(DRAW, json={**SMALL, "n": 2, "save_images": True})
    assert len(list(pictures(answer))) == 2
    assert len(list((house.data_dir / "outputs").rglob("*.png"))) == 2


def test_a_stopped_job_answers_what_it_drew_and_says_so(house: Any) -> None:
    house.draw = lambda job: replace(pretend(job), stopped=True)
    answer = house.client().post(DRAW, json=SMALL)
    assert len(list(pictures(answer))) == 1
    assert "stopped" in answer.get_json()["easel"]["comments"][0]
    linked = house.client().post(DRAW, json={**SMALL, "response_format": "url"})
    assert refusal(linked, 409)["code"] == "job_stopped"  # its last batch is not saved


def test_a_stopped_job_without_a_picture_is_no_answer(house: Any) -> None:
    house.draw = lambda job: Generation((), "painter", None, None, None, 1, {}, "", 0.1, 0.1, True)
    answer = house.client().post(DRAW, json=SMALL)
    assert refusal(answer, 409)["code"] == "job_stopped"
    assert answer.headers["x-should-retry"] == "false"


# -- editing -----------------------------------------------------------------------------------


def test_the_transparent_part_of_the_mask_is_repainted(house: Any) -> None:
    parts = (("image", png()), ("mask", png(clear=(32, 64))), ("prompt", "a barn"), ("steps", "7"))
    answer = house.client().post(EDIT, **form(*parts))
    assert [p.size for p in pictures(answer)] == [(64, 64)]
    request = house.jobs[-1].request
    assert (request.prompt, request.sampling.steps) == ("a barn", 7)
    assert request.origin.mask.invert
    assert not request.origin.mask.only_masked


def test_a_transparent_picture_is_its_own_mask_and_an_opaque_one_has_none(house: Any) -> None:
    for image, masked in ((png(clear=(9, 9)), True), (png(), False)):
        answer = house.client().post(EDIT, **form(("image", image), ("prompt", "a barn")))
        assert answer.status_code == 200
        assert (house.jobs[-1].request.origin.mask is not None) is masked


def test_sizes_of_edits(house: Any) -> None:
    for size, asked, drawn in (
        ((1203, 77), "auto", (1200, 72)),
        ((3000, 1500), "auto", (1448, 720)),
        ((64, 64), "128x64", (128, 64)),
    ):
        body = form(("image", png(size)), ("prompt", "a barn"), ("size", asked))
        assert [p.size for p in pictures(house.client().post(EDIT, **body))] == [drawn]
        assert house.jobs[-1].request.origin.resize_mode == 1


def test_several_images_are_edited_one_by_one(house: Any) -> None:
    parts = (("image[]", png()), ("image[]", png()), ("prompt", "a barn"), ("n", "2"))
    answer = house.client().post(EDIT, **form(*parts))
    assert len(list(pictures(answer))) == 4
    assert "each is edited by itself" in house.jobs[-1].request.remarks[0]


def test_objects_in_forms_and_pictures_in_json(house: Any) -> None:
    parts = (
        ("image", png()), ("prompt", "a barn"), ("styles[]", "none"),
        ("override_settings[CLIP_stop_at_last_layers]", "2"), ("alwayson_scripts", '{"uid": "u"}'),
    )  # fmt: skip
    assert house.client().post(EDIT, **form(*parts)).status_code == 200
    assert house.jobs[-1].request.options.CLIP_stop_at_last_layers == 2
    assert house.jobs[-1].extras.uid == "u"
    text = "data:image/png;base64," + base64.b64encode(png(clear=(9, 9))).decode()
    for body in ({"image": text}, {"images": [{"image_url": text}], "mask": {"image_url": text}}):
        answer = house.client().post(EDIT, json={"prompt": "a barn", **body})
        assert answer.status_code == 200
        assert house.jobs[-1].request.origin.mask is not None


# -- refusals ----------------------------------------------------------------------------------


BAD_FIELDS: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({}, "prompt", "missing_required_parameter"),
    ({"prompt": None}, "prompt", "missing_required_parameter"),
    ({"prompt": ["a"]}, "prompt", "invalid_type"),
    ({"prompt": "a" * 20_001}, "prompt", "invalid_value"),
    ({"n": 0}, "n", "invalid_value"),
    ({"n": 1000}, "n", "invalid_value"),
    ({"n": "many"}, "n", "invalid_type"),
    ({"size": "abc"}, "size", "invalid_value"),
    ({"size": "99999x1"}, "size", "invalid_value"),
    ({"size": "64x64", "width": 64}, "size", "invalid_value"),
    ({"stream": True}, "stream", "invalid_value"),
    ({"partial_images": 2}, "partial_images", "invalid_value"),
    ({"response_format": "png"}, "response_format", "invalid_value"),
    ({"output_format": "gif"}, "output_format", "invalid_value"),
    ({"output_compression": 101}, "output_compression", "invalid_value"),
    ({"batch_size": 2}, "batch_size", "invalid_value"),
    ({"steps": 0}, "steps", "invalid_value"),
    ({"cfg_scale": "high"}, "cfg_scale", "invalid_type"),
    ({"override_settings": {"nothing": 1}}, "override_settings", "invalid_value"),
    ({"refiner_checkpoint": "nobody"}, "refiner_checkpoint", "invalid_value"),
)
BAD_FORMS: tuple[tuple[Any, str], ...] = (
    ((), "prompt"),
    ((("prompt", "a"),), "image"),
    ((("prompt", "a"), ("image", b"no picture")), "image"),
    ((("prompt", "a"), ("image", b"")), "image"),
    ((("prompt", "a"), ("image", png()), ("mask", png((32, 64), (9, 9)))), "mask"),
    ((("prompt", "a"), ("image", png()), ("mask", png())), "mask"),
    ((("prompt", "a"), ("image", png()), ("mask", b"GIF89a")), "mask"),
    ((("prompt", "a"), ("image", png()), *(("mask", png(clear=(9, 9))),) * 2), "mask"),
    ((("prompt", "a"), *(("image", png()),) * 2, ("mask", png(clear=(9, 9)))), "mask"),
    ((("prompt", "a"), *(("image[]", png((8, 8))),) * 17), "image"),
    ((("prompt", "a"), ("image", png()), ("markup", png())), "markup"),
    ((("prompt", "a"), ("image", png()), ("steps", "few")), "steps"),
    ((("prompt", "a"), ("image", png()), ("n[]", "1"), ("n[a]", "1")), "n"),
    ((("prompt", "a"), ("image", png()), ("a[b][c]", "1")), "a[b][c]"),
    ((("prompt", "a"), ("image", png()), ("override_settings", "{1")), "override_settings"),
)
UNREADABLE: tuple[tuple[str, dict[str, Any]], ...] = (
    (DRAW, {"data": b'{"prompt": "a", '}),
    (DRAW, {"data": b""}),
    (DRAW, {"data": b"[1]"}),
    (DRAW, form(("prompt", "a"))),
    (EDIT, {"data": b"{"}),
    (EDIT, {"data": b"--x\r\n", "content_type": "multipart/form-data"}),
    (EDIT, {"data": b"--x\r\nno head", "content_type": "multipart/form-data; boundary=x"}),
    (EDIT, {**form(("prompt", "a")), "data": form(("prompt", "a"))["data"][:-9]}),
)


def test_refusals_name_the_field(house: Any) -> None:
    client = house.client()
    for body, param, code in BAD_FIELDS:
        asked = body if "prompt" in body or not body else {"prompt": "a", **body}
        error = refusal(client.post(DRAW, json=asked))
        assert (error["param"], error["code"]) == (param, code), (body, error)
        assert error["type"] == "invalid_request_error"
    for parts, param in BAD_FORMS:
        error = refusal(client.post(EDIT, **form(*parts)))
        assert error["param"] == param, ([name for name, _ in parts], error)
    for path, unreadable in UNREADABLE:
        error = refusal(client.post(path, **unreadable))
        assert error["type"] == "invalid_request_error", unreadable
    assert house.jobs == []


def test_a_form_has_bounds(house: Any) -> None:
    many = form(*(("prompt", "a"),) * 201)
    assert refusal(house.client().post(EDIT, **many), 413)["code"] == "request_too_large"
    for path in (DRAW, EDIT):
        huge = house.client().post(
            path, data=b"{}", environ_overrides={"CONTENT_LENGTH": "999999999"}
        )
        assert refusal(huge, 413)["code"] == "request_too_large"


# -- models, and what is refused before a route is reached ----------------------------------------


def test_models_are_listed_and_told_one_by_one(
    build: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="easel")
    client = build(api_log=True).client()
    listed = client.get("/v1/models").get_json()
    assert listed["object"] == "list"
    assert "GET /v1/models 127.0.0.1" in caplog.text
    assert {m["id"] for m in listed["data"]} == {"painter.safetensors", "deliberate_v2.safetensors"}
    for entry in listed["data"]:
        assert set(entry) == {"id", "object", "created", "owned_by"}
        assert client.get(f"/v1/models/{entry['id']}").get_json() == entry
    assert client.get("/v1/models/painter").get_json()["id"] == "painter.safetensors"
    assert refusal(client.get("/v1/models/gpt-image-2"), 404)["code"] == "model_not_found"


def test_errors_before_a_route_is_reached_have_the_form_too(build: Any) -> None:
    reading = narrow_tokens(AccessScope.READ, ["reading-token"])
    house = build(build_credentials("s3cret-token", narrow=reading))
    owner, reader = house.client(authorization="Bearer s3cret-token"), house.client()
    reader.environ_base["HTTP_AUTHORIZATION"] = "Bearer reading-token"
    nobody, page = house.client(), {"Accept": "text/html"}
    wrong = {"Authorization": "Bearer wrong"}
    for answer, status, type, code in (
        (nobody.get("/v1/models", headers=page), 401, "authentication_error", "invalid_api_key"),
        (nobody.get("/v1/models", headers=wrong), 401, "authentication_error", "invalid_api_key"),
        (reader.post(DRAW, json=SMALL), 403, "permission_error", "forbidden"),
        (owner.get("/v1/nothing"), 404, "invalid_request_error", "unknown_url"),
        (owner.get("/v1"), 404, "invalid_request_error", "unknown_url"),
        (owner.get(DRAW), 405, "invalid_request_error", "method_not_supported"),
    ):  # fmt: skip
        error = refusal(answer, status)
        assert (error["type"], error["code"]) == (type, code)
    assert owner.get(DRAW).headers["Allow"]
    assert owner.get("/sdapi/v1/nothing").get_json() == {"detail": "Not Found"}
    for _ in range(12):
        last = house.client().get("/v1/models", headers=wrong)
    assert refusal(last, 429)["type"] == "rate_limit_error"
    assert int(last.headers["Retry-After"]) > 0


def test_limits_and_failures_of_a_job(build: Any) -> None:
    house = build(max_job_megapixel_steps=0)
    assert "--max-job" in refusal(house.client().post(DRAW, json=SMALL))["message"]
    house = build(max_queued_jobs=0)
    assert refusal(house.client().post(DRAW, json=SMALL), 429)["code"] == "rate_limit_exceeded"
    narrow = narrow_tokens(AccessScope.GENERATE, ["drawing-token"])
    house = build(build_credentials("s3cret-token", narrow=narrow), max_waiting_requests=0)
    full = house.client(authorization="drawing-token").post(DRAW, json=SMALL)
    assert refusal(full, 503)["code"] == "service_unavailable"
    assert full.headers["Retry-After"]


def test_a_failed_drawing_is_a_server_error(house: Any) -> None:
    def fail(job: Any) -> Generation:
        raise MemoryError("no room")

    house.draw = fail
    answer = house.client().post(DRAW, json=SMALL)
    error = refusal(answer, 500)
    assert (error["type"], error["code"]) == ("server_error", "out_of_memory_error")
    assert answer.headers["x-should-retry"] == "false"


def test_a_page_of_another_program_is_an_error_too() -> None:
    answer, _ = openai_error(Answer(503, b"<html>"), "GET /v1/models")
    error = json.loads(answer.body)["error"]
    assert (error["type"], error["code"]) == ("server_error", "service_unavailable")


def test_origins_of_the_api_may_ask(build: Any) -> None:
    house = build(cors_allow_origins=("https://chat.example",))
    headers = {
        "Origin": "https://chat.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = house.client().options(DRAW, headers=headers)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "https://chat.example"
    bad = house.client().post(DRAW, json={}, headers={"Origin": "https://chat.example"})
    assert refusal(bad)["param"] == "prompt"
    assert bad.headers["Access-Control-Allow-Origin"] == "https://chat.example"
