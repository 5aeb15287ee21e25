"""What attacks are driven with: a service, something outside it to steal, and all its doors.

The doors come from ``/openapi.json``: a route that takes a path is attacked from the day it is
there.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

SECRET = b"OUTSIDE-SECRET-7f3a"
TOKEN = "owner-token-of-attacks"
GOOD_FIELDS: dict[str, Any] = {
    "path": "/data/work/a.txt",
    "paths": ["/data/work/a.txt"],
    "to": "/data/work/sub",
    "name": "b.txt",
    "text": "words",
    "content": "words",
    "trash_id": "0" * 32,
    "etag": "x",
}
PATH_FIELDS = frozenset({"path", "paths", "to", "folder"})
SCHEMAS: dict[int, Any] = {}
DAV_READS = (("GET", {}), ("HEAD", {}), ("PROPFIND", {"Depth": "1"}))


@dataclass(frozen=True)
class AttackWorld:
    """A service with its files, and what lies beside them."""

    house: Any
    inside: Path  # /data/work
    outside: Path

    @property
    def client(self) -> Any:
        """The owner's."""
        return self.house.client()

    def ask(self, method: str, url: str, **given: Any) -> Any:
        """One request of the owner."""
        return self.client.open(url, method=method, **given)

    def assert_unharmed(self) -> None:
        """Nothing beside the data directory was read into, changed, made or removed."""
        assert (self.outside / "secret.txt").read_bytes() == SECRET
        assert sorted(each.name for each in self.outside.iterdir()) == ["folder", "secret.txt"]
        assert (self.outside / "folder" / "deep.txt").read_bytes() == SECRET
        assert sorted(each.name for each in (self.outside / "folder").iterdir()) == ["deep.txt"]


def build_world(house: Any, tmp_path: Path) -> AttackWorld:
    """Fill a house and its surroundings."""
    outside, inside = tmp_path / "outside", house.data_dir / "work"
    (outside / "folder").mkdir(parents=True)
    (outside / "secret.txt").write_bytes(SECRET)
    (outside / "folder" / "deep.txt").write_bytes(SECRET)
    (inside / "sub").mkdir(parents=True)
    (inside / "a.txt").write_bytes(b"letters")
    (inside / "p.png").write_bytes(PIXEL)
    (house.data_dir / ".easel" / "hidden.txt").write_bytes(SECRET)
    return AttackWorld(house, inside, outside)


PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


def file_routes(world: AttackWorld) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Method, path, description and schemas of each route of files."""
    document = read_openapi(world)
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        if path.startswith(("/api/files", "/api/resources", "/api/raw", "/api/usage", "/api/sign")):
            for method, description in methods.items():
                yield method.upper(), path, description, schemas


def read_openapi(world: AttackWorld) -> Any:
    """``/openapi.json``, written once for all services with the same routes."""
    rules = len(list(world.house.app.url_map.iter_rules()))
    if rules not in SCHEMAS:
        SCHEMAS[rules] = world.client.get("/openapi.json").get_json()
    return SCHEMAS[rules]


def query_routes(world: AttackWorld) -> list[tuple[str, str]]:
    """Method and path of each route with a ``path`` in its query, but for endless events."""
    return [
        (method, path)
        for method, path, description, _ in file_routes(world)
        if any(one["name"] == "path" and one["in"] == "query" for one in description["parameters"])
        and not path.endswith("/events")
    ]


def path_routes(world: AttackWorld) -> list[tuple[str, str]]:
    """Method and beginning of each route whose address goes on with a path."""
    return [
        (method, path.removesuffix("{path}"))
        for method, path, *_ in file_routes(world)
        if path.endswith("/{path}")
    ]


def body_fields(world: AttackWorld) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Method, path, field and a good body of each field of a body that is a path."""
    fields_found = []
    for method, path, description, schemas in file_routes(world):
        body = description.get("requestBody", {}).get("content", {}).get("application/json", {})
        name = body.get("schema", {}).get("$ref", "").rpartition("/")[2]
        fields = schemas.get(name, {}).get("properties", {})
        needed = set(schemas.get(name, {}).get("required", ()))
        good = {key: GOOD_FIELDS[key] for key in fields if key in needed or key in PATH_FIELDS}
        fields_found += [(method, path, key, good) for key in PATH_FIELDS & set(fields)]
    return fields_found


def try_all_routes(world: AttackWorld, path: str) -> Iterator[Any]:
    """The answers of every door to a path "data/…", given as it is."""
    whole = f"/{path}"
    for method, url in query_routes(world):
        yield world.ask(method, url, query_string={"path": whole})
    for method, begin in path_routes(world):
        yield world.ask(method, begin + quote(path, errors="surrogatepass"))
    for method, url, field, good in body_fields(world):
        value: Any = [whole] if field == "paths" else whole
        yield world.ask(method, url, json=good | {field: value})
    yield from try_webdav(world, path)
    yield upload_file(world, folder=whole.rpartition("/")[0], filename=whole.rpartition("/")[2])


def try_webdav(world: AttackWorld, path: str) -> Iterator[Any]:
    """The answers of WebDAV to a path, as the request's and as the destination."""
    url = "/dav/" + quote(path, errors="surrogatepass")
    for method, headers in DAV_READS:
        yield world.ask(method, url, headers=headers)
    for method in ("PUT", "DELETE", "MKCOL"):
        yield world.ask(method, url, data=b"evil" if method == "PUT" else b"")
    for method in ("COPY", "MOVE"):
        to = {"Destination": f"http://localhost{url}"}
        yield world.ask(method, "/dav/data/work/a.txt", headers=to)


def upload_file(world: AttackWorld, data: bytes = b"evil", **fields: str) -> Any:
    """An upload in one request, with this metadata; the names are those of tus."""
    metadata = ",".join(
        f"{key} {base64.b64encode(value.encode('utf-8', 'surrogatepass')).decode()}"
        for key, value in fields.items()
    )
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": str(len(data)),
        "Upload-Metadata": metadata,
        "Content-Type": "application/offset+octet-stream",
    }
    return world.ask("POST", "/api/files/uploads", data=data, headers=headers)


def assert_refused(answer: Any) -> None:
    """It was refused, and nothing was told. A search may find nothing instead."""
    if answer.status_code == 200 and "/search" in answer.request.url:
        assert answer.get_json()["entries"] == []
        return
    assert 400 <= answer.status_code < 500, (answer.request.url, answer.status_code, answer.data)
    assert answer.status_code != 401
    assert SECRET not in answer.data
