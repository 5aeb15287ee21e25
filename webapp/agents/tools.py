"""What agents may do: draw, edit, list models, follow and cancel jobs."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webapp.agents.job_client import ENDED, IMG2IMG, TXT2IMG, JobClient, ServiceError

WAIT_SECONDS = 120.0  # after which a tool answers how its job stands
MAX_PICTURES = 8
MAX_FILE_BYTES = 20 * 2**20
SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM")
"""How picture files begin; no other file is read for an agent."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tool found: facts, and pictures as PNG bytes."""

    facts: Mapping[str, Any]
    pictures: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentTools:
    """The tools over one service. Each raises ``ServiceError``."""

    client: JobClient
    wait_seconds: float = WAIT_SECONDS

    def generate(
        self, prompt: str, *, count: int = 1, model: str = "", **fields: object
    ) -> Outcome:
        """Draw pictures from a prompt. ``fields`` are AUTOMATIC1111's; None leaves one out."""
        self._check_model(model)
        return self._run(TXT2IMG, body_of(prompt, count, model, fields))

    def edit(
        self,
        image: str,
        prompt: str,
        *,
        mask: str = "",
        strength: float = 0.6,
        count: int = 1,
        model: str = "",
        **fields: object,
    ) -> Outcome:
        """Draw from a picture: a path on this machine, an http(s) address, or base64."""
        self._check_model(model)
        body = body_of(prompt, count, model, fields)
        body |= {"init_images": [read_picture(image)], "denoising_strength": strength}
        if mask:
            body |= {"mask": read_picture(mask), "inpainting_fill": 1}
        return self._run(IMG2IMG, body)

    def list_models(self) -> Outcome:
        """The checkpoints that can be named."""
        return Outcome({"models": self.client.models()})

    def job_state(self, job: str) -> Outcome:
        """How a job stands; with its pictures once it has ended well."""
        return self._outcome(self.client.job(job))

    def cancel(self, job: str) -> Outcome:
        """End a job."""
        return self._outcome(self.client.cancel(job))

    def _check_model(self, model: str) -> None:
        """The service draws with another checkpoint where it knows no such name, and goes on."""
        titles = self.client.models() if model else []
        if model and not any(model.lower() in title.lower() for title in titles):
            raise ServiceError(
                f"model: there is no {model[:100]!r} here. list_models has {len(titles)} titles, "
                f"such as {', '.join(titles[:3])}."
            )

    def _run(self, path: str, body: Mapping[str, object]) -> Outcome:
        state = self.client.post_job(path, body)
        return self._outcome(self.client.wait(state["id"], self.wait_seconds))

    def _outcome(self, state: Mapping[str, Any]) -> Outcome:
        kept = ("id", "state", "position", "eta", "progress", "error")
        facts = {name: state[name] for name in kept if state.get(name) is not None}
        if state["state"] not in ENDED or state["state"] == "failed" or not state.get("result"):
            return Outcome(facts)
        return Outcome(facts, tuple(self.client.pictures(state["id"])))


def body_of(prompt: str, count: int, model: str, fields: Mapping[str, object]) -> dict[str, object]:
    """The body of a drawing route. Raises ``ServiceError`` for a count out of range."""
    if not 1 <= count <= MAX_PICTURES:
        raise ServiceError(f"count: {count}; from 1 to {MAX_PICTURES} pictures.")
    body: dict[str, object] = {"prompt": prompt, "n_iter": count}
    body |= {name: value for name, value in fields.items() if value not in (None, "")}
    if model:
        body["override_settings"] = {"sd_model_checkpoint": model}
    return body


def read_picture(text: str) -> str:
    """A picture as the service takes it: an address or base64 as it is, a file as base64."""
    if text[:8].lower().startswith(("http://", "https://", "data:")):
        return text
    path = Path(text).expanduser()
    try:
        is_file = path.is_file()
    except (OSError, ValueError):  # base64 is no path
        is_file = False
    if not is_file:
        return text
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ServiceError(f"{path.name} has more than {MAX_FILE_BYTES >> 20} MiB.")
    data = path.read_bytes()
    if not data.startswith(SIGNATURES):
        raise ServiceError(f"{path.name} is no picture (PNG, JPEG, WebP, GIF, BMP).")
    return base64.b64encode(data).decode("ascii")
