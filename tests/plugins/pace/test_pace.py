"""Pace: what its stopwatch tells, what its book keeps, what it reckons, and what it costs."""

import sqlite3
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from generator.request import GenerationRequest, Progress, Sampling, Seeds
from plugins.api import Ask, Side
from plugins.host import Choice, Host
from plugins.pace import records as books
from plugins.pace.estimate import estimate
from plugins.pace.records import Figures, Pace, PaceRecords
from plugins.pace.stopwatch import JobTimes, StepKind, Stopwatch
from tests.plugins.plugin_files import load_host, make_plugin
from tests.wait import assert_quick

EULER = StepKind("painter", "Euler", 512, 512, 1)
HEUN = StepKind("painter", "Heun", 512, 512, 1)
REQUEST = GenerationRequest(
    "a cat", Seeds(1), sampling=Sampling("Euler", steps=3), checkpoint="deep/painter.safetensors"
)
ONLY = Choice(disabled=frozenset({"nsfw-censor", "beautifulprompt", "detailer", "dynamicprompts"}))


def times(kind: StepKind, per_step: float, steps: int = 10, **changes: Any) -> JobTimes:
    """A job of one pass."""
    took = per_step * steps
    return JobTimes(**{"start": 2.0, "sampling": took, "finish": 1.0, "pictures": 1,
                    "steps": {kind: (steps, took)}, **changes})  # fmt: skip


def test_a_jobs_time_is_shared_out() -> None:
    watch = Stopwatch(100.0)
    watch.begin_pass(EULER, 102.0)
    for step in range(1, 5):
        watch.record_step(step, 102.0 + step)
    watch.begin_pass(HEUN, 108.0)
    watch.record_step(1, 110.0)
    watch.pictures = 2
    found = watch.to_times(113.0)
    assert found == JobTimes(2.0, 6.0, 5.0, 2, {EULER: (4, 4.0), HEUN: (1, 2.0)})
    assert found.start + found.sampling + found.finish == 13.0


def test_batches_of_one_kind_are_added_and_an_interrupted_pass_counts_what_it_drew() -> None:
    watch = Stopwatch(0.0)
    for began in (1.0, 11.0):
        watch.begin_pass(EULER, began)
        watch.record_step(5, began + 5)
    watch.begin_pass(HEUN, 20.0)  # stopped before its first step
    assert watch.to_times(21.0).steps == {EULER: (10, 10.0)}
    assert Stopwatch(3.0).to_times(4.0) == JobTimes(1.0, 0, 0.0, 0, {})  # nothing was drawn


def test_workers_add_to_one_book_and_the_newest_weigh_most(tmp_path: Path) -> None:
    first, second = PaceRecords(tmp_path / "own"), PaceRecords(tmp_path / "own")
    first.add_job(times(EULER, 1.0), 1000)
    second.add_job(times(EULER, 2.0), 500)
    second.add_failure("BadRequest")
    first.add_failure("BadRequest")
    found = first.read_figures()
    (pace,) = found.paces
    assert (pace.steps, pace.seconds) == (20, 30.0)
    assert pace.recent == pytest.approx(1.3)
    assert found.sum("bytes") == 1500
    assert found.sums["failures"] == {"BadRequest": 2}
    assert found.sums["seconds"] == {"start": 4.0, "sampling": 30.0, "finish": 2.0}
    first.close()
    assert first.read_figures() == found  # it opens again for whoever comes late
    first.close()
    second.close()


def test_a_torn_file_is_put_aside_and_no_table_is_missed_later(tmp_path: Path) -> None:
    book = PaceRecords(tmp_path)
    book.path.write_bytes(b"no database" * 99)
    assert book.read_figures() == Figures()
    book.add_failure("x")
    assert book.read_figures().sum("failures", "x") == 1
    assert len(list(tmp_path.glob(f"{book.path.name}.damaged-*"))) == 1
    book.close()


def test_what_is_kept_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "MAX_KINDS", 20)
    book = PaceRecords(tmp_path)
    for side in range(25):
        moment = 1000.0 + side
        monkeypatch.setattr(books, "time", SimpleNamespace(time=lambda at=moment: at))
        book.add_job(times(StepKind("m", "Euler", 64 + side, 64, 1), 1.0), 0)
    sides = [pace.kind.width - 64 for pace in book.read_figures().paces]
    assert sides == list(range(24, 4, -1))
    book.delete_before(1020.0)
    assert len(book.read_figures().paces) == 5
    book.close()


def test_a_job_is_reckoned_from_the_most_similar_steps() -> None:
    small = StepKind("painter", "Euler", 256, 256, 1)
    other = StepKind("deliberate", "Euler", 512, 512, 1)
    paces = tuple(
        Pace(kind, 10, 1.0, recent, 0.0)
        for kind, recent in ((EULER, 0.4), (small, 0.2), (HEUN, 0.9), (other, 5.0))
    )
    figures = Figures(paces, {"recent": {"start": 1.0, "finish": 0.5}})
    found = estimate(figures, EULER, steps=20, batches=2)
    assert found is not None
    assert found.is_exact(EULER)
    assert found.seconds == pytest.approx(1 + 2 * 20 * 0.4 + 2 * 0.5)
    large = StepKind("painter", "Euler", 1024, 512, 1)
    found = estimate(figures, large, steps=1, batches=1)
    assert found is not None
    assert (found.like, found.per_step) == (EULER, pytest.approx(0.8))
    assert not found.is_exact(large)
    heun = StepKind("painter", "Heun", 256, 256, 1)  # the sampler counts more than the size
    assert estimate(figures, heun, 1, 1).like == HEUN  # type: ignore[union-attr]
    unknown = StepKind("deliberate", "DDIM", 512, 512, 1)
    assert estimate(figures, unknown, 1, 1).like == other  # type: ignore[union-attr]
    assert estimate(Figures(), EULER, 20, 1) is None


