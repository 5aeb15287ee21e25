"""Pictures of running jobs on the disk: found by job, bounded in time and bytes."""

import os
import time
from pathlib import Path

from webapp.queues.drawn_pictures import DrawnPictures

JOBS = [f"{number:032x}" for number in range(3)]


def test_pictures_are_found_by_job_and_number(tmp_path: Path) -> None:
    pictures = DrawnPictures(tmp_path, spare=0)
    for number in (10, 2):
        assert pictures.write(JOBS[0], number, b"png")
    assert list(pictures.numbers(JOBS[0])) == [2, 10]
    assert pictures.read(JOBS[0], 2) == b"png"
    assert pictures.read(JOBS[0], 3) is None
    assert pictures.read("../drawn/" + JOBS[0], 2) is None
    assert list(pictures.numbers("..")) == []
    pictures.delete(JOBS[0])
    assert list(pictures.numbers(JOBS[0])) == []


def test_old_ones_and_too_many_bytes_go(tmp_path: Path) -> None:
    pictures = DrawnPictures(tmp_path, spare=0)
    for age, job in enumerate(JOBS):
        pictures.write(job, 0, bytes(100))
        os.utime(pictures.folder / job, (0, time.time() - 1000 * age))
    pictures.purge(keep=1500)
    assert [len(pictures.numbers(job)) for job in JOBS] == [1, 1, 0]
    pictures.purge(keep=1500, most=150)
    assert [len(pictures.numbers(job)) for job in JOBS] == [1, 0, 0]


def test_a_full_disk_keeps_none(tmp_path: Path) -> None:
    pictures = DrawnPictures(tmp_path, spare=1 << 60)
    assert not pictures.write(JOBS[0], 0, b"png")
    assert list(pictures.numbers(JOBS[0])) == []
