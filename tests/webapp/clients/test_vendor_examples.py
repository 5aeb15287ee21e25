"""The guide's own examples, run as they stand there: only address and token are filled in."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from werkzeug.serving import make_server

from tests.wait import TIMEOUT
from tests.webapp.conftest import write_checkpoint, write_model
from tests.webapp.http.fetch_listener import answer, listen
from tests.webapp.requests.request_pictures import PICTURE
from webapp.access.credentials import build_credentials

TOKEN = "MmQ3ZGRmNGM"
CHECKPOINTS = ("v1-5-pruned-emaonly.safetensors", "deliberate_v2.safetensors")


@pytest.fixture
def guide(shared: Path) -> str:
    """The vendor's guide."""
    return (shared / "reference/vendor-guide.zh.txt").read_text(encoding="utf-8")


@pytest.fixture
def house_and_url(build: Any) -> Iterator[tuple[Any, str]]:
    """A house with a token, on a real socket; the house and its address."""
    house = build(build_credentials(TOKEN))
    for name in CHECKPOINTS:
        write_checkpoint(house.data_dir / "models/Stable-diffusion" / name)
    server = make_server("127.0.0.1", 0, house.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield house, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def run_python(code: str, folder: Path) -> str:
    """Run an example; what it printed."""
    environ = {**os.environ, "NO_PROXY": "*"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def example(guide: str, first: str, last: str, address: str) -> str:
    """The guide's text from one line to another, filled in."""
    start = guide.index(first)
    text = guide[start : guide.index(last, start) + len(last)]
    return (
        text.replace("<调用地址>", address)
        .replace("<service_url>", address)
        .replace("<Token>", TOKEN)
        .replace("<token>", TOKEN)
    )


def test_python_saving_locally(guide: str, house_and_url: Any, tmp_path: Path) -> None:
    house, address = house_and_url
    code = example(guide, "import requests\nimport base64", 'image.save("output.png")', address)
    run_python(code, tmp_path)
    assert Image.open(tmp_path / "output.png").size == (512, 512)
    assert house.jobs[0].request.sampling.steps == 25


def test_python_saving_to_the_mount(guide: str, house_and_url: Any, tmp_path: Path) -> None:
    house, address = house_and_url
    part = guide[guide.index("图片保存至OSS") :]
    code = example(part, "import requests", "print(img_oss_path)", address)
    printed = run_python(code, tmp_path).split()
    assert len(printed) == 1
    inner = printed[0].removeprefix("oss://examplebucket/data-oss/")
    assert re.match(r"outputs/txt2img-images/\d{4}-\d\d-\d\d/[0-9a-f-]{36}-\d+\.png$", inner)
    assert (house.data_dir / inner).is_file()
    assert house.jobs[0].request.checkpoint == CHECKPOINTS[0]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("which", ["发送同步接口请求示例如下", "发送异步接口请求示例如下"])
def test_curl(guide: str, house_and_url: Any, which: str) -> None:
    house, address = house_and_url
    script = example(guide[guide.index(which) :], "curl --location", "}'", address)
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    answer = json.loads(done.stdout)
    assert (answer["images"], answer["info"]) == ([], "")
    facts = answer["parameters"]
    seeds = [int(seed) for seed in facts["seed"].split(",")]
    assert seeds[1] == seeds[0] + 1
    grid, *pictures = facts["image_url"].split(",")
    assert "/txt2img-grids/" in grid
    assert [f"-{seed}.png" in url for seed, url in zip(seeds, pictures, strict=True)] == [True] * 2
    assert facts["status"] == 0
    assert house.jobs[0].request.checkpoint == CHECKPOINTS[1]
    if "异步" in which:
        assert facts["id_task"] == "14837"
        assert grid.startswith("/code/stable-diffusion-webui/data/tmp/outputs/")
    else:
        assert grid.startswith("/code/stable-diffusion-webui/data-oss/outputs/")


def bodies(guide: str) -> Iterator[str]:
    """Every body that the guide prints for txt2img and img2img, remarks and all."""
    for mark in (
        "请求体配置示例如下",
        "txt2img请求和返回示例",
        "img2img请求数据格式示例",
        "txt2img使用controlnet的数据格式",
    ):
        yield first_object(guide[guide.index("{", guide.rindex(mark)) :])


def first_object(text: str) -> str:
    """The object that a text begins with, to its last brace."""
    depth = 0
    for at, sign in enumerate(text):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth == 0:
            return text[: at + 1]
    raise AssertionError(text)


def test_every_printed_body_is_drawn_as_it_is_printed(guide: str, build: Any) -> None:
    house = build(allow_fetch_from=("127.0.0.1/32",))
    for name in CHECKPOINTS:
        write_checkpoint(house.data_dir / "models/Stable-diffusion" / name)
    write_model(house.data_dir / "models/ControlNet/control_v11p_sd15_canny.safetensors")
    house.registry.refresh()
    with listen(answer(base64.b64decode(PICTURE))) as pictures:
        link = f'"http://127.0.0.1:{pictures.port}/boy.png"'
        for body in bodies(guide):
            text = re.sub(r'"https://[^"]*"', link, body)
            drawn = house.client().post("/sdapi/v1/" + route_of(body), data=text.encode())
            assert drawn.status_code == 200, (body, drawn.text[:500])
    lora, plain, larger, steered = (job.request for job in house.jobs)
    assert lora.prompt.endswith("<lora:yaeMikoRealistic_Genshin:1>")
    assert (plain.width, plain.batches, plain.sampling.steps) == (576, 2, 20)
    assert larger.origin.images == (PICTURE,)
    assert (larger.seeds.seed, larger.sampling.sampler, larger.sampling.guidance) == (
        111,
        "DDIM",
        7.5,
    )
    assert larger.remarks[0].startswith("restore_faces")
    assert steered.controls[0].model == "control_v11p_sd15_canny"
    assert steered.controls[0].image == PICTURE


def route_of(body: str) -> str:
    """Where a printed body belongs."""
    return "img2img" if "init_images" in body else "txt2img"


def test_the_printed_script_is_drawn_too(guide: str, build: Any) -> None:
    body = next(body for body in bodies(guide) if "init_images" in body)
    for line in ("script_name", "script_args"):
        body = body.replace(f'#"{line}"', f'"{line}"')
    house = build(allow_fetch_from=("127.0.0.1/32",))
    with listen(answer(base64.b64decode(PICTURE))) as pictures:
        link = f'"http://127.0.0.1:{pictures.port}/boy.png"'
        text = re.sub(r'"https://[^"]*"', link, body)
        drawn = house.client().post("/sdapi/v1/img2img", data=text.encode())
    assert drawn.status_code == 200, drawn.text[:500]
    assert house.jobs[0].request.script.title == "outpainting mk2"


@pytest.mark.parametrize("body", ['{"prompt": "a" # x', '{"prompt" "a" # x\n}', "# x", '{"a": "#}'])
def test_what_is_no_json_even_so_is_refused(house: Any, body: str) -> None:
    refused = house.client().post("/sdapi/v1/txt2img", data=body)
    assert refused.status_code == 422
    assert refused.get_json()["detail"][0]["type"] == "value_error.jsondecode"
