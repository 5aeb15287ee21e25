"""A worker runs jobs of one checkpoint side by side, each with its own lease, progress and end."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from generator.errors import BadRequest
from generator.hooks import Watch
from generator.request import Generation, GenerationRequest, Progress, Sampling, Seeds, Stop
from tests.wait import POLL_SECONDS, TIMEOUT, wait_until
from tests.webapp.worker.worker_bench import WORKER, WorkerThread, generation
from webapp.queues.contracts.frame import Frame
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.queues.contracts.worker_commands import UNLOAD, WorkerCommand
from webapp.queues.job_codec import QueuedGeneration, encode_job
from webapp.queues.joint_jobs import JOIN_TAG
from webapp.queues.worker_id import WorkerId
from webapp.worker.expected_pace import LOADING_FACTOR, ExpectedPace
from webapp.worker.progress_mark import ProgressMark


class Stage:
    """Draws each job until it is let go, and knows which are being drawn."""

    def __init__(self) -> None:
        self.drawn: list[str] = []  # in the order in which they began
        self.now: set[str] = set()
        self.ends: dict[str, threading.Event] = {}
        self.errors: dict[str, Exception] = {}

    def let_go(self, *names: str) -> None:
        """Let jobs end."""
        for name in names:
            self.ends.setdefault(name, threading.Event()).set()

    def __call__(self, request: GenerationRequest, watch: Watch) -> Generation:
        name = request.prompt
        end = self.ends.setdefault(name, threading.Event())
        self.drawn.append(name)
        self.now.add(name)
        stop = Stop.NO
        try:
            while not end.wait(POLL_SECONDS) and stop is not Stop.INTERRUPT:
                stop = watch(Progress("scripts_txt2img", 0, 1, 1, 4), None)
        finally:
            self.now.discard(name)
        if name in self.errors:
            raise self.errors[name]
        return generation(request, stopped=stop is Stop.INTERRUPT)


class Bench:
    """A worker that draws at most three jobs side by side."""

    def __init__(self, folder: Path, pace: ExpectedPace | None = None) -> None:
        self.thread = WorkerThread(folder, pace=pace, max_joint_jobs=3)
        self.stage = self.thread.engine.act = Stage()
        self.store, self.answer = self.thread.store, self.thread.answer

    def put(self, *names: str, tag: str | None = "checkpoint a") -> None:
        """Requests whose prompts are their names."""
        for name in names:
            request = GenerationRequest(name, Seeds(7), sampling=Sampling(steps=4))
            body = encode_job(QueuedGeneration(request, "txt2img", {"prompt": name}))
            tags = {} if tag is None else {JOIN_TAG: tag}
            self.store.put(Frame(name, "generate", body, tags=tags))

    def await_drawing(self, *names: str) -> None:
        """Wait until just these are being drawn."""
        if not self.thread.thread.is_alive():
            self.thread.thread.start()
        wait_until(lambda: self.stage.now == set(names), message=f"{names} {self.stage.now}")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.stage.let_go(*made.stage.ends)
    made.thread.end()


def test_jobs_join_and_leave_and_each_is_answered(bench: Bench) -> None:
    bench.put("a", "b", "c", "d")
    bench.await_drawing("a", "b", "c")  # three at most
    wait_until(lambda: len({each for each in "abc" if bench.store.read_progress(each)}) == 3)
    bench.stage.let_go("b")
    assert bench.answer("b")[0] == 200
    bench.await_drawing("a", "c", "d")
    bench.stage.let_go("a", "c", "d")
    assert [bench.answer(name)[1]["parameters"] for name in "acd"] == [
        {"prompt": name} for name in "acd"
    ]


def test_one_that_cannot_join_waits_for_their_end_and_no_other_passes_it(bench: Bench) -> None:
    bench.put("a", "b")
    bench.await_drawing("a", "b")
    bench.put("lone", tag=None)
    bench.put("c")
    bench.stage.let_go("a")
    assert bench.answer("a")[0] == 200
    bench.await_drawing("b")
    bench.stage.let_go("b")
    bench.await_drawing("lone")
    bench.stage.let_go("lone")
    bench.await_drawing("c")
    assert bench.stage.drawn[-2:] == ["lone", "c"]


def test_another_checkpoints_jobs_are_another_company(bench: Bench) -> None:
    bench.put("a")
    bench.put("x", "y", tag="checkpoint b")
    bench.await_drawing("a")
    bench.stage.let_go("a")
    bench.await_drawing("x", "y")


def test_an_interrupt_and_a_failure_are_of_one_job(bench: Bench) -> None:
    bench.stage.errors["b"] = BadRequest("too wide", "width")
    bench.put("a", "b", "c")
    bench.await_drawing("a", "b", "c")
    bench.store.request_stop("a", Stop.INTERRUPT)
    assert bench.answer("a")[0] == 200
    bench.stage.let_go("b")
    assert bench.answer("b")[0] == 422
    bench.await_drawing("c")


def test_a_lost_lease_ends_one_job(bench: Bench) -> None:
    bench.put("a", "b")
    bench.await_drawing("a", "b")
    (lease,) = (each for each in bench.thread.worker.leases.values() if each.frame.id == "a")
    bench.store.release(lease)
    wait_until(lambda: bench.stage.drawn.count("a") == 2)  # it is taken anew
    assert bench.stage.now >= {"b"}


def test_a_worker_that_ends_answers_all_that_it_runs(bench: Bench) -> None:
    bench.put("a", "b")
    bench.await_drawing("a", "b")
    bench.thread.worker.shutdown.draining.set()
    bench.stage.let_go("a", "b")
    bench.thread.thread.join(TIMEOUT)
    assert bench.store.depth().running == bench.store.depth().waiting == 0


def test_a_worker_that_must_leave_gives_all_back(bench: Bench) -> None:
    bench.put("a", "b", "c")
    bench.await_drawing("a", "b", "c")  # it takes no more
    bench.thread.worker.release_running()
    given_back = bench.store.list_frames()
    assert [(each.id, each.deliveries) for each in given_back] == [(name, 0) for name in "abc"]


def test_what_waits_is_left_to_a_worker_that_rests(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, looks = bench.thread.worker, list[bool]()
    look = worker.is_another_idle

    def counting() -> bool:
        looks.append(look())
        return looks[-1]

    monkeypatch.setattr(worker, "is_another_idle", counting)
    other = WorkerState(WorkerId("gpu", "test", 2), "idle", "", "", time.time())
    bench.store.record_heartbeat(other)
    bench.put("a", "b")
    bench.await_drawing("a")
    wait_until(lambda: len(looks) > 3)
    assert all(looks)
    assert bench.stage.drawn == ["a"]
    bench.store.record_heartbeat(replace(other, state="working"))
    bench.await_drawing("a", "b")


def test_a_command_waits_for_their_end(bench: Bench) -> None:
    bench.put("a", "b")
    bench.await_drawing("a", "b")
    bench.store.send_command(WORKER, WorkerCommand("1", UNLOAD))
    bench.stage.let_go("a")
    assert bench.answer("a")[0] == 200
    assert bench.thread.engine.unloaded == 0
    bench.stage.let_go("b")
    wait_until(lambda: bench.thread.engine.unloaded == 1)
    bench.put("c")
    bench.await_drawing("c")


def test_the_allowance_is_that_of_the_slowest() -> None:
    mark = ProgressMark.create()
    pace = ExpectedPace(mark, 60)
    one, other = pace.job(), pace.job()
    one.begin()
    other.begin()
    other.step()
    assert mark.read()[1] == 60 * LOADING_FACTOR
    one.step()
    assert mark.read()[1] == 60
    beats = mark.read()[0]
    pace.rest()  # the queue was looked at: no step of a job
    assert mark.read()[0] == beats
    one.end()
    other.end()
    pace.rest()
    assert mark.read()[0] == beats + 1
