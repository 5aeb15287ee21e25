"""The worker's loop, in a thread, with an engine that pretends."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from generator.errors import BadRequest, NotANumber
from generator.hooks import Watch
from generator.request import (
    Generation,
    GenerationRequest,
    Progress,
    Seeds,
    Snapshot,
    Stop,
)
from tests.wait import MAX_POLLS, POLL_SECONDS, TIMEOUT, join_thread, wait_until
from tests.webapp.worker.worker_bench import ENDLESS, WORKER, WorkerThread, generation, stepping
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.contracts.progress import JobProgress
from webapp.queues.contracts.worker_commands import LOAD, UNLOAD, WorkerCommand
from webapp.queues.errors import QueueFull, QueueUnwritable
from webapp.queues.job_codec import EasExtras, SaveOptions
from webapp.queues.worker_id import WorkerId
from webapp.requests.eas import EasStatus
from webapp.worker import heartbeat, loop
from webapp.worker.loop import WorkerPlugins


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[WorkerThread]:
    """A worker at rest; the first ``answer`` starts it."""
    made = WorkerThread(tmp_path)
    yield made
    made.end()


def test_a_job_is_drawn_saved_and_answered(bench: WorkerThread) -> None:
    bench.put("house", save=SaveOptions("outputs/a", "outputs/b"))
    status, body = bench.answer("house")
    assert status == 200
    assert body["parameters"] == {"prompt": "house"}
    assert len(body["images"]) == 1  # type: ignore[arg-type]
    assert len(list((bench.data_dir / "outputs" / "a").rglob("*-7.png"))) == 1
    assert bench.store.list_frames() == []


VENDOR = EasExtras(id_task="7", save_dir="outputs")


def test_a_failure_has_a_status_in_the_vendors_form(bench: WorkerThread) -> None:
    def fail(request: GenerationRequest, watch: Watch) -> Generation:
        raise NotANumber("all NaN")

    bench.engine.act = fail
    bench.put("house", extras=VENDOR)
    got, body = bench.answer("house")
    facts: Any = body["parameters"]
    assert (got, facts["status"], facts["id_task"]) == (500, EasStatus.FAILED, "7")
    assert facts["error_msg"] == body["detail"] == "all NaN"
    assert facts["total_time"] >= 0


@pytest.mark.parametrize("stop", list(Stop))
def test_a_stopped_job_has_a_status_of_its_own(bench: WorkerThread, stop: Stop) -> None:
    def draw(request: GenerationRequest, watch: Watch) -> Generation:
        bench.store.request_stop("house", stop)
        asked = Stop.NO
        for _ in range(MAX_POLLS if stop is not Stop.NO else 4):
            asked = watch(Progress("a", 0, 1, 1, 4), None)
            if asked is not Stop.NO:
                break
            time.sleep(POLL_SECONDS)
        assert asked is stop
        return generation(request, stopped=asked is Stop.INTERRUPT)

    bench.engine.act = draw
    bench.put("house", extras=VENDOR)
    facts: Any = bench.answer("house")[1]["parameters"]
    wanted = {Stop.NO: 0, Stop.INTERRUPT: EasStatus.INTERRUPTED, Stop.SKIP: EasStatus.SKIPPED}
    assert facts["status"] == wanted[stop]


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (BadRequest("too wide", "width"), 422, "too wide"),
        (NotANumber("all NaN"), 500, "all NaN"),
        (RuntimeError("secret"), 500, ""),
    ],
)
def test_every_error_is_an_answer(
    bench: WorkerThread, error: Exception, status: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(request: GenerationRequest, watch: Watch) -> Generation:
        raise error

    bench.engine.act = fail
    bench.put("house")
    got, body = bench.answer("house")
    assert got == status
    assert words in str(body)
    assert "secret" not in str(body)
    assert "job house" in caplog.text
    bench.engine.act = lambda request, watch: generation(request)
    bench.put("next")
    assert bench.answer("next")[0] == 200


def test_a_body_that_cannot_be_read_is_answered(bench: WorkerThread) -> None:
    bench.store.put(Frame("odd", "generate", b"{"))
    bench.store.put(Frame("new", "dance", b"{}"))
    assert bench.answer("odd")[0] == 500
    status, body = bench.answer("new")
    assert status == 500
    assert "dance" in str(body)


def test_memory_is_freed_when_it_ran_out(bench: WorkerThread) -> None:
    def fail(request: GenerationRequest, watch: Watch) -> Generation:
        raise MemoryError

    bench.engine.act = fail
    bench.put("huge")
    assert bench.answer("huge")[0] == 500
    assert bench.engine.unloaded == 1


def test_progress_and_previews_are_published(bench: WorkerThread) -> None:
    bench.engine.act = stepping(bench, [])
    options = Snapshot(show_progress_every_n_steps=5)
    request = GenerationRequest("house", Seeds(7), options=options)
    bench.put("house", request=request)
    bench.thread.start()
    sightings: list[JobProgress] = []

    def enough() -> bool:
        sightings.extend(filter(None, [bench.store.read_progress("house")]))
        steps = {sighting.progress.step for sighting in sightings}
        return len(steps) >= 4 and sightings[-1].preview_id >= 2

    wait_until(enough, every=0.02)
    bench.store.request_stop("house", Stop.INTERRUPT)
    assert bench.answer("house")[0] == 200
    steps = [sighting.progress.step for sighting in sightings]
    assert steps == sorted(steps)
    assert (sightings[-1].preview or b"").startswith(b"\x89PNG")


def test_no_preview_is_drawn_when_the_options_forbid_it(bench: WorkerThread) -> None:
    def run(request: GenerationRequest, watch: Watch) -> Generation:
        for step in range(20):
            watch(Progress("j", 0, 1, step, 20), lambda: pytest.fail("drawn"))
        return generation(request)

    bench.engine.act = run
    request = GenerationRequest("house", Seeds(7), options=Snapshot(live_previews_enable=False))
    bench.put("house", request=request)
    assert bench.answer("house")[0] == 200


def test_an_interrupt_ends_the_job_with_what_there_is(bench: WorkerThread) -> None:
    seen: list[Stop] = []
    bench.engine.act = stepping(bench, seen)
    bench.begin("house")
    bench.store.request_stop("house", Stop.INTERRUPT)
    assert bench.answer("house")[0] == 200
    assert seen[-1] is Stop.INTERRUPT


def test_a_skip_is_told_once(bench: WorkerThread) -> None:
    seen: list[Stop] = []
    bench.engine.act = stepping(bench, seen)
    bench.begin("house")
    bench.store.request_stop("house", Stop.SKIP)
    assert bench.answer("house")[0] == 200
    assert seen.count(Stop.SKIP) == 1
    assert seen[-1] is Stop.NO


def test_a_long_silence_keeps_the_lease(tmp_path: Path) -> None:
    """Loading or decoding longer than a lease's term must not lose it."""
    bench = WorkerThread(tmp_path, lease_seconds=3)
    begun, over = threading.Event(), threading.Event()

    def run(request: GenerationRequest, watch: Watch) -> Generation:
        begun.set()
        over.wait(TIMEOUT)
        return generation(request)

    bench.engine.act = run
    bench.put("house")
    bench.thread.start()
    wait_until(begun.is_set)
    assert bench.store.take(WorkerId("other"), [], 4.5) is None
    over.set()
    assert bench.answer("house")[0] == 200
    bench.end()


