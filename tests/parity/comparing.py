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

from tests.parity.recorded import Case
from tests.parity.service import Reply

ENOUGH = 40.0  # dB; the reference differs from itself by as much (goldens/README.md)
LOOSE = 30.0  # dB, for DPM adaptive, whose step sizes amplify rounding
SAME = 99.0  # dB, stands for equal pictures
LONGEST = 2000  # characters of an echoed string that the recording keeps
VERSION = re.compile(r",? ?Version: [^,\n]*")
UNSTABLE = ("job_timestamp", "version")  # keys of ``info`` that differ rightly
OURS = ("comments",)  # keys of ``info`` that only Easel has


@dataclass(frozen=True)
class Verdict:
    """How near the pictures came, the worst of them counting, and what else differs."""

    psnr: float | None  # dB; None without pictures
    enough: float = ENOUGH
    causes: tuple[str, ...] = ()

    @property
    def near(self) -> bool:
        """Whether nobody would tell the pictures apart."""
        return self.psnr is None or self.psnr >= self.enough

    @property
    def equal(self) -> bool:
        """Whether everything is as recorded."""
        return self.near and not self.causes


def judge(case: Case, reply: Reply) -> Verdict:
    """Compare an answer with the recorded one. A recorded crash asks for anything but a crash."""
    if case.status >= 500:
        return Verdict(None, causes=() if reply.status < 500 else (f"status {reply.status}",))
    if reply.status != case.status:
        return Verdict(None, causes=(f"status {reply.status}: {sentence(reply.body)}",))
    pictures = tuple(opened(text) for text in transported(reply.body))
    wanted = case.pictures
    causes = [*different_texts(case, pictures), *different_facts(case.answer["body"], reply.body)]
    if len(pictures) != len(wanted):
        return Verdict(None, causes=(f"{len(pictures)} pictures, not {len(wanted)}", *causes))
    nearness = [psnr(ours, theirs) for ours, (theirs, _) in zip(pictures, wanted, strict=True)]
    for ours, (theirs, _) in zip(pictures, wanted, strict=True):
        if (ours.size, ours.mode) != (theirs.size, theirs.mode):
            causes.append(f"{ours.mode} {ours.size}, not {theirs.mode} {theirs.size}")
    enough = LOOSE if "adaptive" in case.name else ENOUGH
    return Verdict(min(nearness, default=None), enough, tuple(causes))


def sentence(body: Any) -> str:
    """What an error says."""
    return str(body.get("detail") or body.get("errors"))[:120] if isinstance(body, dict) else ""


def transported(body: Mapping[str, Any]) -> list[str]:
    """The base64 of an answer's pictures, whichever route it is from."""
    return list(body.get("images", [])) + ([body["image"]] if "image" in body else [])


def opened(text: str) -> Image.Image:
    """A picture of the answer."""
    image = Image.open(BytesIO(base64.b64decode(text)))
    image.load()
    return image


def different_texts(case: Case, pictures: tuple[Image.Image, ...]) -> Iterator[str]:
    """Text chunks that are not as recorded, versions aside."""
    for ours, (_, theirs) in zip(pictures, case.pictures, strict=False):
        written = {key: text for key, text in ours.info.items() if isinstance(text, str)}
        if {k: unversioned(v) for k, v in written.items()} != {
            k: unversioned(v) for k, v in theirs.items()
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
    wanted, found = json.loads(recorded), json.loads(ours or "{}")
    for key in OURS:
        found.pop(key, None)
    for key in UNSTABLE:
        wanted[key] = found[key] = ""
    for table in (wanted, found):
        table["infotexts"] = [unversioned(text) for text in table["infotexts"]]
    yield from different_keys("info", wanted, found)


def different_keys(
    name: str, recorded: Mapping[str, Any] | None, ours: Mapping[str, Any] | None
) -> Iterator[str]:
    """Names of the keys with other values, or another order."""
    wanted, found = recorded or {}, ours or {}
    names = [key for key in dict.fromkeys([*wanted, *found]) if not same(key, wanted, found)]
    if names:
        yield f"{name}: {', '.join(names)}"
    elif list(wanted) != list(found):
        yield f"{name}: order"


def same(key: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether a key has the recorded value, the order of what is inside included."""
    if (key in wanted) != (key in found):
        return False
    return json.dumps(wanted[key]) == json.dumps(shortened(found[key]))


def shortened(value: Any) -> Any:
    """A value as the recording keeps it: long strings as their sha256."""
    if isinstance(value, dict):
        return {key: shortened(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shortened(part) for part in value]
    if isinstance(value, str) and len(value) > LONGEST:
        return "sha256:" + hashlib.sha256(value.encode()).hexdigest()
    return value


def unversioned(text: str) -> str:
    """An infotext without the version, which is our own."""
    return VERSION.sub("", text)


def psnr(first: Image.Image, second: Image.Image) -> float:
    """Peak signal to noise in dB of two pictures of one size; -1 where the sizes differ."""
    if first.size != second.size:
        return -1.0
    mode = "RGBA" if "A" in (*first.getbands(), *second.getbands()) else "RGB"
    one, two = (np.asarray(image.convert(mode), np.float64) for image in (first, second))
    error = float(((one - two) ** 2).mean())
    return SAME if error == 0 else min(SAME, 10 * np.log10(255**2 / error))
