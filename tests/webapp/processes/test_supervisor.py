"""Processes that live, die and are killed: the real supervisor around a fake engine."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.wait import POLL_SECONDS, TIMEOUT, exit_code, result_of, wait_until
from tests.webapp.processes.fake_easel import LEASE
from tests.webapp.processes.running_service import PROGRAM, ROOT, RunningService
from webapp.process_tree import COLD_START_VARIABLE
from webapp.processes.managed_process import MANY_DEATHS, ManagedProcess
from webapp.processes.ports import PortTaken, bind_socket, open_listener
from webapp.queues.worker_id import WorkerId
from webapp.settings.devices import cuda_count, driver_count, resolve_devices

SHORT = 6.0  # seconds of a lease that a test waits for


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningService]:
    """A service; ended with the test, whatever happened."""
    service = RunningService(tmp_path / "data")
    yield service
    service.end()


def test_a_request_is_answered_and_sigterm_leaves_nothing(running: RunningService) -> None:
    assert running.draw("quick")[0] == 200
    assert len(running.processes()) == 3
    running.process.terminate()
    assert exit_code(running.process) == 0
    assert running.processes() == []


def test_kill_9_of_the_worker_in_mid_job_loses_no_request(running: RunningService) -> None:
    drawn = running.later("slow")
    wait_until(running.working)
    killed = running.worker()
    os.kill(killed, signal.SIGKILL)
    status, body = result_of(drawn)
    assert status == 200
    assert b'"images"' in body
    assert running.worker() != killed
    assert "killed by SIGKILL" in running.log()
    assert "taken up again" in running.log()


def test_kill_9_of_the_web_process_refuses_no_connection(running: RunningService) -> None:
    (web,) = (p for p in running.processes() if "web" in p.cmdline())
    web.kill()
    assert running.draw("quick")[0] == 200


def test_kill_9_of_the_supervisor_leaves_nothing(running: RunningService) -> None:
    drawn = running.later("endless")
    wait_until(running.working)
    running.process.kill()
    running.process.wait()
    wait_until(lambda: running.processes() == [])
    assert drawn.exception(TIMEOUT) is not None
    (frame,) = running.store.list_frames()  # the request is kept for the next start
    assert frame.deliveries == 1
    assert [worker.is_dead for worker in running.store.lease_holders()] == [True]


def test_sigterm_finishes_the_running_job(running: RunningService) -> None:
    drawn = running.later("slow")
    wait_until(running.working)
    running.process.terminate()
    assert result_of(drawn)[0] == 200
    assert exit_code(running.process) == 0
    assert running.processes() == []


def test_sigusr1_finishes_the_job_and_starts_everything_anew(running: RunningService) -> None:
    drawn = running.later("slow")
    wait_until(running.working)
    before = {process.pid for process in running.processes()}
    running.process.send_signal(signal.SIGUSR1)
    assert result_of(drawn)[0] == 200

    def new() -> set[int]:
        return {process.pid for process in running.processes()} - before

    wait_until(lambda: len(new()) == 2)
    assert running.draw("quick")[0] == 200
    assert len(running.processes()) == 3


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningService]:
    """A service of two workers, with short leases."""
    monkeypatch.setenv(LEASE, str(SHORT))
    service = RunningService(tmp_path / "data")
    other = service.join()
    yield service
    service.end()
    other.wait()


def test_a_machine_that_stands_still_draws_a_job_once(two: RunningService) -> None:
    """All stop for longer than a lease; who has no job goes on first, and does not take it."""
    drawn = two.later("long")
    wait_until(two.working)
    holder = two.holder()
    everybody = two.processes()
    for process in everybody:
        process.suspend()
    time.sleep(SHORT + 1)
    for process in sorted(everybody, key=lambda each: each.pid == holder):
        process.resume()
        time.sleep(0.1)
    assert result_of(drawn)[0] == 200
    assert two.count_answers() == 1
    assert "lease was lost" not in two.log()
    assert {process.pid for process in two.processes()} == {each.pid for each in everybody}


def test_a_worker_that_stands_still_alone_loses_its_job(two: RunningService) -> None:
    drawn = two.later("slow")
    wait_until(two.working)
    holder = psutil.Process(two.holder())
    holder.suspend()
    assert result_of(drawn)[0] == 200
    holder.resume()
    wait_until(lambda: "lease was lost" in two.log())
    assert two.count_answers() == 1


def test_a_second_sigterm_gives_the_job_back(running: RunningService) -> None:
    running.later("endless")
    wait_until(running.working)
    running.process.terminate()
    wait_until(lambda: running.store.workers()[-1].state == "draining")
    time.sleep(1.05)  # sooner, it counts as the same
    running.process.terminate()
    assert exit_code(running.process) == 0
    (frame,) = running.store.list_frames()
    assert frame.deliveries == 0


def test_a_request_that_kills_every_worker_is_answered(running: RunningService) -> None:
    status, body = running.draw("die")
    assert status == 500
    assert b"lost 5 times" in body
    assert b"ended with 3" in body


def test_a_request_that_crashes_workers_delays_nobody_else(running: RunningService) -> None:
    """No pause before the next worker, the others' requests first, the signal told in the end."""
    crashed = running.later("crash")
    wait_until(lambda: "SIGSEGV with a job" in running.log())
    others = [running.later("quick") for _ in range(3)]
    assert [result_of(drawn)[0] for drawn in others] == [200, 200, 200]
    status, body = result_of(crashed)
    assert status == 500
    assert b"lost 5 times" in body
    assert b"killed by SIGSEGV" in body
    assert "within a minute" not in running.log()
    wait_until(lambda: running.log().count("started again at once") >= 5)  # told after the answer
    assert running.log().count("started again at once") == 5


