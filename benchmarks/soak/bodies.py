"""Malformed and oversized requests, and large pictures, built once as bytes."""

import base64
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

from benchmarks.soak.client import SoakClient

LARGE_SIDES = (16383, 4095)  # pixels
SMALL: dict[str, Any] = {"width": 64, "height": 64, "steps": 2, "prompt": "a red house"}
XYZ_REST = (True, True, False, False, False, False, False, 4, True)
XYZ_AXES: tuple[Any, ...] = (1, "1-100", [], 4, "1-100", [], 6, "1-100", [])


@dataclass(frozen=True, slots=True)
class SoakRequest:
    """One request: what kind it is of, its bytes, how many of it are sent at once."""

    kind: str
    sent: bytes
    at_once: int = 1


def absurd_requests(client: SoakClient) -> Iterator[SoakRequest]:
    """Bodies of drawing requests that ask for too much, in number, size or depth."""

    def draw(kind: str, /, route: str = "txt2img", **changes: Any) -> SoakRequest:
        return SoakRequest(kind, client.post(f"/sdapi/v1/{route}", {**SMALL, **changes}))

    yield draw("1000 pictures", n_iter=1000, batch_size=1, width=4096, height=4096, steps=1000)
    yield draw("100 x 8 pictures", n_iter=100, batch_size=8, width=2048, height=2048, steps=150)
    yield draw("hires", enable_hr=True, hr_scale=4, steps=150, width=2048, height=2048)
    yield draw("900 LoRA tags", prompt="a " + "<lora:flat-style:0.1>" * 900)
    yield draw("900 unknown tags", prompt="a " + "".join(f"<lora:n{n}:1>" for n in range(900)))
    yield draw("3000 BREAK", prompt="a BREAK " * 3000)
    yield draw("3000 AND", prompt="a AND b " * 3000)
    yield draw("3000 brackets", prompt="(" * 3000 + "a" + ")" * 3000)
    yield draw("3000 weights", prompt="(a:1.9)" * 3000)
    yield draw("3000 square brackets", prompt="[" * 3000 + "a:b:0.5" + "]" * 3000)
    yield draw("schedules", prompt="".join(f"[a:b:{n}]" for n in range(3000)), steps=150)
    yield draw("words", prompt="word " * 200_000)
    yield draw("dynamic", prompt="{" + "|" * 5000 + "}")
    yield draw("dynamic product", prompt="{a|b|c|d|e|f|g|h}" * 200)
    yield draw("deep dynamic", prompt="{a|" * 900 + "b" + "}" * 900)
    yield draw("wildcards", prompt="__*__" * 900)
    plot = "x/y/z plot"
    yield draw("xyz of 100^3", script_name=plot, script_args=[*XYZ_AXES, *XYZ_REST])
    words = ",".join(f"w{n}" for n in range(3000))
    axes = [7, "red," + words, [], 0, "", [], 0, "", []]
    yield draw("xyz of 3000", script_name=plot, script_args=[*axes, *XYZ_REST])
    axes = [8, "a,b,c,d,e,f,g,h,i,j,k,l", [], 0, "", [], 0, "", []]
    yield draw("xyz of 12! orders", script_name=plot, script_args=[*axes, *XYZ_REST])
    parts: dict[str, Any] = {
        "prompt": "|".join("abcdefghij" * 4),
        "width": 2048,
        "height": 2048,
        "steps": 150,
    }
    script: dict[str, Any] = {"script_name": "prompt matrix"}
    yield draw("matrix", **parts, **script, script_args=[False, False, "positive", "comma", 0])
    yield draw("loopback", "img2img", init_images=[small_picture()], script_name="loopback",
               script_args=[10_000, 0.5, "Linear", "None"])  # fmt: skip
    yield draw("lines", script_name="prompts from file or textbox",
               script_args=[False, False, "start", "a red house\n" * 20_000])  # fmt: skip
    yield draw("init images", "img2img", init_images=[small_picture()] * 2000)
    yield draw("units", alwayson_scripts={"ControlNet": {"args": [{"enabled": True}] * 3000}})
    yield draw("styles", styles=["none"] * 50_000)
    yield draw("huge numbers", seed=10**400, steps=10**30)
    yield draw("options", override_settings={f"option{n}": n for n in range(50_000)})
    yield SoakRequest("deep JSON", client.send("POST", "/sdapi/v1/txt2img", b"[" * 500_000))
    yield SoakRequest(
        "many keys", client.post("/sdapi/v1/txt2img", {f"k{n}": n for n in range(100_000)})
    )
    yield SoakRequest("long query", client.send("GET", "/api/files/search?q=" + "a*" * 4000))
    yield SoakRequest(
        "many fields", client.send("GET", "/api/files?" + "&".join(["path=/"] * 1300))
    )
    for number in (90, 900):
        headers = {f"X-{n}": "a" for n in range(number)}
        yield SoakRequest(f"{number} headers", client.send("GET", "/", b"", **headers))
    every = dict.fromkeys(FIELDS, ["x"] * 20_000)
    yield SoakRequest("arrays in every field", client.post("/sdapi/v1/txt2img", every))
    deep: dict[str, Any] = {name: {"a": [[]] * 5_000} for name in FIELDS}
    yield SoakRequest("objects in every field", client.post("/sdapi/v1/img2img", deep))
    yield SoakRequest(
        "token count", client.post("/internal/token-count", {"text": "a (b:1) " * 100_000})
    )
    yield SoakRequest("infotext", client.post("/internal/infotext", {"text": "a: b, " * 300_000}))