def job(host: Host, steps: int = 3, paths: tuple[Path, ...] = ()) -> None:
    """The hooks of a job in their order."""
    latent = SimpleNamespace(shape=(2, 4, 8, 16))
    host.chain("before_generate", request=REQUEST)
    host.chain("before_sampling", latent=latent, sigmas=None, request=REQUEST)
    for step in range(steps):
        progress = Progress("a", 0, 1, step, steps)
        host.chain("at_step", estimate=latent, progress=progress, request=REQUEST)
    for number in range(2):
        host.chain("after_decode", image=None, number=number, request=REQUEST, draw=None)
    host.ask("after_save", paths=paths, request=REQUEST)


def ask_route(host: Host, path: str, **query: str) -> Any:
    """The reply of one of its routes."""
    routes = {route.path: route for route in host.ask_one("pace", "routes")}
    return routes[path].answer(Ask("GET", path, query, None, "", owner=True))


def test_the_web_side_tells_what_workers_measured(tmp_path: Path) -> None:
    web, worker = load_host(tmp_path, Side.WEB, ONLY), load_host(tmp_path, Side.WORKER, ONLY)
    assert ask_route(web, "/estimate").body == {"seconds": None}
    picture = tmp_path / "a.png"
    picture.write_bytes(bytes(700))
    job(worker, paths=(picture, tmp_path / "moved away.png"))
    worker.ask("job_failed", error=KeyError("x"), request=REQUEST)
    told = ask_route(web, "/figures").body
    (pace,) = told["paces"]
    assert (pace["model"], pace["sampler"], pace["steps"]) == ("painter", "Euler", 3)
    assert (pace["width"], pace["height"], pace["batch"]) == (128, 64, 2)
    assert (told["pictures"], told["bytes"]) == (2, 700)
    assert told["failures"] == {"KeyError": 1}
    query = {"model": "painter", "width": "128", "height": "64", "batch_size": "2"}
    assert ask_route(web, "/estimate", **query).body["exact"] is True
    numbers = {metric.name: metric.values() for metric in web.ask_one("pace", "metrics")}
    assert numbers["steps"] == {("painter", "Euler", "128x64", "2"): 3}
    assert numbers["jobs"] == {(): 1}
    assert numbers["failures"] == {("KeyError",): 1}
    assert set(numbers["job_seconds"]) == {("start",), ("sampling",), ("finish",)}
    web.stop()
    worker.stop()


@pytest.mark.parametrize("query", [{"steps": "0"}, {"width": "wide"}, {"colour": "red"}])
def test_a_bad_question_is_told_by_its_field(tmp_path: Path, query: dict[str, str]) -> None:
    host = load_host(tmp_path, Side.WEB, ONLY)
    reply = ask_route(host, "/estimate", **query)
    assert reply.status == 422
    assert reply.body["detail"][0]["loc"] == tuple(query)
    host.stop()


def test_a_job_that_ended_otherwise_leaves_nothing_behind(tmp_path: Path) -> None:
    """Interrupted by its worker's end, or drawn to warm up: no after_save."""
    host = load_host(tmp_path, Side.WORKER, ONLY)
    host.chain("before_generate", request=REQUEST)
    host.chain(
        "before_sampling", latent=SimpleNamespace(shape=(1, 4, 99, 99)), sigmas=None,
        request=REQUEST,
    )  # fmt: skip
    job(host)
    host.stop()
    (pace,) = PaceRecords(tmp_path / ".easel/plugins/pace").read_figures().paces
    assert pace.kind.batch == 2


def test_a_full_disk_fails_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = load_host(tmp_path, Side.WORKER, ONLY)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(PaceRecords, "add_job", full)
    job(host)
    (mine,) = (each for each in host.standings if each.name == "pace")
    assert "disk is full" in mine.last_error
    host.stop()


def test_a_step_costs_next_to_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_plugin(tmp_path, "looking", worker="@hook\ndef at_step(estimate): pass", hooks="at_step")
    host = load_host(tmp_path, Side.WORKER, ONLY)
    latent, count = SimpleNamespace(shape=(1, 4, 64, 64)), 2000
    host.chain("before_generate", request=REQUEST)
    host.chain("before_sampling", latent=latent, sigmas=None, request=REQUEST)

    def steps() -> float:
        began = time.process_time()
        for step in range(count):
            progress = Progress("a", 0, 1, step, count)
            host.chain("at_step", estimate=latent, progress=progress, request=REQUEST)
        return (time.process_time() - began) / count / 2  # two plugins are asked

    took = assert_quick(steps, 100e-6 * 2 * count)
    with capsys.disabled():
        print(f"\na plugin's hook at each step costs {took * 1e6:.1f} microseconds")
    host.stop()
