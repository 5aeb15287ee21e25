"""A good request for every route of files, and for every verb of WebDAV."""

from dataclasses import dataclass, field
from typing import Any

from tests.webapp.attacking import World
from tests.webapp.tus_client import BYTES, TUS, told

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
class Ask:
    """One request. ``row`` is its name in docs/files.md."""

    row: str
    url: str
    given: dict[str, Any] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """The verb."""
        return self.row.partition(" ")[0]

    def of(self, world: World) -> Any:
        """The answer."""
        answer = world.ask(self.method, self.url, **self.given)
        answer.close()
        return answer


def uploading(**more: str) -> dict[str, str]:
    """The headers of a new upload."""
    meta = told(folder="/data/work", filename="new.txt")
    return {**TUS, "Upload-Length": "3", "Upload-Metadata": meta, **more}


def asks() -> list[Ask]:
    """All of them; ids that nobody was given stand for what has to be made first."""
    none = "0" * 32
    return [
        Ask("GET /api/files", f"/api/files?path={SUB}"),
        Ask("GET /api/files/roots", "/api/files/roots"),
        Ask("GET /api/files/size", f"/api/files/size?path={SUB}"),
        Ask("GET /api/files/search", "/api/files/search?q=a"),
        Ask("GET /api/files/thumbnail", "/api/files/thumbnail?path=/data/work/p.png"),
        Ask("GET /api/files/preview", f"/api/files/preview?path={A}"),
        Ask("GET /api/files/content", f"/api/files/content?path={A}"),
        Ask("GET /api/files/archive", f"/api/files/archive?path={SUB}"),
        Ask("GET /api/files/text", f"/api/files/text?path={A}"),
        Ask(
            "PUT /api/files/text",
            f"/api/files/text?path={A}",
            {"json": {"text": "x"}, "headers": {"If-Match": '"x"'}},
        ),
        Ask(
            "PUT /api/files/text (new)",
            "/api/files/text?path=/data/work/n.txt",
            {"json": {"text": "x"}, "headers": {"If-None-Match": "*"}},
        ),
        Ask("POST /api/files/folder", "/api/files/folder", {"json": {"path": f"{SUB}/new"}}),
        Ask("POST /api/files/move", "/api/files/move", {"json": {"paths": [A], "to": SUB}}),
        Ask("POST /api/files/copy", "/api/files/copy", {"json": {"paths": [A], "to": SUB}}),
        Ask(
            "POST /api/files/copy (overwrite)",
            "/api/files/copy",
            {"json": {"paths": [A], "to": SUB, "conflict": "overwrite"}},
        ),
        Ask(
            "POST /api/files/rename",
            "/api/files/rename",
            {"json": {"path": "/data/work/p.png", "name": "q.png"}},
        ),
        Ask("POST /api/files/delete", "/api/files/delete", {"json": {"paths": [A]}}),
        Ask("POST /api/files/restore", "/api/files/restore", {"json": {"trash_id": none}}),
        Ask(
            "POST /api/files/extract",
            "/api/files/extract",
            {"json": {"path": "/data/work/z.zip"}},
        ),
        Ask("GET /api/files/trash", "/api/files/trash"),
        Ask("DELETE /api/files/trash", "/api/files/trash"),
        Ask("GET /api/files/jobs", "/api/files/jobs"),
        Ask("GET /api/files/jobs/<name>", f"/api/files/jobs/{none}"),
        Ask("DELETE /api/files/jobs/<name>", f"/api/files/jobs/{none}"),
        Ask("GET /api/files/uploads", "/api/files/uploads"),
        Ask("POST /api/files/uploads", "/api/files/uploads", {"headers": uploading()}),
        Ask("GET /api/files/uploads/<name>", f"/api/files/uploads/{none}"),
        Ask("HEAD /api/files/uploads/<name>", f"/api/files/uploads/{none}", {"headers": TUS}),
        Ask(
            "PATCH /api/files/uploads/<name>",
            f"/api/files/uploads/{none}",
            {"headers": {**TUS, "Content-Type": BYTES, "Upload-Offset": "0"}, "data": b"x"},
        ),
        Ask("DELETE /api/files/uploads/<name>", f"/api/files/uploads/{none}", {"headers": TUS}),
        Ask(
            "POST /api/files/uploads/suggest",
            "/api/files/uploads/suggest",
            {"data": b"\0" * 16, "headers": {"Content-Type": BYTES}},
        ),
        Ask("GET /api/files/shares", "/api/files/shares"),
        Ask("POST /api/files/shares", "/api/files/shares", {"json": {"path": SUB}}),
        Ask("DELETE /api/files/shares/<name>", "/api/files/shares/none"),
        Ask("GET /api/resources", "/api/resources"),
        Ask("GET /api/resources/<path:path>", f"/api/resources{SUB}"),
        Ask("GET /api/resources/<path:path> (checksum)", f"/api/resources{A}?checksum=md5"),
        Ask("GET /api/resources/recursive", "/api/resources/recursive"),
        Ask("GET /api/resources/recursive/<path:path>", f"/api/resources/recursive{SUB}"),
        Ask("GET /api/raw/<path:path>", f"/api/raw{A}"),
        Ask("GET /api/usage", "/api/usage"),
        Ask("GET /api/usage/<path:path>", f"/api/usage{SUB}"),
        *dav_asks(),
    ]


def dav_asks() -> list[Ask]:
    """WebDAV's verbs; those that take away come last."""
    return [
        Ask("PROPFIND /dav/", f"/dav{SUB}", {"headers": {"Depth": "1"}}),
        Ask("OPTIONS /dav/", f"/dav{SUB}"),
        Ask("HEAD /dav/", f"/dav{A}"),
        Ask("GET /dav/", f"/dav{A}"),
        Ask("PUT /dav/", "/dav/data/work/put.txt", {"data": b"x"}),
        Ask("PUT /dav/ (overwrite)", f"/dav{A}", {"data": b"x"}),
        Ask("PROPPATCH /dav/", f"/dav{A}", {"data": TIMES}),
        Ask("MKCOL /dav/", f"/dav{SUB}/made"),
        Ask("COPY /dav/", f"/dav{A}", {"headers": {"Destination": f"{DAV}{SUB}/c.txt"}}),
        Ask("LOCK /dav/", "/dav/data/work/p.png", {"data": LOCK}),
        Ask("MOVE /dav/", f"/dav{A}", {"headers": {"Destination": f"{DAV}/data/work/m.txt"}}),
        Ask("DELETE /dav/", f"/dav{SUB}"),
    ]
