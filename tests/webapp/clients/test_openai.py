"""``openai``, OpenAI's own Python client, drives a whole Easel."""

import base64
import urllib.request
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.image_compare import is_same_drawing
from tests.wait import TIMEOUT
from tests.webapp.easel_server import serve_easel
from tests.webapp.web_process import web_process

openai = pytest.importorskip("openai", reason="openai is not installed; make test does it")
SMALL: dict[str, Any] = {"prompt": "a red house", "size": "64x64"}
QUICK = {"steps": 2, "seed": 7}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """The client, speaking to a real port, and the service behind it."""
    torch.set_num_threads(1)
    with serve_easel(tmp_path_factory.mktemp("easel") / "data") as (service, url):
        yield openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0), service


@pytest.fixture(scope="module")
def api(server: tuple[Any, Any]) -> Any:
    """The client alone."""
    return server[0]


def picture_of(entry: Any) -> Image.Image:
    """A picture of an answer."""
    return Image.open(BytesIO(base64.b64decode(entry.b64_json)))


def png(size: tuple[int, int] = (64, 64), clear: tuple[int, int] = (0, 0)) -> tuple[str, bytes]:
    """A red picture as a file, transparent in a part of the size ``clear``."""
    image, file = Image.new("RGBA", size, (200, 30, 30, 255)), BytesIO()
    image.paste((0, 0, 0, 0), (0, 0, *clear))
    image.save(file, "PNG")
    return "picture.png", file.getvalue()


def test_models(api: Any) -> None:
    names = [model.id for model in api.models.list()]
    assert names == ["easel-default.safetensors", "second.safetensors"]
    assert api.models.retrieve(names[1]).object == "model"
    with pytest.raises(openai.NotFoundError) as missing:
        api.models.retrieve("gpt-image-2")
    assert missing.value.code == "model_not_found"


def test_generate_draws_what_txt2img_draws(server: tuple[Any, Any]) -> None:
    api, service = server
    answer = api.images.generate(
        **SMALL, model="second.safetensors", n=2, output_format="png", extra_body=QUICK
    )
    assert (answer.size, answer.output_format, answer.usage) == ("64x64", "png", None)
    assert answer.easel["seeds"] == [7, 8]
    assert answer.easel["comments"] == []
    body = {"prompt": SMALL["prompt"], "width": 64, "height": 64, "n_iter": 2, **QUICK}
    theirs = service.post("/sdapi/v1/txt2img", body).body["images"]
    for entry, image in zip(answer.data, theirs, strict=True):
        drawn = picture_of(entry)
        assert is_same_drawing(drawn, Image.open(BytesIO(base64.b64decode(image))))
        assert "Seed: " in drawn.info["parameters"]


def test_unknown_models_and_idle_words_are_told(api: Any) -> None:
    answer = api.images.generate(
        **SMALL, model="gpt-image-2", quality="high", user="ann", extra_body=QUICK
    )
    assert [text.partition(":")[0] for text in answer.easel["comments"]] == [
        "model", "quality", "user",
    ]  # fmt: skip
    assert picture_of(answer.data[0]).size == (64, 64)


def test_addresses(api: Any) -> None:
    answer = api.images.generate(
        **SMALL, model="dall-e-3", n=2, output_format="webp", extra_body=QUICK
    )
    assert len({entry.url for entry in answer.data}) == 2
    for entry in answer.data:
        with urllib.request.urlopen(entry.url, timeout=TIMEOUT) as file:
            assert file.headers["Content-Type"] == "image/webp"
            assert Image.open(BytesIO(file.read())).size == (64, 64)


def test_edits(api: Any) -> None:
    masked = {"image": png(), "mask": png(clear=(32, 64)), "prompt": "a blue house"}
    edited = picture_of(api.images.edit(**masked, extra_body=QUICK).data[0])
    assert edited.getpixel((60, 30)) == (200, 30, 30)  # outside the mask nothing changes
    assert edited.getpixel((4, 30)) != (200, 30, 30)
    both = api.images.edit(image=[png(), png()], prompt="a blue house", n=1, extra_body=QUICK)
    assert len(both.data) == 2
    override = {"override_settings": {"CLIP_stop_at_last_layers": 2}, "styles": ["ink"]}
    told = api.images.edit(image=png(), prompt="a house", extra_body={**QUICK, **override})
    assert "Clip skip: 2" in picture_of(told.data[0]).info["parameters"]
    assert "ink of a house" in picture_of(told.data[0]).info["parameters"]


def test_refusals_are_the_exceptions_that_the_client_knows(api: Any) -> None:
    for call, param in (
        (lambda: api.images.generate(prompt="a", n=0), "n"),
        (lambda: api.images.generate(prompt="a", size="99999x1"), "size"),
        (lambda: api.images.generate(prompt="a", stream=True), "stream"),
        (lambda: api.images.edit(prompt="a", image=("x.png", b"no picture")), "image"),
        (lambda: api.images.edit(prompt="a", image=png(), mask=png((8, 8), (4, 4))), "mask"),
        (lambda: api.images.generate(prompt="a", extra_body={"steps": -1}), "steps"),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            call()
        assert refused.value.param == param
        assert refused.value.type == "invalid_request_error"
        assert param in refused.value.body["message"]
    with pytest.raises(openai.NotFoundError):
        api.chat.completions.create(model="x", messages=[])


def status_of(call: Callable[[], Any]) -> tuple[int, str]:
    """The status and the type of a refusal."""
    with pytest.raises(openai.APIStatusError) as refused:
        call()
    return refused.value.status_code, refused.value.type


def test_refusals_of_the_real_web_process(tmp_path: Path) -> None:
    with web_process(tmp_path, "--token=s3cret-token", "--read-token=reading-token") as web:

        def client(token: str) -> Any:
            return openai.OpenAI(base_url=f"{web.url}/v1", api_key=token, max_retries=0)

        many = {f"field{number}": "1" for number in range(200)}
        owner, reader, guesser = client("s3cret-token"), client("reading-token"), client("wrong")
        assert [model.object for model in owner.models.list()] == []
        assert status_of(guesser.models.list) == (401, "authentication_error")
        assert status_of(lambda: reader.images.generate(**SMALL)) == (403, "permission_error")
        for call, status in (
            (lambda: owner.images.generate(prompt="a", size="abc"), 400),
            (lambda: owner.images.edit(prompt="a", image=("x.png", b"")), 400),
            (lambda: owner.get("/nothing", cast_to=object), 404),
            (lambda: owner.post("/models", cast_to=object), 405),
            (lambda: owner.images.edit(prompt="a", image=png(), extra_body=many), 413),
        ):
            assert status_of(call) == (status, "invalid_request_error")
        statuses = [status_of(guesser.models.list) for _ in range(10)]
        assert statuses[-1] == (429, "rate_limit_error")
