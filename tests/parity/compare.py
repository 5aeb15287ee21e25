"""How near an answer comes to the recorded one: pictures, texts, counts, sizes, order, info."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from tests.parity.recorded_cases import Case
from tests.parity.service import ServiceReply

MIN_PSNR = 40.0  # dB; the reference differs from itself by as much (goldens/README.md)
MIN_ADAPTIVE_PSNR = 30.0  # dB, for DPM adaptive, whose step sizes amplify rounding
EQUAL_PSNR = 99.0  # dB, stands for equal pictures
MAX_ECHO_LENGTH = 2000  # characters of an echoed string that the recording keeps
VERSION = re.compile(r",? ?Version: [^,\n]*")
UNSTABLE_INFO_KEYS = ("job_timestamp", "version")  # keys of ``info`` that differ rightly
EASEL_INFO_KEYS = ("comments",)  # keys of ``info`` that only Easel has


@dataclass(frozen=True)
class CaseVerdict:
    """How near the pictures came, the worst of them counting, and what else differs."""

    psnr: float | None  # dB; None without pictures
    enough: float = MIN_PSNR
    causes: tuple[str, ...] = ()

    @property
    def is_near(self) -> bool:
        """Whether nobody would tell the pictures apart."""
        return self.psnr is None or self.psnr >= self.enough

    @property
    def is_equal(self) -> bool:
        """Whether everything is as recorded."""
        return self.is_near and not self.causes


def compare_reply(case: Case, reply: ServiceReply) -> CaseVerdict:
    """Compare an answer with the recorded one. A recorded crash asks for anything but a crash."""
    if case.status >= 500:
        return CaseVerdict(None, causes=() if reply.status < 500 else (f"status {reply.status}",))
    if reply.status != case.status:
        return CaseVerdict(None, causes=(f"status {reply.status}: {error_text(reply.body)}",))
    pictures = tuple(decode_image(text) for text in response_images(reply.body))
    wanted = case.pictures
    causes = [*different_texts(case, pictures), *different_facts(case.answer["body"], reply.body)]
    if len(pictures) != len(wanted):
        return CaseVerdict(None, causes=(f"{len(pictures)} pictures, not {len(wanted)}", *causes))
    nearness = [psnr(ours, theirs) for ours, (theirs, _) in zip(pictures, wanted, strict=True)]
    for ours, (theirs, _) in zip(pictures, wanted, strict=True):
        if (ours.size, ours.mode) != (theirs.size, theirs.mode):
            causes.append(f"{ours.mode} {ours.size}, not {theirs.mode} {theirs.size}")
    enough = MIN_ADAPTIVE_PSNR if "adaptive" in case.name else MIN_PSNR
    return CaseVerdict(min(nearness, default=None), enough, tuple(causes))


def error_text(body: Any) -> str:
    """What an error says."""
    return str(body.get("detail") or body.get("errors"))[:120] if isinstance(body, dict) else ""


def response_images(body: Mapping[str, Any]) -> list[str]:
    """The base64 of an answer's pictures, whichever route it is from."""
    return list(body.get("images", [])) + ([body["image"]] if "image" in body else [])


def decode_image(text: str) -> Image.Image:
    """A picture of the answer."""
    image = Image.open(BytesIO(base64.b64decode(text)))
    image.load()
    return image


def different_texts(case: Case, pictures: tuple[Image.Image, ...]) -> Iterator[str]:
    """Text chunks that are not as recorded, versions aside."""
    for ours, (_, theirs) in zip(pictures, case.pictures, strict=False):
        written = {key: text for key, text in ours.info.items() if isinstance(text, str)}
        if {k: drop_version(v) for k, v in written.items()} != {
            k: drop_version(v) for k, v in theirs.items()
        }:
            yield "infotext"
            return


def different_facts(recorded: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[str]:
    """Keys of an answer that are not as recorded, pictures aside."""
    if list(recorded) != list(body):
        yield f"keys {list(body)}"
    for key in set(recorded) - {"images", "image", "info", "parameters"}:
        if body.get(key) != recorded[key]:
            yield key
    yield from different_keys("parameters", recorded.get("parameters"), body.get("parameters"))
    yield from different_info(recorded.get("info"), body.get("info"))


def different_info(recorded: str | None, ours: str | None) -> Iterator[str]:
    """``info``: of a drawing the keys of its object, elsewhere the text."""
    if recorded is None or not recorded.startswith("{"):
        if recorded != ours:
            yield "info"
        return
    wanted, info = json.loads(recorded), json.loads(ours or "{}")
    for key in EASEL_INFO_KEYS:
        info.pop(key, None)
    for key in UNSTABLE_INFO_KEYS:
        wanted[key] = info[key] = ""
    for table in (wanted, info):
        table["infotexts"] = [drop_version(text) for text in table["infotexts"]]
    yield from different_keys("info", wanted, info)


def different_keys(
    name: str, recorded: Mapping[str, Any] | None, ours: Mapping[str, Any] | None
) -> Iterator[str]:
    """Names of the keys with other values, or another order."""
    wanted, given = recorded or {}, ours or {}
    names = [
        key for key in dict.fromkeys([*wanted, *given]) if not is_same_value(key, wanted, given)
    ]
    if names:
        yield f"{name}: {', '.join(names)}"
    elif list(wanted) != list(given):
        yield f"{name}: order"


def is_same_value(key: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether a key has the recorded value, the order of what is inside included."""
    if (key in wanted) != (key in found):
        return False
    return json.dumps(wanted[key]) == json.dumps(shorten_strings(found[key]))


def shorten_strings(value: Any) -> Any:
    """A value as the recording keeps it: long strings as their sha256."""
    if isinstance(value, dict):
        return {key: shorten_strings(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shorten_strings(part) for part in value]
    if isinstance(value, str) and len(value) > MAX_ECHO_LENGTH:
        return "sha256:" + hashlib.sha256(value.encode()).hexdigest()
    return value


def drop_version(text: str) -> str:
    """An infotext without the version, which is our own."""
    return VERSION.sub("", text)


def psnr(first: Image.Image, second: Image.Image) -> float:
    """Peak signal to noise in dB of two pictures of one size; -1 where the sizes differ."""
    if first.size != second.size:
        return -1.0
    mode = "RGBA" if "A" in (*first.getbands(), *second.getbands()) else "RGB"
    one, two = (np.asarray(image.convert(mode), np.float64) for image in (first, second))
    error = float(((one - two) ** 2).mean())
    return EQUAL_PSNR if error == 0 else min(EQUAL_PSNR, 10 * np.log10(255**2 / error))
