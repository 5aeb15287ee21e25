"""WebDAV over one tree, without the service around it: every request is a plain WSGI call."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from werkzeug.test import Client, TestResponse
from wsgidav.dav_error import DAVError, get_http_status_string

from filebrowser.access.file_access import FileAccess, Right
from filebrowser.access.gate import Root
from filebrowser.dav.entries import DavContext
from filebrowser.dav.placeholders import Placeholders
from filebrowser.dav.provider import DavApplication, make_environ
from filebrowser.uploads.rules import ContentRules, FolderRule
from filebrowser.uploads.space import UploadLimits
from filebrowser.uploads.upload_store import UploadStore
from filebrowser.watch.file_events import FileEvent

DAV = "{DAV:}"
HIDDEN = frozenset({".trash", ".uploads"})
RULES = ContentRules(
    (
        FolderRule(
            *("data", "work/models", frozenset({".ckpt", ".safetensors"}), "Models lie here."),
            weight_endings=frozenset({".ckpt", ".safetensors"}),
        ),
    )
)
LOCK_BODY = (
    '<lockinfo xmlns="DAV:"><lockscope><{}/></lockscope><locktype><write/></locktype>'
    "<owner>&lt;me&gt;</owner></lockinfo>"
)


class Drive(Client):
    """A client of WebDAV in the folder ``work`` of the tree ``data``; ``access`` is who asks."""

    def __init__(self, top: Path) -> None:
        self.folder = top / "work"
        self.folder.mkdir()
        root = Root("data", top, hidden=HIDDEN, sealed=frozenset({"code"}))
        self.access = FileAccess("ann", (root,))
        self.told: list[FileEvent] = []
        self.placeholders = Placeholders()
        self.limits(spare=0)
        self.dav = DavApplication("/dav")
        super().__init__(self._answer)

    def limits(self, **limits: int) -> None:
        """Other limits for what comes from now on."""
        self.uploads = UploadStore(UploadLimits(**limits), RULES, self.told.append)  # type: ignore[arg-type]

    def _answer(self, environ: dict[str, Any], start: Any) -> Any:
        context = DavContext(self.access, self.uploads, self.told.append, self.placeholders)
        try:
            return self.dav(make_environ(environ, context, "/dav"), start)
        except DAVError as error:  # as the route answers what make_environ refuses
            start(get_http_status_string(error), [("Content-Type", "text/plain")])
            return [str(error.context_info).encode()]

    def without(self, *rights: Right) -> None:
        """Take rights away from who asks."""
        self.access = replace(self.access, rights=self.access.rights - set(rights))

    def become(self, who: str) -> None:
        """Ask as somebody else from now on."""
        self.access = replace(self.access, who=who)

    def ask(
        self,
        method: str,
        name: str = "",
        data: Any = b"",
        headers: Mapping[str, str] | None = None,
        **environ: str,
    ) -> TestResponse:
        """One request for a name in the folder, or for a path that begins with a slash.

        ``environ`` holds what a server tells that werkzeug's client would set right.
        """
        path = f"/dav{name}" if name.startswith("/") else f"/dav/data/work/{quote(name)}"
        return self.open(
            *(path,), method=method, data=data, headers=dict(headers or {}),
            environ_overrides=environ,
        )  # fmt: skip

    def lock(self, name: str, scope: str = "exclusive", **headers: str) -> TestResponse:
        return self.ask("LOCK", name, LOCK_BODY.format(scope), headers)

    def token(self, name: str, **headers: str) -> str:
        """The token of a new lock, as an ``If`` header takes it."""
        answer = self.lock(name, **headers)
        assert answer.status_code in (200, 201), answer.text
        return f"({answer.headers['Lock-Token']})"

    def move(self, name: str, target: str, method: str = "MOVE", **headers: str) -> TestResponse:
        """A move, or a copy, to another name in the folder."""
        there = target if target.startswith("/") else f"/data/work/{quote(target)}"
        return self.ask(method, name, b"", {"Destination": f"/dav{there}"} | headers)

    def copy(self, name: str, target: str, **headers: str) -> TestResponse:
        return self.move(name, target, "COPY", **headers)

    def properties(self, name: str = "", body: str = "", depth: str = "1") -> dict[str, Any]:
        """By path: the properties of each status."""
        answer = self.ask("PROPFIND", name, body, {"Depth": depth})
        assert answer.status_code == 207, answer.text
        found: dict[str, Any] = {}
        for response in ET.fromstring(answer.data):
            stats = {}
            for stat in response.iter(f"{DAV}propstat"):
                status = (stat.findtext(f"{DAV}status") or "").split()[1]
                stats[status] = {each.tag: each for each in stat.find(f"{DAV}prop") or ()}
            found[unquote(response.findtext(f"{DAV}href") or "")] = stats
        return found

    def listed(self, name: str = "") -> list[str]:
        """What a folder holds as its clients see it; folders end in a slash."""
        own, *others = sorted(self.properties(name), key=len)
        return sorted(path.removeprefix(own) for path in others)

    def events(self) -> list[str]:
        """What was told of since the last call: "created work/a.txt"."""
        told = [f"{each.kind} {'/'.join(each.place.names)}" for each in self.told]
        self.told.clear()
        return told


@pytest.fixture
def client(memory_folder: Path) -> Drive:
    return Drive(memory_folder)