def test_a_lost_lease_ends_the_work_unanswered(bench: WorkerThread) -> None:
    seen: list[Stop] = []
    bench.engine.act = stepping(bench, seen)
    bench.begin("house")
    bench.worker.shutdown.draining.set()  # or it would take the frame itself
    bench.store.release_worker(WORKER)
    lease = bench.store.take(WorkerId("other"), [], TIMEOUT)
    assert lease is not None
    join_thread(bench.thread)
    assert len(seen) < ENDLESS
    assert bench.store.answer(lease, Answer(200, b"{}"), 1.0)


def test_an_abandoned_job_is_given_back(bench: WorkerThread) -> None:
    bench.engine.act = stepping(bench, [])
    bench.begin("house")
    bench.worker.shutdown.draining.set()
    bench.worker.shutdown.abandoned.set()
    join_thread(bench.thread)
    (frame,) = bench.store.list_frames()
    assert frame.deliveries == 0


def test_an_answer_for_which_the_disk_has_no_room_says_so(
    bench: WorkerThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures do not fit; the sentence does."""
    monkeypatch.setattr(loop, "RETRY_PAUSES", (0.01, 0.01))
    store = bench.store.answer

    def full(lease: object, answer: Answer, seconds: float, *_: object) -> bool:
        if answer.status == 200:
            raise QueueFull("full")
        return store(lease, answer, seconds)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.store, "answer", full)
    bench.put("house")
    assert bench.answer("house")[0] in (500, 507)


STORE_CALLS = (
    "take", "renew", "answer", "pending_command", "take_stop_request", "record_heartbeat",
)  # fmt: skip


class Failing:
    """Fails so often, and then does what it stands for."""

    def __init__(self, act: Callable[..., Any], times: int, error: Exception) -> None:
        self.act, self.left, self.error = act, times, error

    def __call__(self, *given: object) -> Any:
        self.left -= 1
        if self.left >= 0:
            raise self.error
        return self.act(*given)


@pytest.mark.parametrize("act", STORE_CALLS)
@pytest.mark.parametrize(
    "error",
    [QueueFull("full"), QueueUnwritable("disk I/O error"), sqlite3.OperationalError("locked")],
)
def test_no_failure_of_the_queue_ends_the_worker(
    bench: WorkerThread, monkeypatch: pytest.MonkeyPatch, act: str, error: Exception
) -> None:
    """It waits for longer each time, and the job is answered in the end."""
    failing = Failing(getattr(bench.store, act), 6, error)
    monkeypatch.setattr(bench.store, act, failing)
    if act == "renew":  # asked for by the worker itself only while an answer is not stored
        monkeypatch.setattr(bench.store, "answer", Failing(bench.store.answer, 6, error))
    pauses: list[float] = []
    bench.worker.pause = pauses.append
    bench.put("house")
    assert bench.answer("house")[0] in (200, 503, 507)
    assert bench.thread.is_alive()
    if act in ("take", "answer", "renew", "pending_command"):
        assert pauses[:6] == [0.2, 1.0, 5.0, 5.0, 5.0, 5.0]


def test_a_worker_told_to_end_while_its_answer_finds_no_room_gives_the_job_back(
    bench: WorkerThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.store, "answer", Failing(bench.store.answer, 9, QueueFull("full")))
    bench.worker.pause = lambda seconds: bench.worker.shutdown.draining.set()
    bench.put("house")
    bench.thread.start()
    join_thread(bench.thread)
    (frame,) = bench.store.list_frames()
    assert frame.deliveries == 0


class Silent:
    """A host of plugins that does nothing."""

    standings = ()

    def ask(self, hook: str, **facts: object) -> None:
        """Nothing."""

    def take_seconds(self) -> dict[tuple[str, str], float]:
        """Nothing was spent."""
        return {}

    def stop(self) -> None:
        """Nothing runs."""


def test_a_frame_that_cannot_be_read_is_answered(tmp_path: Path) -> None:
    """As after a change of versions; with plugins, who would like to hear of it."""
    bench = WorkerThread(tmp_path, plugins=WorkerPlugins(Silent()))  # type: ignore[arg-type]
    bench.store.put(Frame("old", "generate", b'{"request": {"drawn": "otherwise"}}'))
    bench.store.put(Frame("odd", "of tomorrow", b"{}"))
    assert bench.answer("old")[0] == 500
    assert bench.answer("odd")[0] == 500
    assert bench.thread.is_alive()
    bench.end()


def test_a_bug_in_a_turn_does_not_end_the_worker(
    bench: WorkerThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing(bench.store.take, 3, ValueError("tags are no JSON"))
    monkeypatch.setattr(bench.store, "take", failing)
    bench.worker.pause = lambda seconds: None
    bench.put("house")
    assert bench.answer("house")[0] == 200


def test_a_lost_device_ends_the_worker_after_the_answer(bench: WorkerThread) -> None:
    def fail(request: GenerationRequest, watch: Watch) -> Generation:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    bench.engine.act = fail
    bench.put("house")
    assert bench.answer("house")[0] == 500
    join_thread(bench.thread)
    assert bench.worker.shutdown.exit_code == os.EX_SOFTWARE


def test_a_preview_that_cannot_be_written_costs_no_lease(bench: WorkerThread) -> None:
    def run(request: GenerationRequest, watch: Watch) -> Generation:
        for step in range(1, 21):
            watch(Progress("a", 0, 1, step, 20), lambda: Image.new("LAB", (8, 8)))
            time.sleep(POLL_SECONDS)
        return generation(request)

    bench.engine.act = run
    bench.put("house")
    assert bench.answer("house")[0] == 200


def test_an_answer_that_the_queue_cannot_hold_is_told_at_once(
    bench: WorkerThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not drawn again and again until the job is given up."""
    monkeypatch.setattr("webapp.queues.sqlite.sink.MAX_ANSWER_BYTES", 600)
    bench.worker.pause = lambda seconds: None
    bench.put("house", echo={"prompt": "x" * 1000})
    status, body = bench.answer("house")
    assert status == 500
    assert "at most 600 can be kept" in str(body["detail"])
    assert len(bench.engine.runs) == 1


def test_a_measure_that_fails_costs_no_heartbeat_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 0.0)
    measure = Failing(lambda: {"rss": 1}, 3, RuntimeError("CUDA error"))
    bench = WorkerThread(tmp_path, measure=measure)
    bench.thread.start()
    wait_until(bench.store.workers)
    bench.end()


