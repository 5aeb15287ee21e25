"""A good request for every route of files, and for every verb of WebDAV."""

from dataclasses import dataclass, field
from typing import Any

from tests.webapp.attacks.attack_world import AttackWorld
from tests.webapp.routes.files.tus_client import BYTES, TUS, encode_metadata

A, SUB = "/data/work/a.txt", "/data/work/sub"
DAV = "http://localhost/dav"
LOCK = (
    '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope>'
    "<locktype><write/></locktype></lockinfo>"
)
TIMES = (
    '<propertyupdate xmlns="DAV:" xmlns:Z="urn:schemas-microsoft-com:"><set><prop>'
    "<Z:Win32LastModifiedTime>Tue, 14 Nov 2023 22:13:20 GMT</Z:Win32LastModifiedTime>"
    "</prop></set></propertyupdate>"
)


@dataclass(frozen=True)
class FileRequest:
    """One request. ``row`` is its name in docs/files.md."""

    row: str
    url: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """The verb."""
        return self.row.partition(" ")[0]

    def send(self, world: AttackWorld) -> Any:
        """The answer."""
        answer = world.ask(self.method, self.url, **self.options)
        answer.close()
        return answer


def upload_headers(**more: str) -> dict[str, str]:
    """The headers of a new upload."""
    meta = encode_metadata(folder="/data/work", filename="new.txt")
    return {**TUS, "Upload-Length": "3", "Upload-Metadata": meta, **more}


def all_requests() -> list[FileRequest]:
    """All of them; ids that nobody was given stand for what has to be made first."""
    none = "0" * 32
    return [
        FileRequest("GET /api/files", f"/api/files?path={SUB}"),
        FileRequest("GET /api/files/roots", "/api/files/roots"),
        FileRequest("GET /api/files/size", f"/api/files/size?path={SUB}"),
        FileRequest("GET /api/files/search", "/api/files/search?q=a"),
        FileRequest("GET /api/files/thumbnail", "/api/files/thumbnail?path=/data/work/p.png"),
        FileRequest("GET /api/files/preview", f"/api/files/preview?path={A}"),
        FileRequest("GET /api/files/content", f"/api/files/content?path={A}"),
        FileRequest("GET /api/files/archive", f"/api/files/archive?path={SUB}"),
        FileRequest("GET /api/files/text", f"/api/files/text?path={A}"),
        FileRequest(
            "PUT /api/files/text",
            f"/api/files/text?path={A}",
            {"json": {"text": "x"}, "headers": {"If-Match": '"x"'}},
        ),
        FileRequest(
            "PUT /api/files/text (new)",
            "/api/files/text?path=/data/work/n.txt",
            {"json": {"text": "x"}, "headers": {"If-None-Match": "*"}},
        ),
        FileRequest(
            "POST /api/files/folder", "/api/files/folder", {"json": {"path": f"{SUB}/new"}}
        ),
        FileRequest("POST /api/files/move", "/api/files/move", {"json": {"paths": [A], "to": SUB}}),
        FileRequest("POST /api/files/copy", "/api/files/copy", {"json": {"paths": [A], "to": SUB}}),
        FileRequest(
            "POST /api/files/copy (overwrite)",
            "/api/files/copy",
            {"json": {"paths": [A], "to": SUB, "conflict": "overwrite"}},
        ),
        FileRequest(
            "POST /api/files/rename",
            "/api/files/rename",
            {"json": {"path": "/data/work/p.png", "name": "q.png"}},
        ),
        FileRequest("POST /api/files/delete", "/api/files/delete", {"json": {"paths": [A]}}),
        FileRequest("POST /api/files/restore", "/api/files/restore", {"json": {"trash_id": none}}),
        FileRequest(
            "POST /api/files/extract",
            "/api/files/extract",
            {"json": {"path": "/data/work/z.zip"}},
        ),
        FileRequest("GET /api/files/trash", "/api/files/trash"),
        FileRequest("DELETE /api/files/trash", "/api/files/trash"),
        FileRequest("GET /api/files/jobs", "/api/files/jobs"),
        FileRequest("GET /api/files/jobs/<name>", f"/api/files/jobs/{none}"),
        FileRequest("DELETE /api/files/jobs/<name>", f"/api/files/jobs/{none}"),
        FileRequest("GET /api/files/uploads", "/api/files/uploads"),
        FileRequest("POST /api/files/uploads", "/api/files/uploads", {"headers": upload_headers()}),
        FileRequest("GET /api/files/uploads/<name>", f"/api/files/uploads/{none}"),
        FileRequest(
            "HEAD /api/files/uploads/<name>", f"/api/files/uploads/{none}", {"headers": TUS}
        ),
        FileRequest(
            "PATCH /api/files/uploads/<name>",
            f"/api/files/uploads/{none}",
            {"headers": {**TUS, "Content-Type": BYTES, "Upload-Offset": "0"}, "data": b"x"},
        ),
        FileRequest(
            "DELETE /api/files/uploads/<name>", f"/api/files/uploads/{none}", {"headers": TUS}
        ),
        FileRequest(
            "POST /api/files/uploads/suggest",
            "/api/files/uploads/suggest",
            {"data": b"\0" * 16, "headers": {"Content-Type": BYTES}},
        ),
        FileRequest("GET /api/files/shares", "/api/files/shares"),
        FileRequest("POST /api/files/shares", "/api/files/shares", {"json": {"path": SUB}}),
        FileRequest("DELETE /api/files/shares/<name>", "/api/files/shares/none"),
        FileRequest("GET /api/resources", "/api/resources"),
        FileRequest("GET /api/resources/<path:path>", f"/api/resources{SUB}"),
        FileRequest("GET /api/resources/<path:path> (checksum)", f"/api/resources{A}?checksum=md5"),
        FileRequest("GET /api/resources/recursive", "/api/resources/recursive"),
        FileRequest("GET /api/resources/recursive/<path:path>", f"/api/resources/recursive{SUB}"),
        FileRequest("GET /api/raw/<path:path>", f"/api/raw{A}"),
        FileRequest("GET /api/usage", "/api/usage"),
        FileRequest("GET /api/usage/<path:path>", f"/api/usage{SUB}"),
        *webdav_requests(),
    ]


def webdav_requests() -> list[FileRequest]:
    """WebDAV's verbs; those that take away come last."""
    return [
        FileRequest("PROPFIND /dav/", f"/dav{SUB}", {"headers": {"Depth": "1"}}),
        FileRequest("OPTIONS /dav/", f"/dav{SUB}"),
        FileRequest("HEAD /dav/", f"/dav{A}"),
        FileRequest("GET /dav/", f"/dav{A}"),
        FileRequest("PUT /dav/", "/dav/data/work/put.txt", {"data": b"x"}),
        FileRequest("PUT /dav/ (overwrite)", f"/dav{A}", {"data": b"x"}),
        FileRequest("PROPPATCH /dav/", f"/dav{A}", {"data": TIMES}),
        FileRequest("MKCOL /dav/", f"/dav{SUB}/made"),
        FileRequest("COPY /dav/", f"/dav{A}", {"headers": {"Destination": f"{DAV}{SUB}/c.txt"}}),
        FileRequest("LOCK /dav/", "/dav/data/work/p.png", {"data": LOCK}),
        FileRequest(
            "MOVE /dav/", f"/dav{A}", {"headers": {"Destination": f"{DAV}/data/work/m.txt"}}
        ),
        FileRequest("DELETE /dav/", f"/dav{SUB}"),
    ]
