import os
from pathlib import Path

from webapp.queues.bell_pipes import SETTLED_SECONDS, BellPipes


def make_pipe(folder: Path, name: str) -> int:
    os.mkfifo(folder / name)
    return os.open(folder / name, os.O_RDWR | os.O_NONBLOCK)


def settle(folder: Path) -> None:
    """As if nothing had changed there for a while."""
    before = os.stat(folder).st_mtime - 2 * SETTLED_SECONDS
    os.utime(folder, (before, before))


def test_pipes_that_come_and_go_are_followed(tmp_path: Path) -> None:
    pipes = BellPipes(tmp_path)
    first, own = make_pipe(tmp_path, "a.pipe"), make_pipe(tmp_path, "own.pipe")
    settle(tmp_path)
    pipes.write(b"1", "own.pipe")
    pipes.write(b"2", "own.pipe")
    assert os.read(first, 9) == b"12"
    second = make_pipe(tmp_path, "b.pipe")
    (tmp_path / "a.pipe").unlink()
    pipes.write(b"3", "own.pipe")
    assert os.read(second, 9) == b"3"
    os.write(own, b".")
    assert os.read(own, 9) == b"."
    pipes.close()
    for pipe in (first, second, own):
        os.close(pipe)


def test_a_change_in_the_same_moment_is_seen(tmp_path: Path) -> None:
    pipes = BellPipes(tmp_path)
    moment = os.stat(tmp_path)
    pipes.write(b"1", "")
    late = make_pipe(tmp_path, "late.pipe")
    os.utime(tmp_path, ns=(moment.st_atime_ns, moment.st_mtime_ns))
    pipes.write(b"2", "")
    assert os.read(late, 9) == b"2"
    os.close(late)
    pipes.close()


def test_the_pipe_of_a_dead_listener_is_removed(tmp_path: Path) -> None:
    pipes = BellPipes(tmp_path)
    listener = make_pipe(tmp_path, "a.pipe")
    settle(tmp_path)
    pipes.write(b"1", "")
    os.close(listener)
    pipes.write(b"2", "")
    assert os.listdir(tmp_path) == []
    pipes.close()
