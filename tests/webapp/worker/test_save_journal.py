"""A job delivered twice is saved once, whenever its first worker died."""

import multiprocessing
import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from generator.request import Generation, GenerationRequest, Picture, Sampling, Seeds
from tests.wait import TIMEOUT, wait_until
from tests.webapp.worker.worker_bench import Engine
from tests.webapp.worker.worker_bench import generation as one_picture
from webapp.files.output_files import PictureFiles
from webapp.queues.contracts.frame import Frame
from webapp.queues.job_codec import QueuedGeneration, SaveOptions, encode_job
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId
from webapp.worker import save_journal
from webapp.worker.image_writer import save_all
from webapp.worker.loop import Worker, WorkerSettings
from webapp.worker.output_folder import OutputFolder
from webapp.worker.save_journal import SaveJournal, delete_old_journals

TODAY, TOMORROW = datetime(2026, 1, 2), datetime(2026, 1, 3)


def chooser(folder: Path) -> Callable[[], tuple[Path, str]]:
    """The next free name in a folder."""

    def choose() -> tuple[Path, str]:
        path = folder / f"{len(list(folder.iterdir()))}.png"
        return path, f"/out/{path.name}"

    return choose


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


def store(receipt: SaveJournal, folder: Path, *contents: bytes) -> list[str]:
    urls = []
    for data in contents:
        place = receipt.reserve(data, chooser(folder))
        Path(place.path).write_bytes(data)
        urls.append(place.url)
    return urls


def test_a_second_delivery_finds_the_places_of_the_first(tmp_path: Path, folder: Path) -> None:
    first = store(SaveJournal.for_job(tmp_path, "job"), folder, b"a", b"b")
    again = store(SaveJournal.for_job(tmp_path, "job"), folder, b"a", b"B", b"c")
    assert again[:2] == first == ["/out/0.png", "/out/1.png"]
    assert [path.read_bytes() for path in sorted(folder.iterdir())] == [b"a", b"B", b"c"]
    assert store(SaveJournal.for_job(tmp_path, "other"), folder, b"d") == ["/out/3.png"]


def test_a_place_that_was_noted_and_not_written_is_used(tmp_path: Path, folder: Path) -> None:
    SaveJournal.for_job(tmp_path, "job").reserve(b"a", chooser(folder))
    assert store(SaveJournal.for_job(tmp_path, "job"), folder, b"a") == ["/out/0.png"]


def test_a_file_of_somebody_else_is_not_written_over(tmp_path: Path, folder: Path) -> None:
    SaveJournal.for_job(tmp_path, "job").reserve(b"a", chooser(folder))
    (folder / "0.png").write_bytes(b"another's")
    assert store(SaveJournal.for_job(tmp_path, "job"), folder, b"a") == ["/out/1.png"]
    assert (folder / "0.png").read_bytes() == b"another's"


def test_a_place_is_found_where_the_data_directory_is_mounted_elsewhere(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "out").mkdir(parents=True)
    first = SaveJournal.for_job(here / ".easel", "job").reserve(b"a", chooser(here / "out"))
    Path(first.path).write_bytes(b"a")
    here.rename(there)
    again = SaveJournal.for_job(there / ".easel", "job").reserve(b"a", chooser(there / "out"))
    assert (again.path, again.url, again.is_new) == (str(there / "out/0.png"), first.url, False)


def test_a_name_that_another_machine_takes_at_the_same_moment_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = GenerationRequest("house", Seeds(7), batch_size=2)
    job = QueuedGeneration(request, "txt2img", {}, save=SaveOptions("out/a", "out/b"))
    drawn = two_pictures(request, None)
    theirs = save_all(job, drawn, tmp_path, TODAY)
    contents = {path: path.read_bytes() for path in theirs.paths}
    monkeypatch.setattr(OutputFolder, "next_number", lambda *_: 0)  # as of before theirs
    once = [False] * len(contents)
    exists = PictureFiles.exists
    monkeypatch.setattr(PictureFiles, "exists", lambda *of: once.pop() if once else exists(*of))
    ours = save_all(job, drawn, tmp_path, TODAY)
    assert not set(ours.paths) & set(theirs.paths)
    assert len(ours.paths) == len(theirs.paths) == 3
    assert {path: path.read_bytes() for path in theirs.paths} == contents


def test_an_answered_job_is_forgotten(tmp_path: Path, folder: Path) -> None:
    receipt = SaveJournal.for_job(tmp_path, "job")
    store(receipt, folder, b"a")
    receipt.delete()
    receipt.delete()
    assert store(SaveJournal.for_job(tmp_path, "job"), folder, b"a") == ["/out/1.png"]