FIELDS = (
    "prompt", "negative_prompt", "styles", "seed", "steps", "width", "height", "cfg_scale",
    "sampler_name", "batch_size", "n_iter", "override_settings", "script_args", "script_name",
    "alwayson_scripts", "enable_hr", "hr_upscaler", "init_images", "mask", "save_dir", "infotext",
)  # fmt: skip


def malformed_requests(client: SoakClient) -> Iterator[SoakRequest]:
    """Requests that are none: chunks and heads that contradict themselves."""
    head = "\r\n".join(client.head()).encode()
    draw = b"POST /sdapi/v1/txt2img HTTP/1.1\r\n" + head + b"\r\n"
    chunked = draw + b"Transfer-Encoding: chunked\r\n\r\n"
    for number, body in enumerate(CHUNKS):
        yield SoakRequest(f"malformed chunks {number}", chunked + body)
    yield SoakRequest("two lengths", draw + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n{}12")
    yield SoakRequest("length and chunks", draw + b"Content-Length: 3\r\n" + chunked[len(draw) :])
    yield SoakRequest("negative length", draw + b"Content-Length: -1\r\n\r\n{}")
    yield SoakRequest("unknown coding", draw + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
    yield SoakRequest("no request", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 400)
    yield SoakRequest("a null in the path", b"GET /\0 HTTP/1.1\r\n" + head + b"\r\n\r\n")
    yield SoakRequest("bytes in the path", b"GET /\xff\xfe%ff%00 HTTP/1.1\r\n" + head + b"\r\n\r\n")
    yield SoakRequest("old version", b"GET / HTTP/0.9\r\n\r\n")
    many = client.send("GET", "/sdapi/v1/samplers").replace(b"Connection: close\r\n", b"")
    yield SoakRequest("pipelined", many * 60 + client.send("GET", "/healthz"))
    yield SoakRequest("cookies", client.send("GET", "/", Cookie="a=" + "b" * 7000))


CHUNKS = (
    b"zz\r\n{}\r\n0\r\n\r\n",
    b"2\r\n{}0\r\n\r\n",
    b"-2\r\n{}\r\n0\r\n\r\n",
    b"2\r\n{}\r\n0\r\nbad\r\n\r\n",
    b"ffffffffffffffff\r\n{}",
    b"2;" + b"a" * 9000 + b"\r\n{}\r\n0\r\n\r\n",
    b"0x2\r\n{}\r\n0\r\n\r\n",
    b"2\n{}\n0\n\n",
    b"\r\n\r\n",
    b"1\r\n{\r\n" * 40_000,
)


def large_picture_requests(client: SoakClient) -> tuple[SoakRequest, ...]:
    """Pictures whose files are small and whose pixels are many."""
    jpeg, png, deep = picture("JPEG"), picture("PNG"), picture("PNG", mode="I;16")
    small = {**SMALL, "steps": 1}

    def call(kind: str, route: str, body: dict[str, Any]) -> SoakRequest:
        return SoakRequest(f"large: {kind}", client.post(f"/sdapi/v1/{route}", body), 10)

    return (
        call("png-info", "png-info", {"image": png}),
        call("init image", "img2img", {**small, "init_images": [png]}),
        call("extras", "extra-single-image", {"image": png, "upscaling_resize": 1}),
        call("mask", "img2img", {**small, "init_images": [small_picture()], "mask": png}),
        call("JPEG", "img2img", {**small, "init_images": [jpeg]}),
        call("two of them", "img2img", {**small, "init_images": [jpeg, png]}),
        call("16 bits", "extra-single-image", {"image": deep, "upscaling_resize": 1}),
        call("batch", "extra-batch-images", {"imageList": [{"data": png, "name": "a.png"}] * 4}),
        call("interrogate", "interrogate", {"image": png, "model": "clip"}),
        call("bomb", "png-info", {"image": bomb()}),
        SoakRequest("large: detect", client.post("/controlnet/detect", DETECT | {
            "controlnet_input_images": [png]}), 10),
    )  # fmt: skip


DETECT: dict[str, Any] = {"controlnet_module": "canny", "controlnet_processor_res": 64}


def picture(form: str, mode: str = "RGB") -> str:
    """A large picture of one colour, in base64."""
    return _base64(lambda to: Image.new(mode, LARGE_SIDES, 0).save(to, form))


def small_picture() -> str:
    """A picture of 64 by 64, in base64."""
    return _base64(lambda to: Image.new("RGB", (64, 64), "red").save(to, "PNG"))


def bomb() -> str:
    """A PNG whose text chunk inflates to 256 MiB, in base64."""
    to = io.BytesIO()
    Image.new("RGB", (8, 8)).save(to, "PNG")
    text = b"parameters\0\0" + zlib.compress(b"\0" * (256 * 1024 * 1024))
    chunk = b"zTXt" + text
    framed = len(text).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    plain = to.getvalue()
    return base64.b64encode(plain[:33] + framed + plain[33:]).decode()


def _base64(save: Callable[[io.BytesIO], None]) -> str:
    to = io.BytesIO()
    save(to)
    return base64.b64encode(to.getvalue()).decode()