def test_a_worker_that_dies_without_a_job_is_started_after_a_pause() -> None:
    child = ManagedProcess(
        "The worker", [sys.executable, "-c", "exit(7)"], {}, logging.getLogger("test")
    )
    for _ in range(MANY_DEATHS):
        child.start()
        death = wait_until(child.reap)
        child.schedule_restart(death, caused_by_job=True)
        child.start_if_due()
        assert child.pid is not None
        child.schedule_restart(wait_until(child.reap), caused_by_job=False)
    child.start_if_due()
    assert child.pid is None
    assert death.how == "ended with 7"


def test_a_worker_that_died_twice_at_rest_loads_nothing_ahead() -> None:
    """A checkpoint that takes the process down when it is loaded must not do so for ever."""
    told = [
        sys.executable,
        "-c",
        f"import os; exit(9 if {COLD_START_VARIABLE!r} in os.environ else 7)",
    ]
    child = ManagedProcess("The worker", told, {}, logging.getLogger("test"), device="cpu")
    codes = []
    for of_a_job in (True, False, True, False, True):
        child.start()
        death = wait_until(child.reap)
        codes.append(death.code)
        child.schedule_restart(death, caused_by_job=of_a_job)
    assert codes == [7, 7, 7, 7, 9]


# -- before anything runs -------------------------------------------------------------------------


def start_in_vain(data_dir: Path, port: int) -> tuple[int, str]:
    """Exit code and words of a service that cannot start."""
    ended = subprocess.run(
        [sys.executable, str(PROGRAM), "serve", str(data_dir), str(port)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    return ended.returncode, ended.stderr


def test_a_busy_port_is_said(tmp_path: Path) -> None:
    with bind_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        code, words = start_in_vain(tmp_path / "data", port)
    assert code == 1
    assert f"port {port}" in words
    assert "--port" in words
    assert "Traceback" not in words


def test_a_data_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, words = start_in_vain(tmp_path / "file" / "data", 0)
    assert code == 1
    assert "data directory" in words
    assert "--data-dir" in words
    assert "Traceback" not in words


def test_without_a_port_the_first_free_one_is_taken() -> None:
    with bind_socket("127.0.0.1", 0) as taken:
        first = taken.getsockname()[1]
        with open_listener("127.0.0.1", None, first) as found:
            assert first < found.getsockname()[1] <= first + 100
        with pytest.raises(PortTaken, match=str(first)):
            open_listener("127.0.0.1", first, 7860)


def test_a_port_that_is_none_is_refused() -> None:
    with pytest.raises(PortTaken, match="70000"):
        bind_socket("127.0.0.1", 70000)


# -- devices --------------------------------------------------------------------------------------


def test_devices_by_name() -> None:
    assert resolve_devices("cuda:0, cuda:1,cuda:0") == ("cuda:0", "cuda:1")
    assert resolve_devices("cpu") == ("cpu",)


def test_no_device_is_visible() -> None:
    assert resolve_devices("auto", {"CUDA_VISIBLE_DEVICES": ""}) == ("cpu",)
    assert cuda_count({"CUDA_VISIBLE_DEVICES": "-1"}) == 0


def test_the_driver_is_asked(tmp_path: Path) -> None:
    for name in ("0000:17:00.0", "0000:65:00.0"):
        (tmp_path / name).mkdir()
    assert driver_count(tmp_path) == 2


def test_workers_have_names_of_their_own() -> None:
    assert WorkerId.of_process("cpu", 1) != WorkerId.of_process("cpu", 2)


def test_only_a_worker_of_this_machine_is_known_to_be_dead() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert WorkerId.of_process("cuda:0", ended.pid).is_dead
    assert not WorkerId.of_process("cuda:0").is_dead
    assert not WorkerId("cpu", "elsewhere", ended.pid).is_dead
    assert not WorkerId.parse("anything").is_dead


def test_a_new_start_takes_up_what_a_sudden_end_left(tmp_path: Path) -> None:
    """All processes are killed at once; the next life need not wait for leases to run out."""
    first = RunningService(tmp_path / "data")
    first.later("slow")
    wait_until(first.working)
    (frame,) = first.store.list_frames()
    first.end()
    second = RunningService(tmp_path / "data")
    answer = wait_until(lambda: second.store.wait(frame.id, POLL_SECONDS))
    second.end()
    assert answer.status == 200
    assert "taken up again" in second.log()  # by name; a lease that runs out is not told of


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("webapp.processes.supervisor", {"flask", "torch", "pydantic"}),
        ("webapp.processes.web_server", {"torch", "numpy", "transformers", "diffusers"}),
        ("webapp.worker.main", {"flask", "gunicorn"}),
    ],
)
def test_a_process_imports_what_it_needs_only(module: str, absent: set[str]) -> None:
    code = f"import sys, {module}; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert absent.isdisjoint(done.stdout.split())
