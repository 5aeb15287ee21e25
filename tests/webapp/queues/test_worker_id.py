"""The name under which a worker takes jobs, and whether its process is gone."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.webapp.namespaces import ISOLATED, needs_namespaces
from webapp import process_tree
from webapp.queues.contracts.frame import Frame
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId

TAKE = """
import sys
from pathlib import Path
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId
store = SqliteStore(Path(sys.argv[1]))
store.take(WorkerId.of_process("cpu", int(sys.argv[2])), (), 0)
store.close()
"""
NAME_ITSELF = (
    "from webapp.queues.worker_id import WorkerId;"
    "own = WorkerId.of_process('cpu'); print(own, own.is_dead)"
)
SAME_HOST = ("sh", "-c", 'hostname web && exec "$@"', "sh")


def run_elsewhere(*words: str, wrap: Sequence[str] = ISOLATED) -> str:
    """What a program prints that runs in a machine of its own."""
    program = (*wrap, *SAME_HOST, sys.executable, *words)
    return subprocess.run(program, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    "worker",
    [
        WorkerId("cpu", "host", 4711),
        WorkerId("cuda:0", "gpu.example.org", 1),
        WorkerId("cuda:0", "gpu.example.org", 1, "3f0c5a9e12b4"),
        WorkerId("cpu", "a/b:c@d", 1, "3f0c5a9e12b4"),  # sethostname(2) takes any bytes
        WorkerId("door"),
    ],
)
def test_an_identity_is_read_as_it_was_written(worker: WorkerId) -> None:
    assert WorkerId.parse(str(worker)) == worker


def test_the_text_of_an_identity_is_as_queues_have_it_on_disk() -> None:
    assert str(WorkerId("cuda:0", "host", 4711)) == "cuda:0@host:4711"
    assert str(WorkerId("cuda:0", "host", 4711, "ab12")) == "cuda:0@host/ab12:4711"


@pytest.mark.parametrize("text", ["cpu@host", "cpu@host:", "cpu@:4711", "cpu@host:x", "cpu@/a:1"])
def test_a_text_that_names_no_process_is_kept_whole(text: str) -> None:
    worker = WorkerId.parse(text)
    assert (str(worker), worker.is_dead) == (text, False)


def ended_pid() -> int:
    """The id of a process that is gone."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_worker_of_another_machine_is_never_judged_by_a_local_process_id() -> None:
    own, gone = WorkerId.of_process("cpu"), ended_pid()
    assert not own.is_dead
    assert WorkerId("cpu", own.host, gone, own.machine).is_dead
    assert WorkerId("cpu", "renamed since", gone, own.machine).is_dead
    assert not WorkerId("cpu", own.host, gone, "0123456789ab").is_dead  # of the same name
    assert not WorkerId("cpu", own.host, gone).is_dead  # written by an earlier Easel


def test_a_machine_is_another_one_after_a_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    before = WorkerId.of_process("cpu", ended_pid())
    monkeypatch.setattr(process_tree, "boot_identity", lambda: "another boot")
    assert WorkerId.of_process("cpu").machine != before.machine
    assert not before.is_dead
    monkeypatch.setattr(process_tree, "boot_identity", lambda: "")
    unknown = WorkerId.of_process("cpu", before.pid)
    assert (unknown.machine, unknown.is_dead) == ("", False)


@needs_namespaces
def test_containers_of_one_host_name_and_process_id_are_two_machines() -> None:
    first, second = (run_elsewhere("-c", NAME_ITSELF).split() for _ in range(2))
    one, two = WorkerId.parse(first[0]), WorkerId.parse(second[0])
    assert (one.host, two.host, first[1], second[1]) == ("web", "web", "False", "False")
    assert WorkerId.of_process("cpu").machine not in (one.machine, two.machine)


@needs_namespaces
def test_who_sees_the_processes_of_another_namespace_judges_nobody() -> None:
    wrap = ("unshare", "--uts", "--pid", "--fork")  # /proc is still the host's
    name, dead = run_elsewhere("-c", NAME_ITSELF, wrap=wrap).split()
    assert (WorkerId.parse(name).machine, dead) == ("", "False")


@needs_namespaces
def test_a_container_leaves_the_leases_of_another_alone(tmp_path: Path) -> None:
    path, store = tmp_path / "queue.db", SqliteStore(tmp_path / "queue.db")
    store.put(Frame("job", "generate", b""))
    run_elsewhere("-c", TAKE, str(path), str(ended_pid()))
    (holder,) = store.lease_holders()
    assert not holder.is_dead
    assert store.release_worker(WorkerId.of_process(holder.device, holder.pid)) == 0
    assert store.is_running("job")
    store.close()