def test_reports_may_fail_and_the_job_goes_on(
    bench: WorkerThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_locked(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(bench.store, "publish_progress", raise_locked)
    bench.engine.act = stepping(bench, [], 20)
    bench.put("house")
    assert bench.answer("house")[0] == 200


def test_the_first_idle_moment_warms_the_engine(tmp_path: Path) -> None:
    bench = WorkerThread(tmp_path)
    bench.worker.warm_up = GenerationRequest("", Seeds(1), checkpoint="sd")
    bench.thread.start()
    wait_until(lambda: bench.engine.runs)
    assert [request.checkpoint for request in bench.engine.runs] == ["sd"]
    bench.put("house")
    assert bench.answer("house")[0] == 200
    bench.end()


def test_a_waiting_job_needs_no_warm_up(tmp_path: Path) -> None:
    bench = WorkerThread(tmp_path)
    bench.worker.warm_up = GenerationRequest("", Seeds(1), checkpoint="sd")
    bench.put("house")
    assert bench.answer("house")[0] == 200
    assert [request.prompt for request in bench.engine.runs] == ["house"]
    bench.end()


def test_an_idle_worker_gives_freed_memory_back_once(tmp_path: Path) -> None:
    trims: list[int] = []  # how many jobs were drawn before each
    bench = WorkerThread(tmp_path, trim=lambda: trims.append(len(bench.engine.runs)))
    bench.worker.run_once()
    assert trims == []  # nothing was drawn yet
    for name in ("a", "b"):
        bench.put(name)
    for _ in range(4):
        bench.worker.run_once()
    assert trims == [2]  # not between the jobs, and not again
    bench.worker.warm_up = GenerationRequest("", Seeds(1), checkpoint="sd")
    for _ in range(3):
        bench.worker.run_once()
    assert trims == [2, 3]
    bench.end()


def test_the_heartbeat_tells_what_the_worker_does(bench: WorkerThread) -> None:
    bench.engine.act = stepping(bench, [])
    bench.begin("house")
    told = ("working", "house", "sd [0123456789]")
    wait_until(lambda: told in {(s.state, s.job, s.checkpoint) for s in bench.store.workers()})
    bench.store.request_stop("house", Stop.INTERRUPT)
    assert bench.store.workers()[0].memory["rss"] > 1_000_000


def test_commands_are_done_between_jobs(bench: WorkerThread) -> None:
    bench.store.send_command(WORKER, WorkerCommand("1", UNLOAD))
    bench.put("house")
    bench.answer("house")
    assert bench.engine.unloaded == 1
    bench.store.send_command(WORKER, WorkerCommand("2", LOAD, "sd [0123456789]"))
    wait_until(lambda: bench.store.pending_command(WORKER) is None)
    assert [run.checkpoint for run in bench.engine.runs] == ["", "sd [0123456789]"]
