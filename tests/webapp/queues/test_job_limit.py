"""The way into the queue, and what saving leaves free, by themselves."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from filebrowser.errors import TooBusy
from filebrowser.pictures.disk_cache import DiskCache
from generator.errors import CannotSave
from generator.request import GenerationRequest, Seeds
from webapp.queues.contracts.frame import Frame
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.errors import QueueFull
from webapp.queues.job_codec import QueuedGeneration, SaveOptions
from webapp.queues.job_limit import UNCHECKED_BYTES, JobLimit
from webapp.queues.plans import Plans
from webapp.worker.image_writer import check_free_space

MORE_THAN_ANY_DISK = 1 << 60


@pytest.fixture
def store(make: Callable[..., QueueStore]) -> QueueStore:
    return make()


def frame(name: str, owner: str = "ann", kind: str = "generate", size: int = 1) -> Frame:
    return Frame(name, kind, b"x" * size, owner)


def test_jobs_count_by_caller_and_kind(store: QueueStore, tmp_path: Path) -> None:
    limit = JobLimit(Plans(2), tmp_path, 0)
    for name in ("a", "b"):
        limit.put(store, frame(name))
    with pytest.raises(TooBusy, match="2 jobs of yours of the kind 'generate'"):
        limit.put(store, frame("c"))
    limit.put(store, frame("d", kind="extras"))
    limit.put(store, frame("e", owner="bob"))
    store.cancel("a")
    limit.put(store, frame("c"))


def test_figures_of_a_user_go_before_those_of_their_role(store: QueueStore, tmp_path: Path) -> None:
    plans = Plans(9, {"user": 2.0, "bob": 0.5}, {"generate": 1, "bob": 2})
    limit = JobLimit(plans, tmp_path, 0)
    limit.put(store, frame("a", owner="token"), "generate")
    with pytest.raises(TooBusy, match=r"1 jobs of yours .*--max-queued-jobs-of"):
        limit.put(store, frame("b", owner="token"), "generate")
    for name in "cd":
        limit.put(store, frame(name, owner="bob"), "generate")
    with pytest.raises(TooBusy, match="2 jobs of yours"):
        limit.put(store, frame("e", owner="bob"), "generate")
    limit.put(store, frame("f", owner="ann"), "user")
    weights = {each.id: each.weight for each in store.list_frames()}
    assert weights == {"a": 1.0, "c": 0.5, "d": 0.5, "f": 2.0}


def test_bytes_of_jobs_count(store: QueueStore, tmp_path: Path) -> None:
    limit = JobLimit(Plans(9), tmp_path, 0, max_bytes=100)
    limit.put(store, frame("a", size=60))
    with pytest.raises(TooBusy, match="MiB"):
        limit.put(store, frame("b", size=60))
    limit.put(store, frame("c", owner="bob", size=60))


def test_large_bodies_leave_the_disk_its_reserve(store: QueueStore, tmp_path: Path) -> None:
    limit = JobLimit(Plans(9), tmp_path, MORE_THAN_ANY_DISK)
    limit.put(store, frame("a"))  # a prompt always finds room
    with pytest.raises(QueueFull, match="--upload-spare"):
        limit.put(store, frame("b", size=UNCHECKED_BYTES + 1))


def test_saving_and_thumbnails_leave_the_disk_its_reserve(tmp_path: Path) -> None:
    job = QueuedGeneration(
        GenerationRequest("a", Seeds(1)), "txt2img", {}, save=SaveOptions("a", "b")
    )
    check_free_space(job, tmp_path, 1)
    job = replace(job, save=SaveOptions("a", "b", spare=MORE_THAN_ANY_DISK))
    with pytest.raises(CannotSave, match="--upload-spare"):
        check_free_space(job, tmp_path, 1)
    kept = DiskCache(tmp_path / "kept", 2**20, spare=MORE_THAN_ANY_DISK)
    kept.put("name", b"x")
    assert kept.get("name") is None
    kept = DiskCache(tmp_path / "kept", 2**20)
    kept.put("name", b"x")
    assert kept.get("name") == b"x"
