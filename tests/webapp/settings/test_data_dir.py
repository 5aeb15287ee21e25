"""What a start checks before it starts anything."""

import os
from pathlib import Path
from typing import Any

import pytest

from webapp.queues.contracts.frame import Frame
from webapp.queues.worker_id import WorkerId
from webapp.settings.config import parse
from webapp.settings.data_dir import CannotUse, check_certificate, open_store, prepare_data_dir


def test_a_full_disk_is_told_and_leaves_no_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    config = parse(["--data-dir", str(tmp_path)], {})
    with pytest.raises(CannotUse, match="No space left on device"):
        prepare_data_dir(config)
    assert list(config.easel_dir.iterdir()) == []


def test_room_that_was_kept_lets_a_service_start_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = parse(["--data-dir", str(tmp_path)], {})
    prepare_data_dir(config)
    ballast = config.easel_dir / "ballast"
    ballast.write_bytes(b"room")

    def full(handle: int) -> None:
        if ballast.exists():
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    prepare_data_dir(config)
    assert not ballast.exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--tls-keyfile", "/nowhere.pem", "--tls-certfile", "/nowhere.pem"], "No such file"),
        (["--tls-certfile", __file__], "name both"),
        (["--tls-keyfile", __file__, "--tls-certfile", __file__], "both as PEM"),
    ],
)
def test_tls_files_that_do_not_serve_are_named(tmp_path: Path, flags: list[str], told: str) -> None:
    with pytest.raises(CannotUse, match=told):
        check_certificate(parse([*flags, "--data-dir", str(tmp_path)], {}))


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], 5), (["--max-delivery", "1"], 1), (["--queue.max_delivery=3"], 3),
     (["--max-delivery", "0"], 0)],
)  # fmt: skip
def test_the_queue_gives_a_job_out_as_often_as_the_flag_says(
    tmp_path: Path, words: list[str], expected: int
) -> None:
    store: Any = open_store(parse([*words, "--data-dir", str(tmp_path)], {}))
    assert store.terms.max_delivery == expected
    assert store.entries.queue("input").terms.max_delivery == expected
    store.close()


def test_without_tls_nothing_is_checked(tmp_path: Path) -> None:
    check_certificate(parse(["--data-dir", str(tmp_path)], {}))


def test_a_flag_says_how_many_workers_may_be_lost_over_a_job(tmp_path: Path) -> None:
    config = parse(["--data-dir", str(tmp_path), "--max-delivery", "1"], {})
    prepare_data_dir(config)
    store = open_store(config)
    store.put(Frame("a", "generate", b"{}"))
    worker = WorkerId("cpu")
    assert store.take(worker, [], 0) is not None
    store.release_worker(worker)
    answer = store.wait("a", 0)
    store.close()
    assert answer is not None
    assert answer.status == 500
