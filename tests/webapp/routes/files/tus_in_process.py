"""A tus client inside the test's own process."""

from pathlib import Path
from typing import Any

from tests.webapp.routes.files.tus_client import BYTES, TUS, encode_metadata

CONTENT = bytes(range(256)) * 40
LENGTH = len(CONTENT)
FOLDER = "/data/outputs"


class TusSender:
    """A tus client of one's own, which says exactly what it is told to say."""

    def __init__(self, house: Any, **headers: str) -> None:
        self.house = house
        self.client = house.client(**headers)

    def create(self, length: int | None = LENGTH, body: bytes = b"", **meanings: str) -> Any:
        meanings = {"folder": FOLDER, "filename": "a.png"} | meanings
        headers = {**TUS, "Upload-Metadata": encode_metadata(**meanings)}
        if length is not None:
            headers["Upload-Length"] = str(length)
        if body:
            headers["Content-Type"] = BYTES
        return self.client.post("/api/files/uploads", headers=headers, data=body)

    def begin(self, **words: Any) -> str:
        answer = self.create(**words)
        assert answer.status_code == 201, answer.text
        return str(answer.headers["Location"])

    def patch(self, url: str, offset: Any, body: bytes, **headers: str) -> Any:
        every = {**TUS, "Content-Type": BYTES, "Upload-Offset": str(offset)}
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.patch(url, headers={**every, **more}, data=body)

    def head(self, url: str) -> Any:
        return self.client.head(url, headers=TUS)

    def file(self, path: str = "outputs/a.png") -> Path:
        return Path(self.house.data_dir / path)
