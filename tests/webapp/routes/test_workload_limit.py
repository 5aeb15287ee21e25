"""The cap of work a job, at every door of a real server; and callers who leave."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from generator.pictures.base64_images import write_base64
from generator.request import Stop
from tests.generator.scripts.fake_painter import default_arguments
from tests.generator.scripts.img2img_requests import picture
from tests.wait import TIMEOUT, wait_until
from tests.webapp.web_process import WebProcess, web_process
from tests.webapp.worker.worker_bench import WorkerThread, stepping

MOST = 50  # megapixel-steps


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """A web process with a small cap that stops the jobs of those who leave."""
    flags = (f"--max-job-megapixel-steps={MOST}", "--stop-when-client-leaves")
    with web_process(tmp_path_factory.mktemp("data"), *flags) as process:
        (process.data_dir / "pictures").mkdir()
        yield process


def refusal_of(web: WebProcess, path: str, body: object) -> dict[str, Any]:
    """The body of a request's 422."""
    request = urllib.request.Request(
        web.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=TIMEOUT)
    assert caught.value.code == 422
    answer: dict[str, Any] = json.loads(caught.value.read())
    return answer


SMALL = {"prompt": "a cat", "width": 512, "height": 512, "steps": 20}  # 5.24 megapixel-steps
INIT = {"init_images": [write_base64(picture(512, 512))]}
HIRES = {"enable_hr": True, "hr_scale": 4, "denoising_strength": 0.5}
PLOT = default_arguments("x/y/z plot", a0="Seed", a1="1-10")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sdapi/v1/txt2img", {"width": 4096, "height": 4096, "steps": 1000, "n_iter": 1000}),
        ("/sdapi/v1/txt2img", SMALL | {"batch_size": 10}),
        (
            "/sdapi/v1/txt2img",
            SMALL | HIRES,
        ),
        ("/sdapi/v1/txt2img", SMALL | {"script_name": "x/y/z plot", "script_args": PLOT}),
        ("/sdapi/v1/img2img", SMALL | INIT | {"n_iter": 20, "denoising_strength": 0.5}),
        (
            "/sdapi/v1/img2img",
            SMALL
            | INIT
            | {
                "script_name": "loopback",
                "script_args": default_arguments("loopback", "img2img", a0=32),
            },
        ),
        ("/sdapi/v1/extra-single-image", {"image": INIT["init_images"][0], "upscaling_resize": 16}),
        (
            "/controlnet/detect",
            {
                "controlnet_module": "canny",
                "controlnet_input_images": INIT["init_images"] * 64,
                "controlnet_processor_res": 2048,
            },
        ),
    ],
)
def test_too_much_work_is_refused_before_the_queue(
    web: WebProcess, path: str, body: dict[str, object]
) -> None:
    told = refusal_of(web, path, body)["detail"]
    assert "megapixel-steps" in told
    assert f"at most {MOST} a job (--max-job-megapixel-steps)" in told


def left_alone(web: WebProcess, body: dict[str, object]) -> socket.socket:
    """The connection of a caller who has asked."""
    text = json.dumps(body).encode()
    caller = socket.create_connection(("127.0.0.1", web.port), timeout=TIMEOUT)
    head = f"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(text)}\r\n"
    caller.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + text)
    return caller


def test_a_running_job_whose_caller_left_is_stopped_where_the_flag_says_so(
    web: WebProcess,
) -> None:
    bench = WorkerThread(web.data_dir)
    seen: list[Stop] = []
    bench.engine.act = stepping(bench, seen)
    bench.thread.start()
    caller = left_alone(web, SMALL)
    wait_until(lambda: seen)
    caller.close()
    wait_until(lambda: Stop.INTERRUPT in seen)
    wait_until(lambda: not bench.store.list_frames())
    bench.end()
