"""What asks for too much is refused by the web process itself, before anything is built."""

import base64
import io
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from tests.wait import TIMEOUT
from tests.webapp.conftest import write_model
from tests.webapp.web_process import WebProcess, web_process

PLOT = "x/y/z plot"
REST = [True, False, False, False, False, False, False, 0, True]  # of a plot's arguments
FROM_FILE, MATRIX = "prompts from file or textbox", "prompt matrix"


def picture(side: int = 512) -> str:
    """A white picture in base64."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), "white").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def plot(*values: str, kind: int = 4, **more: object) -> dict[str, object]:
    """A plot of steps along up to three axes."""
    axes: list[object] = []
    for text in (*values, "", "", "")[:3]:
        axes += [kind if text else 0, text, []]
    return {"script_name": PLOT, "script_args": [*axes, *REST], **more}


def script(name: str, *arguments: object, **more: object) -> dict[str, object]:
    """A body with a script, its last arguments as they are by default."""
    if name == "img2img alternative test":
        arguments = (*arguments, 1.0, 0.0, False)
    return {"script_name": name, "script_args": list(arguments), **more}


HUNDRED = "1-100"
SIDE = {"init_images": [picture()], "width": 64, "height": 64}
TXT2IMG: dict[str, tuple[dict[str, Any], str]] = {
    "breaks": ({"prompt": "a BREAK " * 2000}, "prompt: 2,001 chunks between BREAK"),
    "parts": ({"prompt": "a AND " * 200}, "201 parts between AND; at most 32"),
    "brackets": ({"prompt": "(" * 3000 + "cat"}, "3,000 opening brackets; at most 1,000"),
    "negative": ({"negative_prompt": "[" * 3000}, "negative_prompt: 3,000 opening brackets"),
    "weight": ({"prompt": "(" * 200 + "cat" + ")" * 200}, "the weight of 'cat' is 1.9e+08"),
    "hires": (
        {"enable_hr": True, "denoising_strength": 0.5, "hr_prompt": "|" * 5000},
        "hr_prompt: 5,000 choices",
    ),
    "networks": (
        {"prompt": "".join(f"<lora:a{n}:1>" for n in range(99))},
        "99 different networks in tags; at most 64",
    ),
    "blocks": (
        {"prompt": "a<lora:x:1:lbw=1,0,1>"},
        "prompt: <lora:x:1:lbw=1,0,1>: lbw has 3 numbers; it takes 17 or 26 for Stable Diffusion",
    ),
    "blocks of hires fix": (
        {"enable_hr": True, "denoising_strength": 0.5, "hr_prompt": "<lora:x:1:1:lbw=NOWHERE>"},
        "hr_prompt: <lora:x:1:1:lbw=NOWHERE>: lbw is 'NOWHERE'; it takes",
    ),
    "choices": ({"prompt": "{" + "|" * 9000 + "}"}, "9,000 choices between |; at most 1,000"),
    "edits": ({"prompt": "[a|b]" * 800, "steps": 1000}, "pieces of text in edits"),
    "styles": ({"styles": ["a"] * 5000}, "5,000 styles; at most 200"),
    "three axes": (plot(HUNDRED, HUNDRED, HUNDRED), "1,000,000 pictures; at most 1,000"),
    "a fine step": (plot("1-1000000 (+0.001)", kind=6), "999,999,001 values"),
    "a count": (plot("1-10 [100000000]"), "100,000,000 values; at most 1,000"),
    "a long span": (plot("1-999999999999"), "999,999,999,999 values"),
    "many texts": (plot("1," * 50_000), "at most 1,000"),
    "orders": (plot(",".join("abcdefghij"), kind=8), "10 parts have more orders"),
    "batches": (plot("1-100", n_iter=100), "10,000 pictures; at most 1,000"),
    "a long number": (plot("(" + "1" * 40_000 + ")-1 (+" + "1" * 40_000), "is not a whole number"),
    "matrix": (
        script(MATRIX, False, False, "positive", "comma", 0, prompt="a|" * 30),
        "30 parts after | are 1,073,741,824 pictures",
    ),
    "matrix beyond": (
        script(MATRIX, False, False, "negative", "comma", 0, negative_prompt="a|" * 900),
        "2 to the power of 900 pictures",
    ),
    "search": (
        plot("a," + "b" * 9000, kind=7, prompt="a" * 9000),
        "a prompt of 81,000,000 characters; at most 40,000",
    ),
    "detailer": (
        {"alwayson_scripts": {"detailer": {"enabled": True, "prompt": "(" * 1500}}},
        "alwayson_scripts.detailer.prompt: 1,500 opening brackets",
    ),
    "lines": (script(FROM_FILE, False, False, "start", "a\n" * 5000), "5,000 pictures"),
    "text": (script(FROM_FILE, False, False, "start", "a" * 600_000), "600,000 characters"),
}
IMG2IMG: dict[str, tuple[dict[str, Any], str]] = {
    "alternative": (
        script(
            "img2img alternative test",
            "",
            True,
            True,
            "BREAK " * 900,
            "",
            True,
            20,
            True,
            1.0,
            0.0,
            False,
        )
        | {"init_images": [picture()]},
        "901 chunks between BREAK",
    ),
    "loops": (script("loopback", 32, 0.5, "Linear", "None", n_iter=1000, **SIDE), "at most 1,000"),
    "tiles": (script("sd upscale", "", 60, "None", 4, **SIDE), "pictures; at most 1,000"),
    "tiles of grown": (
        script("poor man's outpainting", 40, 4, "fill", ["left", "right", "up", "down"])
        | {"init_images": [picture(1024)], "width": 48, "height": 48},
        "pictures; at most 1,000",
    ),
    "sides": (
        script("outpainting mk2", "", 64, 8, ["left", "up"], 1.0, 0.05, n_iter=999, **SIDE),
        "1,998 pictures; at most 1,000",
    ),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """A web process without a worker: what it lets through would wait for ever."""
    data = tmp_path_factory.mktemp("data")
    write_model(data / "models/Stable-diffusion/a.safetensors")
    with web_process(data) as process:
        yield process


def refusal_of(service: WebProcess, path: str, body: object) -> str:
    """The sentence of an answer that is 422."""
    asked = urllib.request.Request(
        service.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(asked, timeout=TIMEOUT)
    told = caught.value.read().decode()
    assert caught.value.code == 422, told
    return str(json.loads(told)["detail"])


@pytest.mark.parametrize("name", TXT2IMG)
def test_txt2img_is_refused_with_the_figures(service: WebProcess, name: str) -> None:
    body, words = TXT2IMG[name]
    told = refusal_of(service, "/sdapi/v1/txt2img", {"prompt": "a", "steps": 20, **body})
    assert words in told
    assert len(told) < 250


@pytest.mark.parametrize("name", IMG2IMG)
def test_img2img_is_refused_with_the_figures(service: WebProcess, name: str) -> None:
    body, words = IMG2IMG[name]
    assert words in refusal_of(service, "/sdapi/v1/img2img", {"prompt": "a", "steps": 20, **body})


@pytest.mark.parametrize("name", ["breaks", "parts", "brackets", "weight", "choices"])
def test_the_token_counter_judges_alike(service: WebProcess, name: str) -> None:
    body, words = TXT2IMG[name]
    assert words in refusal_of(service, "/internal/token-count", {"prompt": body["prompt"]})
