"""A client of the job API, with the standard library alone."""

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from webapp.access.secret import Secret

TXT2IMG, IMG2IMG = "/sdapi/v1/txt2img", "/sdapi/v1/img2img"
JOBS = "/api/v1/jobs"
ENDED = frozenset({"succeeded", "failed", "cancelled"})
POLL_SECONDS = 0.5
REQUEST_SECONDS = 60.0
MAX_ANSWER = 256 * 2**20  # bytes


class ServiceError(Exception):
    """The service refused or cannot be reached; the text is a sentence for who asked."""


@dataclass(frozen=True, slots=True)
class JobClient:
    """Asks one service. ``token`` may be empty where the service has no credentials."""

    address: str  # without a slash at its end
    token: Secret
    sleep: Callable[[float], None] = time.sleep

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of an answer. Raises ``ServiceError``."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token.reveal()}"
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:
                return json.loads(answer.read(MAX_ANSWER))
        except urllib.error.HTTPError as error:
            raise ServiceError(refusal(error)) from error
        except (OSError, ValueError) as error:
            raise ServiceError(
                f"Easel at {self.address} does not answer ({type(error).__name__}); is it started, "
                "and is --url its address?"
            ) from error

    def post_job(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Queue a job; how it stands."""
        state: dict[str, Any] = self.ask("POST", JOBS, {"path": path, "body": body})
        return state

    def job(self, job: str) -> dict[str, Any]:
        """How a job stands."""
        state: dict[str, Any] = self.ask("GET", job_path(job))
        return state

    def cancel(self, job: str) -> dict[str, Any]:
        """End a job; how it stands."""
        state: dict[str, Any] = self.ask("DELETE", job_path(job))
        return state

    def wait(self, job: str, seconds: float) -> dict[str, Any]:
        """How a job stands when it has ended, or after about so many seconds."""
        state = self.job(job)
        for _ in range(int(seconds / POLL_SECONDS)):
            if state["state"] in ENDED:
                break
            self.sleep(POLL_SECONDS)
            state = self.job(job)
        return state

    def pictures(self, job: str) -> list[bytes]:
        """The finished pictures of an ended job. Raises ``ServiceError``."""
        result = self.ask("GET", f"{job_path(job)}/result")
        return [base64.b64decode(text) for text in result.get("images") or ()]

    def models(self) -> list[str]:
        """The titles of the checkpoints."""
        return [entry["title"] for entry in self.ask("GET", "/sdapi/v1/sd-models")]


def job_path(job: str) -> str:
    """The path of a job, whatever an agent takes for its id."""
    return f"{JOBS}/{quote(job, safe='')}"


def refusal(error: urllib.error.HTTPError) -> str:
    """The sentence of an answer that is an error."""
    try:
        detail = json.loads(error.read(65536))["detail"]
    except (ValueError, KeyError, TypeError, OSError):
        detail = error.reason
    if isinstance(detail, list):  # pydantic's list of faults
        detail = "; ".join(f"{'.'.join(map(str, f['loc'][1:]))}: {f['msg']}" for f in detail)
    return f"Easel answered {error.code}: {detail}"
