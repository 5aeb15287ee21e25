"""What a browser may load and run of any answer, and files of plugins: through the real server."""

import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPMessage
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.plugins.plugin_files import make_plugin
from tests.wait import TIMEOUT
from tests.webapp.web_process import WebProcess, web_process
from webapp.http.content_policy import EMPTY_POLICY, policy_of

WEB = """
from plugins.api import Reply, Route

class Plugin:
    def __init__(self, home):
        pass

    @hook
    def routes(self):
        return [Route("/page", lambda ask: Reply(b"<b>hello", content_type="text/html")),
                Route("/json", lambda ask: Reply({"a": 1}))]
"""
POLICY = "Content-Security-Policy"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    data_dir = tmp_path_factory.mktemp("data")
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.js").write_text("secret")
    static = make_plugin(data_dir, "greeter", web=WEB, hooks="routes") / "static"
    (static / "sub").mkdir(parents=True)
    for name in ("tab.js", "tab.mjs", "a.css", "p.png", "p.svg", "p.html", "p.xml", "sub/x.js"):
        (static / name).write_text("<b>ü</b>")
    (static / "link.js").symlink_to(outside / "secret.js")
    (static / "way").symlink_to(outside)
    (static / "inner.js").symlink_to(static / "tab.js")
    linked = make_plugin(data_dir, "linked", web=WEB, hooks="routes")
    (linked / "static").symlink_to(outside)
    with web_process(data_dir, "--filebrowser") as process:
        yield process


def get(web: WebProcess, path: str, **headers: str) -> tuple[int, HTTPMessage, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(web.url + path, None, headers)) as found:
            return found.status, found.headers, found.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


ANSWERS = (
    *("/", "/login", "/docs", "/redoc", "/s/nothing", "/nowhere", "/openapi.json", "/healthz"),
    *("/sdapi/v1/options", "/api/files?path=/data", "/file=/etc/passwd", "/dav/", "/dav/none"),
    *("/plugins/greeter/page", "/plugins/greeter/json", "/plugins/none/static/x"),
    *(f"/plugins/greeter/static/{name}" for name in ("p.html", "p.svg", "p.xml", "none.js")),
)


@pytest.mark.parametrize("path", ANSWERS)
def test_every_answer_has_a_policy(web: WebProcess, path: str) -> None:
    _, headers, _ = get(web, path)
    assert "default-src" in headers[POLICY]
    assert "unsafe-eval" not in headers[POLICY]
    assert not re.search(r"script-src[^;]*unsafe-inline|https?:", headers[POLICY])


@pytest.mark.parametrize("path", ["/login", "/docs", "/redoc"])
def test_pages_run_what_stands_in_them_alone(web: WebProcess, path: str) -> None:
    _, headers, page = get(web, path)
    assert headers[POLICY] == policy_of(page.decode())
    assert "'sha256-" in headers[POLICY]
    assert not re.search(rb"<(script|style)[ /]| on\w+=| style=", page)


def test_a_request_that_is_none_is_answered_with_a_policy(web: WebProcess) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=TIMEOUT) as line:
        line.sendall(b"NONSENSE\r\n\r\n")
        answer = line.makefile("rb").read()
    assert f"{POLICY}: {EMPTY_POLICY}".encode() in answer


@pytest.mark.parametrize("name", ["tab.js", "tab.mjs", "a.css", "p.png", "sub/x.js"])
def test_scripts_styles_and_pictures_of_plugins_have_none(web: WebProcess, name: str) -> None:
    status, headers, body = get(web, f"/plugins/greeter/static/{name}")
    assert (status, body.decode()) == (200, "<b>ü</b>")
    assert headers[POLICY] is None
    assert headers["X-Content-Type-Options"] == "nosniff"


ASTRAY = (
    *("greeter/static/link.js", "greeter/static/way/secret.js", "greeter/static/inner.js"),
    *("linked/static/secret.js", "greeter/static/sub", "greeter/static/../web.py"),
    *("greeter/static/..%2fweb.py", "greeter/static/sub%2f..%2f..%2fweb.py"),
)


@pytest.mark.parametrize("path", ASTRAY)
def test_files_of_plugins_are_reached_through_the_gate(web: WebProcess, path: str) -> None:
    status, _, body = get(web, f"/plugins/{quote(path, safe='/%')}")
    assert status == 404
    assert b"secret" not in body
    assert b"hook" not in body


def test_files_of_plugins_are_asked_for_again_and_not_sent_twice(web: WebProcess) -> None:
    _, headers, _ = get(web, "/plugins/greeter/static/tab.js")
    assert headers["Cache-Control"] == "private, no-cache"
    again = get(web, "/plugins/greeter/static/tab.js", **{"If-None-Match": headers["ETag"]})
    assert again[0] == 304


def test_the_built_page_has_no_inline_parts() -> None:
    page = Path(__file__).parents[3] / "static" / "index.html"
    assert not re.search(r"<style|<script(?! type=\"module\" src)", page.read_text())
