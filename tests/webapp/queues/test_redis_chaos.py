"""Workers in processes of their own, and a server, that are killed while jobs go through them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import redis

from tests.queue_server import QueueServer, require_program, running_server
from tests.wait import exit_code, wait_until
from webapp.queues.contracts.frame import Frame
from webapp.queues.errors import StoreUnavailable
from webapp.queues.redis.store import RedisStore
from webapp.queues.worker_id import WorkerId

JOBS, HANDED_JOBS, LEASE_SECONDS = 90, 15, 1.0
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
    with running_server(require_program()) as server:
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


def test_jobs_that_are_handed_to_idle_workers_outlive_kill_9(server: QueueServer) -> None:
    """Of the worker that is handed the next one, and of the server that has just done it."""
    store = RedisStore(server.address, lease_seconds=LEASE_SECONDS)
    workers = [start_worker(server) for _ in range(3)]
    try:
        for number in range(HANDED_JOBS):
            wait_until(lambda: idle_workers(store))
            if number == HANDED_JOBS // 3:
                os.kill(idle_workers(store)[0].pid, signal.SIGKILL)
            put_surely(store, Frame(f"job {number}", "generate", b"x"))
            if number == HANDED_JOBS * 2 // 3:
                server.kill()
                server.start()
            wait_until(lambda: answered(store) == number + 1)  # noqa: B023
        assert store.depth().running + store.depth().waiting == 0
    finally:
        for worker in workers:
            worker.kill()
            exit_code(worker)
        store.close()


def idle_workers(store: RedisStore) -> list[WorkerId]:
    """Those that wait for a frame, the one that is handed the next first."""
    try:
        tokens = store.server.client.zrevrange("easel:idle", 0, -1)
        facts = [store.server.client.hget("easel:idle_workers", each) for each in tokens]
    except redis.RedisError:
        return []
    return [WorkerId.parse(json.loads(each)["worker"]) for each in facts if each]


def answered(store: RedisStore) -> int:
    """How many answers were stored; one that was stored twice counts twice."""
    return int(sum(each.value for each in store.counters() if each.name == "jobs"))
