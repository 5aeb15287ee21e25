"""Watchers hold threads: they are counted together, and one caller takes half."""

import pytest

from webapp.access.credentials import OWNER_CALLER, Caller
from webapp.errors import Unavailable
from webapp.http.waiting_limit import WaitingLimit
from webapp.http.watcher_limit import WatcherLimit
from webapp.processes.web_server import connection_limits
from webapp.settings.config import Config


def test_one_caller_takes_half_and_the_owner_all() -> None:
    limit, ann, bob = WatcherLimit(4), Caller("ann"), Caller("bob")
    leave = limit.enter(ann)
    limit.enter(ann)
    with pytest.raises(Unavailable) as refused:
        limit.enter(ann)
    assert refused.value.retry_after == 10
    leave_bob = limit.enter(bob)
    limit.enter(OWNER_CALLER)
    with pytest.raises(Unavailable):
        limit.enter(OWNER_CALLER)
    leave()
    leave()  # a stream may be closed twice
    limit.enter(OWNER_CALLER)
    leave_bob()
    assert limit.by_caller == {"ann": 1, "owner": 2}


@pytest.mark.parametrize(("waiting", "watching"), [(400, 128), (4000, 4000), (1, 1), (8, 4000)])
def test_a_quarter_of_the_threads_stays_for_requests(
    tmp_path_factory: pytest.TempPathFactory, waiting: int, watching: int
) -> None:
    config = Config(
        tmp_path_factory.getbasetemp(), max_waiting_requests=waiting, max_watchers=watching
    )
    threads = connection_limits(config).threads.all
    held = WaitingLimit(waiting).max_with_owner + watching
    assert threads - held >= threads / 4