def test_a_torn_receipt_counts_for_nothing(tmp_path: Path, folder: Path) -> None:
    store(SaveJournal.for_job(tmp_path, "job"), folder, b"a")
    (file,) = (tmp_path / save_journal.JOURNAL_FOLDER).iterdir()
    file.write_text('[{"path":')
    assert store(SaveJournal.for_job(tmp_path, "job"), folder, b"a") == ["/out/1.png"]


def test_old_receipts_are_swept(tmp_path: Path, folder: Path) -> None:
    delete_old_journals(tmp_path)
    for name in ("old", "new"):
        store(SaveJournal.for_job(tmp_path, name), folder, b"a")
    files = sorted(
        (tmp_path / save_journal.JOURNAL_FOLDER).iterdir(), key=lambda file: file.stat().st_mtime_ns
    )
    long_ago = time.time() - 2 * save_journal.MAX_AGE_SECONDS
    os.utime(files[0], (long_ago, long_ago))
    delete_old_journals(tmp_path)
    assert list((tmp_path / save_journal.JOURNAL_FOLDER).iterdir()) == files[1:]


@pytest.mark.parametrize("naming", ["a1111", "vendor"])
def test_pictures_and_grid_keep_their_addresses(tmp_path: Path, naming: str) -> None:
    request = GenerationRequest("house", Seeds(7), batch_size=2)
    job = QueuedGeneration(
        request, "txt2img", {}, save=SaveOptions("out/a", "out/b", naming=naming)
    )
    (picture,) = one_picture(request).pictures
    drawn = Generation(
        (picture, picture), "sd", None, None, None, 1, {}, "20260101120000", 1.0, 0.5
    )
    first = save_all(job, drawn, tmp_path, TODAY, SaveJournal.for_job(tmp_path, "job"))
    again = save_all(job, drawn, tmp_path, TOMORROW, SaveJournal.for_job(tmp_path, "job"))
    assert again.urls == first.urls
    assert len(set(first.urls)) == len(list((tmp_path / "out").rglob("*.png")))


def die(*_: object) -> bool:
    os._exit(9)


def work(data_dir: Path, where: str) -> None:
    """A worker that draws two pictures and dies: while it saves, or before it answers."""
    queue = SqliteStore(data_dir / ".easel" / "queue.db")
    worker = Worker(
        WorkerId("cpu", "test", 1), queue, Engine(two_pictures), WorkerSettings(data_dir)
    )
    if where == "answer":
        queue.answer = die  # type: ignore[method-assign]
    else:
        whole, saved = PictureFiles.write_new, []

        def save(files: PictureFiles, path: Path, data: bytes) -> bool:
            saved.append(path)
            if len(saved) == 2:
                die()
            return whole(files, path, data)

        PictureFiles.write_new = save  # type: ignore[method-assign]
    worker.run()


def two_pictures(request: GenerationRequest, _: object) -> Generation:
    (picture,) = one_picture(request).pictures
    other = Picture(picture.image.rotate(90), 8, 0, "", "", "red")
    return Generation((picture, other), "sd", None, None, None, 1, {}, "20260101120000", 1.0, 0.5)


@pytest.mark.parametrize("where", ["save", "answer"])
def test_a_worker_killed_before_its_answer_leaves_no_doubles(tmp_path: Path, where: str) -> None:
    queue = SqliteStore(tmp_path / ".easel" / "queue.db")
    request = GenerationRequest("house", Seeds(7), sampling=Sampling(steps=4), batch_size=2)
    job = QueuedGeneration(request, "txt2img", {}, save=SaveOptions("out/a", "out/b"))
    queue.put(Frame("house", "generate", encode_job(job)))
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=work, args=(tmp_path, where), daemon=True)
    process.start()
    assert wait_until(lambda: process.exitcode) == 9
    died = list((tmp_path / "out").rglob("*.png"))
    assert died
    queue.release_worker(WorkerId("cpu", "test", 1))
    second = WorkerId("cpu", "test", 2)
    worker = Worker(second, queue, Engine(two_pictures), WorkerSettings(tmp_path))
    lease = queue.take(second, (), TIMEOUT)
    assert lease is not None
    assert lease.frame.deliveries == 2
    worker.serve(lease)
    answer = queue.wait("house", 1)
    assert answer is not None
    assert answer.status == 200
    saved = list((tmp_path / "out").rglob("*.png"))
    assert set(died) <= set(saved)
    assert len(saved) == 2 + len(list((tmp_path / "out/b").rglob("*.png")))
    assert not list((tmp_path / ".easel" / save_journal.JOURNAL_FOLDER).iterdir())
    queue.close()
