"""Accounts of a real web process, from its first start on, beside the command line."""

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.conftest import ROOT
from tests.wait import exit_code, wait_until
from tests.webapp.accounts.postgres_server import PostgresServer
from tests.webapp.web_process import WebProcess, web_process
from webapp.accounts_command import run_tokens, run_users
from webapp.http.openapi import CONVERTER

WORDS, MARK = "five wet maps hum", "canary"
PAGES = [ROOT / "docs/access.md", ROOT / "docs/accounts.md"]
LINK = re.compile(r"No admin yet\. .*: (http://\S+/invite/(\S+))")


def easel(*words: str, **options: str) -> "subprocess.CompletedProcess[str]":
    """A command of Easel's, run to its end."""
    command = [sys.executable, "-m", "webapp", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)  # type: ignore[call-overload, no-any-return]


def login(service: WebProcess, name: str, password: str = WORDS) -> requests.Session:
    """A session of a user who has logged in."""
    session = requests.Session()
    body = {"username": name, "password": password}
    session.post(f"{service.url}/api/v1/login", json=body, timeout=60).raise_for_status()
    return session


@pytest.fixture(scope="module")
def service(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebProcess]:
    """A web process with accounts in PostgreSQL, whose address only a file tells."""
    folder = tmp_path_factory.mktemp("accounts")
    url = folder / "url"
    url.write_text(postgres.new_database().replace("easel@", f"easel:{MARK}-database@"))
    flags = (
        "--accounts", f"--database-url=@{url}", "--time-log", f"--token={MARK}-owner",
        "--oidc-issuer=http://127.0.0.1:9", "--oidc-client-id=easel",
        f"--oidc-client-secret={MARK}-provider",
    )  # fmt: skip
    with web_process(folder / "data", *flags, log=folder / "log") as process:
        yield process


def test_from_the_first_start_to_a_disabled_user(service: WebProcess) -> None:
    found = wait_until(lambda: LINK.search(service.log_text()))
    code = found[2]
    assert found[1] == f"http://localhost:{service.port}/invite/{code}"
    link = f"{service.url}/invite/{code}"
    assert requests.get(f"{service.url}/api/v1/me", timeout=60).status_code == 401
    assert requests.get(link, timeout=60).status_code == 200
    form = {"username": "root", "password": WORDS, "repeated": WORDS}
    browser = requests.Session()
    assert browser.post(link, data=form, timeout=60).url == f"{service.url}/"
    assert browser.get(f"{service.url}/api/v1/me", timeout=60).json()["role"] == "admin"

    where = ("--data-dir", str(service.data_dir), service.flags[1])
    made = easel("users", "add", "ann", "--role", "member", *where)
    assert made.returncode == 0, made.stderr
    password = made.stdout.split()[-1]
    token = easel("tokens", "add", "ann", "--scope", "read", *where).stdout.strip()
    ann, script = login(service, "ann", password), {"Authorization": f"Bearer {token}"}
    me = f"{service.url}/api/v1/me"
    assert ann.get(me, timeout=60).json()["name"] == "ann"
    assert requests.get(me, headers=script, timeout=60).json()["scopes"] == ["read"]

    service.kill_serving()
    service.wait()
    assert ann.get(me, timeout=60).status_code == 200
    assert easel("users", "disable", "ann", *where).returncode == 0
    assert ann.get(me, timeout=60).status_code == 401
    assert requests.get(me, headers=script, timeout=60).status_code == 401
    lines = browser.get(f"{service.url}/api/v1/audit?text=ann", timeout=60).json()["entries"]
    assert {line["actor"][:12] for line in lines} == {"command line", "ann"}

    log = service.log_text()
    assert len(LINK.findall(log)) == 1
    assert "GET /invite/***" in log
    rest = LINK.sub("", log)
    assert not [secret for secret in (code, password, token, WORDS) if secret in rest]


def test_no_route_log_line_or_process_tells_a_secret(service: WebProcess) -> None:
    lines = "\n".join(page.read_text() for page in PAGES)
    paths = {
        path
        for line in re.findall(r"^(?:\| `)?GET (.*)$", lines, re.M)
        for path in re.findall(r"/\S*?(?=[`\s]|$)", line.partition("`")[0])
    }
    assert "/api/v1/audit.csv" in paths
    for path in sorted(paths):
        address = service.url + CONVERTER.sub("x", path)
        for headers in ({}, {"Authorization": f"{MARK}-owner"}):
            with requests.get(address, headers=headers, timeout=60, stream=True) as answer:
                live = answer.headers.get("Content-Type", "").startswith("text/event-stream")
                text = next(answer.iter_content(1 << 16), b"") if live else answer.content
            assert MARK.encode() not in text, path
            assert MARK not in str(answer.headers), path
    assert MARK not in service.log_text()
    assert service.arbiter is not None
    for pid in (service.arbiter.pid, service.serving.pid):
        for name in ("cmdline", "environ"):
            assert MARK.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()


