"""``.easel`` is for its user alone, also where an earlier version left it open."""

import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.webapp.web_process import WebProcess, web_process
from webapp.settings.state_folder import prepare_state_folder


def mode(path: Path) -> int:
    return path.lstat().st_mode & 0o777


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """A web process over a tree of an earlier version, started with umask 022."""
    data_dir = tmp_path_factory.mktemp("data")
    for name in ("thumbnails/ab", "saved", "plugins/pace"):
        (data_dir / ".easel" / name).mkdir(parents=True)
        (data_dir / ".easel" / name / "file").touch()
    (data_dir / ".easel/ended_logins").mkdir()  # a folder where a file belongs
    (data_dir / ".trash").mkdir()
    (data_dir / "outputs").mkdir()
    for path in data_dir.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    before = os.umask(0o022)
    try:
        with web_process(data_dir, "--filebrowser") as process:
            yield process
    finally:
        os.umask(before)


def test_nothing_of_the_service_is_open_to_others(running: WebProcess) -> None:
    state = running.data_dir / ".easel"
    assert (state / "queue.db-wal").is_file()
    assert mode(state) == 0o700
    assert [path for path in state.rglob("*") if mode(path) & 0o077] == []


def test_the_processes_make_nothing_for_others(running: WebProcess) -> None:
    for pid in (running.arbiter.pid, running.serving.pid):  # type: ignore[union-attr]
        assert "Umask:\t0077" in Path(f"/proc/{pid}/status").read_text()


def test_what_is_in_the_way_is_put_aside(running: WebProcess) -> None:
    (aside,) = (running.data_dir / ".easel").glob("ended_logins.damaged-*")
    assert aside.is_dir()


def test_what_people_look_through_keeps_their_umask(running: WebProcess) -> None:
    for verb, name in (("MKCOL", "new"), ("PUT", "new/a.txt")):
        request = urllib.request.Request(
            f"{running.url}/dav/data/outputs/{name}", b"a" * (verb == "PUT"), method=verb
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 201
    outputs = running.data_dir / "outputs"
    assert (mode(outputs / "new"), mode(outputs / "new/a.txt")) == (0o750, 0o640)
    assert mode(running.data_dir / ".trash") == 0o755  # nobody came there yet
    delete = urllib.request.Request(f"{running.url}/dav/data/outputs/new/a.txt", method="DELETE")
    urllib.request.urlopen(delete).close()
    assert not (outputs / "new/a.txt").exists()
    assert mode(running.data_dir / ".uploads") == 0o700


@pytest.mark.parametrize("name", ["queue.db", "queue.db-wal", "styles.lock", "ballast", "token"])
def test_folders_in_place_of_files_are_put_aside(tmp_path: Path, name: str) -> None:
    (tmp_path / ".easel" / name).mkdir(parents=True)
    (tmp_path / ".easel" / "saved").write_text("a file where a folder belongs")
    prepare_state_folder(tmp_path / ".easel")
    left = sorted(path.name.partition(".damaged-")[0] for path in (tmp_path / ".easel").iterdir())
    assert left == sorted([name, "saved"])
    assert not (tmp_path / ".easel" / name).exists()
    assert not (tmp_path / ".easel" / "saved").exists()


def test_a_file_in_place_of_the_folder_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / ".easel").write_text("a note")
    prepare_state_folder(tmp_path / ".easel")
    assert mode(tmp_path / ".easel") == 0o700
    (aside,) = tmp_path.glob(".easel.damaged-*")
    assert aside.read_text() == "a note"
