"""Requests that AUTOMATIC1111 really answered, as files of the goldens."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image


@dataclass(frozen=True)
class Case:
    """One recorded request with its answer."""

    name: str
    folder: Path

    @property
    def request(self) -> dict[str, Any]:
        """``{method, path, body}``."""
        return self._json("request")

    @property
    def path(self) -> str:
        """The route that was asked."""
        return str(self.request["path"])

    @property
    def body(self) -> dict[str, Any]:
        """What was posted."""
        body: dict[str, Any] = self.request["body"]
        return body

    @property
    def answer(self) -> dict[str, Any]:
        """``{status, body, images}``."""
        return self._json("response")

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return int(self.answer["status"])

    @property
    def pictures(self) -> tuple[tuple[Image.Image, dict[str, str]], ...]:
        """The pictures answered, each with its text chunks."""
        return tuple(
            (Image.open(self.folder / entry["file"]), dict(entry["text"]))
            for entry in self.answer["images"]
        )

    def _json(self, which: str) -> dict[str, Any]:
        text = (self.folder / f"{self.name}.{which}.json").read_text("utf-8")
        content: dict[str, Any] = json.loads(text)
        return content


def all_cases(goldens: Path) -> tuple[Case, ...]:
    """Every recorded case, by name: the goldens, and what was recorded later beside them."""
    folders = (goldens / "cases", goldens.parent / "cases" / "parity")
    paths = (path for folder in folders for path in folder.glob("*.request.json"))
    cases = (Case(path.name.split(".request.")[0], path.parent) for path in paths)
    return tuple(sorted(cases, key=lambda case: case.name))