def test_a_database_that_cannot_be_used_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    url, log = tmp_path / "url", tmp_path / "log"
    url.write_text(f"postgresql://easel:canary@/none?host={tmp_path}")
    words = ["web", "--accounts", f"--database-url=@{url}", f"--data-dir={tmp_path}/data",
             "--port=0"]  # fmt: skip
    (tmp_path / "data/.easel").mkdir(parents=True)
    with log.open("wb") as out:
        command = [sys.executable, "-m", "webapp", *words[:-1], "--watch=off"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
    assert exit_code(process) == 3
    assert "The accounts' database cannot be used" in log.read_text()
    assert "canary" not in log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("users", "add", "../x"), "name has 1 to 32"),
        (("users", "role", "nobody", "admin"), "no user 'nobody'"),
        (("users", "add", "ann", "--role", "king"), "'king': one of admin, member, viewer"),
        (("users", "add", "ann", "--database-url=canary"), "this is no address"),
        (("users", "list", "--accounts", "--api-auth", "a:bbbbbbbb"), "not by --api-auth"),
        (("users", "limit", "nobody", "weight=2"), "no user 'nobody'"),
        (("users", "limit", "role:king", "weight=2"), "user, a group or a role (admin"),
        (("users", "limit", "role:member", "colour=2"), "no limit 'colour'; there are weight"),
        (("users", "limit", "role:member", "weight=none"), "'weight=none': a limit and a number"),
        (("users", "add", "ann", "--group", "none"), "no group 'none'"),
        (("tokens", "add", "ann", "--days", "0"), "'0': days above 0, up to 3,660, or never"),
        (("tokens", "add", "ann"), "no user 'ann'"),
        (("tokens", "list", "ann", "--auth-header", "X-User"), "needs --accounts"),
        (("tokens", "list", "ann", "--accounts", "--auth-header", "X"), "needs --trusted-proxy"),
        (("tokens", "list", "ann", "--accounts", "--oidc-issuer", "http://x", "--oidc-client-id",
          "e"), "https://"),
    ],
)  # fmt: skip
def test_command_lines_that_are_refused(
    words: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = {"users": run_users, "tokens": run_tokens}[words[0]]
    try:
        code = run((*words[1:], "--data-dir", str(tmp_path / "data")), {})
    except SystemExit as left:  # argparse
        code = int(str(left.code))
    shown = capsys.readouterr()
    assert code in (1, 2)
    assert told in shown.err
    assert "canary" not in shown.err + shown.out


def test_a_day_of_an_admin_at_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("--data-dir", str(tmp_path / "data"))

    def run(*words: str) -> str:
        command = {"users": run_users, "tokens": run_tokens}[words[0]]
        assert command((*words[1:], *where), {}) == 0
        return capsys.readouterr().out

    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{WORDS}\n"))
    assert run("users", "add", "Root", "--role", "admin", "--password-stdin") == "root is admin.\n"
    run("users", "add", "proxied", "--no-password")
    assert "Password, told this once: " in run("users", "add", "ann", "--role", "viewer")
    run("users", "role", "ann", "member")
    run("users", "disable", "ann")
    assert run("users", "list") == (
        "ann\tmember\tdisabled\nproxied\tmember\tenabled\nroot\tadmin\tenabled\n"
    )
    run("users", "enable", "ann")
    run("users", "add-group", "Studio")
    run("users", "group", "ann", "studio")
    assert run("users", "groups") == "studio\tann\n"
    run("users", "limit", "group:studio", "weight=2.5", "running_jobs=3")
    run("users", "limit", "ann", "gpu_seconds_day=600")
    run("users", "limit", "role:member", "waiting_jobs=20")
    assert run("users", "limits").splitlines() == [
        "group:studio\tweight=2.5 running_jobs=3", "role:member\twaiting_jobs=20",
        "ann\tgpu_seconds_day=600",
    ]  # fmt: skip
    run("users", "group", "ann")
    run("users", "limit", "ann")
    run("users", "remove-group", "studio")
    assert run("users", "limits") == "role:member\twaiting_jobs=20\n"
    token = run("tokens", "add", "ann", "--scope", "read", "--scope", "generate", "--label", "x")
    assert token.startswith("easel_")
    listed = run("tokens", "list", "ann").split("\t")
    assert (listed[1], listed[3]) == ("generate read", "x\n")
    run("tokens", "revoke", "ann", listed[0])
    assert run("tokens", "list", "ann") == ""
    assert run("users", "logout", "ann") == "0 ended.\n"
    run("users", "remove", "ann")
    assert "ann" not in run("users", "list")
