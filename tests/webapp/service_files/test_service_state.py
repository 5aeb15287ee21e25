"""What is kept of services: which processes are believed, who may write, what is left behind."""

import io
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.wait import wait_until
from tests.webapp.service_files.samples import small, write
from webapp.processes.log_limit import MAX_LOG_BYTES, cut_log
from webapp.service_files import running
from webapp.service_files.commands import status
from webapp.service_files.errors import ServiceFailed
from webapp.service_files.log_view import follow, print_last_lines
from webapp.service_files.plan import PlanTerms, read_plan
from webapp.service_files.run_identity import identify, run_processes
from webapp.service_files.running import Launch, ServiceState, start, state_of, stop
from webapp.service_files.service_folder import ServiceFolder, ServiceRecord

FAKE = """
import os, signal, subprocess, sys, time
subprocess.Popen(["sleep", "1000"], start_new_session=True)  # what a plugin leaves behind
print("args", *sys.argv[1:], "COMMANDLINE_ARGS=" + os.environ.get("COMMANDLINE_ARGS", ""))
signal.signal(signal.SIGTERM, signal.SIG_IGN if "--no-hashing" in sys.argv else signal.SIG_DFL)
print("Easel is ready at http://localhost", flush=True)
time.sleep(1000)
"""


class Starter:
    """Starts services of a program that only waits, and ends them all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs: list[str] = []

    def __call__(self, script: str = "./webui.sh", name: str = "small", **parts: object) -> Launch:
        plan = read_plan(
            write(self.folder, small(script, **parts)),
            PlanTerms(self.folder / "home", name=name),
            {},
        )
        folder = ServiceFolder(plan.folder)
        folder.make()
        started = start(plan, folder, [])
        self.runs.append(started.record.run)
        running.wait_until_ready(started, folder)
        return started

    def folder_of(self, name: str = "small") -> ServiceFolder:
        """Its folder."""
        return ServiceFolder(self.folder / "home" / name)


@pytest.fixture
def starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Starter]:
    """Nothing runs afterwards."""
    monkeypatch.setattr(running, "PROGRAM", (sys.executable, "-c", FAKE))
    monkeypatch.setattr(running, "LEFTOVER_SECONDS", 0.5)
    starter = Starter(tmp_path)
    yield starter
    for run in starter.runs:
        running.end_processes(run, 0)


def test_a_process_that_took_the_id_of_another_is_not_believed(starter: Starter) -> None:
    record = starter().record
    me = identify(os.getpid())
    assert me is not None
    assert me.is_alive
    for fields in (
        {"pid": me.pid},
        {"pid": me.pid, "started_ticks": me.started_ticks, "boot": "another"},
        {"started_ticks": record.started_ticks + 1},
        {"pid": 2**22 + 1},
    ):
        stale = replace(record, run="0" * 32, **fields)  # type: ignore[arg-type]
        assert state_of(stale) is ServiceState.DEAD
        assert not stop(stale)
    assert record.identity.is_alive
    assert state_of(None) is ServiceState.STOPPED


def test_what_processes_leave_behind_is_ended(starter: Starter) -> None:
    started = starter()
    assert len(run_processes(started.record.run)) == 2
    assert state_of(started.record) is ServiceState.SILENT
    os.kill(started.record.pid, signal.SIGKILL)
    wait_until(lambda: not started.record.identity.is_alive)
    assert state_of(started.record) is ServiceState.DEAD
    assert len(run_processes(started.record.run)) == 1
    stop(started.record)
    assert run_processes(started.record.run) == []


def test_one_that_does_not_end_is_killed_after_its_grace(starter: Starter) -> None:
    record = replace(starter("./webui.sh --no-hashing").record, grace_seconds=0)
    assert stop(record)
    assert run_processes(record.run) == []


def test_a_start_after_a_death_ends_what_was_left(starter: Starter) -> None:
    first = starter().record
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: not first.identity.is_alive)
    second = starter()
    assert run_processes(first.run) == []
    assert not second.token_made
    assert starter.folder_of().read_record() == second.record


def test_the_token_is_made_once_or_taken(starter: Starter) -> None:
    started = starter(name="one_made")
    assert started.token_made
    folder = starter.folder_of("one_made")
    assert f"--token @{folder.token_file}" in folder.log_file.read_text()
    assert not starter(name="one_given", token="of-the-file").token_made
    given = starter.folder_of("one_given")
    assert given.token_file.read_text() == "of-the-file\n"
    assert given.token_file.stat().st_mode & 0o777 == 0o600
    running.end_processes(starter.runs[-1], 0)
    assert starter(name="one_given").token_made  # what lay there was not ours
    starter("./webui.sh --token of-the-script", name="of_script")
    script = starter.folder_of("of_script")
    assert not script.token_file.exists()
    said = script.log_file.read_text()
    assert said.index("of-the-script") > said.index("COMMANDLINE_ARGS=")  # not in its arguments


def test_one_that_ends_at_once_is_told_with_its_words(
    starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PROGRAM", (sys.executable, "-c", "raise SystemExit('no GPU')"))
    with pytest.raises(ServiceFailed, match=r"small did not start. It said:\nno GPU"):
        starter()
    assert starter.folder_of().read_record() is None


def test_links_in_the_folder_are_not_followed(starter: Starter, tmp_path: Path) -> None:
    starter.folder_of().make()
    (starter.folder_of().path / "mounts").symlink_to(tmp_path)
    with pytest.raises(ServiceFailed, match=r"mounts is a link"):
        starter(storage=[{"mount_path": "/x/models"}])
    assert not (tmp_path / "models").exists()
    (starter.folder_of().path / "log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ServiceFailed, match="log cannot be used"):
        starter()
    assert not (tmp_path / "elsewhere").exists()


def test_others_may_not_write_where_tokens_lie(tmp_path: Path) -> None:
    folder = ServiceFolder(tmp_path / "home/small")
    folder.make()
    assert folder.path.stat().st_mode & 0o777 == 0o700
    folder.path.parent.chmod(0o777)
    with pytest.raises(ServiceFailed, match="Others can write into"):
        folder.make()
    (tmp_path / "link").symlink_to(tmp_path / "home")
    (tmp_path / "home").chmod(0o700)
    with pytest.raises(ServiceFailed, match="is a link or a file"):
        ServiceFolder(tmp_path / "link/small").make()
    (tmp_path / "home/file").touch()
    with pytest.raises(ServiceFailed, match="cannot be made"):
        ServiceFolder(tmp_path / "home/file").make()


def test_one_command_at_a_time(tmp_path: Path) -> None:
    folder = ServiceFolder(tmp_path / "home/small")
    folder.make()
    with (
        folder.locked(),
        pytest.raises(ServiceFailed, match="Another command works on small"),
        folder.locked(),
    ):
        pass
    with folder.locked():
        pass


@pytest.mark.parametrize("content", ["[]", "a folder"])
def test_a_damaged_record_hides_no_other_service(
    starter: Starter, tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    starter(name="well")
    bad = ServiceFolder(tmp_path / "home/bad")
    bad.make()
    if content == "a folder":
        bad.record_file.mkdir()
    else:
        bad.record_file.write_text(content)
    for names in ([], ["bad", "well"]):
        assert status(["--services-dir", str(tmp_path / "home"), *names]) == 1
        said = capsys.readouterr()
        assert said.err.count("\n") == 1
        assert f"{bad.record_file} cannot be read" in said.err
        assert "remove that file" in said.err
        assert said.out.splitlines()[1].startswith("well  not answering")
    assert status(["--services-dir", str(tmp_path / "home"), "bad"]) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"pid": 1}', "\0", "[" * 100_000])
def test_a_damaged_record_is_told(tmp_path: Path, content: str) -> None:
    folder = ServiceFolder(tmp_path)
    folder.record_file.write_text(content)
    with pytest.raises(ServiceFailed, match=r"service.json cannot be read"):
        folder.read_record()


def test_fields_of_other_types_are_no_record(starter: Starter) -> None:
    record = starter().record
    folder = starter.folder_of()
    assert folder.read_record() == record
    folder.write_record(replace(record, pid="1"))  # type: ignore[arg-type]
    with pytest.raises(ServiceFailed, match="its pid does not fit"):
        folder.read_record()


def test_a_long_log_is_put_aside(tmp_path: Path) -> None:
    folder = ServiceFolder(tmp_path)
    for size in (MAX_LOG_BYTES, MAX_LOG_BYTES + 1):
        folder.log_file.touch()
        os.truncate(folder.log_file, size)
        folder.open_log().close()
        assert folder.log_file.stat().st_size == (size if size == MAX_LOG_BYTES else 0)
    assert (tmp_path / "log.1").stat().st_size == MAX_LOG_BYTES + 1


def test_writers_go_on_at_the_new_end_of_a_log(tmp_path: Path) -> None:
    folder = ServiceFolder(tmp_path)
    with folder.open_log() as log:
        log.write(b"first" * 100)
        log.flush()
        assert not cut_log(folder.log_file, 500)
        assert cut_log(folder.log_file, 499)
        log.write(b"second")
    assert folder.log_file.read_bytes() == b"second"
    assert (tmp_path / "log.1").read_bytes() == b"first" * 100
    (tmp_path / "log.1").unlink()
    (tmp_path / "log.1").mkdir()  # what was said cannot be kept, and is emptied all the same
    assert cut_log(folder.log_file, 1)
    assert folder.log_file.read_bytes() == b""


@pytest.mark.parametrize(("count", "lines"), [(0, 0), (1, 1), (3, 3), (4000, 4000), (9999, 5000)])
def test_the_last_lines_of_a_log(tmp_path: Path, count: int, lines: int) -> None:
    every = [f"{number} {'x' * (number % 97)}\n" for number in range(5000)]
    folder, out = ServiceFolder(tmp_path), io.BytesIO()
    folder.log_file.write_text("".join(every))
    print_last_lines(folder, count, out).close()
    assert out.getvalue().decode() == "".join(every[5000 - lines :])


def test_lines_that_come_are_written_until_the_end(tmp_path: Path) -> None:
    folder, out = ServiceFolder(tmp_path), io.BytesIO()
    folder.log_file.write_text("old\n")
    log = print_last_lines(folder, 1, out)
    words = ["one\n", "two\n", "last words\n"]

    def is_alive() -> bool:
        cut_log(folder.log_file, len("old\none\n") - 1)
        if words:
            with folder.log_file.open("a") as file:
                file.write(words.pop(0))
        return bool(words)

    follow(log, is_alive, out, lambda _: None)
    log.close()
    assert out.getvalue() == b"old\none\ntwo\nlast words\n"


def test_addresses_are_those_of_this_machine(starter: Starter) -> None:
    record: ServiceRecord = starter().record
    assert record.url == "http://127.0.0.1:8000".replace("127.0.0.1", "localhost")
    other = replace(record, host="::", tls=True, root_path="/below", port=1)
    assert other.url == "https://localhost:1/below"
    assert replace(record, host="10.0.0.1").url == "http://10.0.0.1:8000"
