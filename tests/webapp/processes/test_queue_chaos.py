"""The chaos of ``benchmarks/queue_chaos.py`` in small; ``make chaos`` takes minutes."""

from pathlib import Path

import pytest

from benchmarks.chaos_service import chaos_service, why_no_redis
from benchmarks.queue_chaos import ChaosPlan, ChaosResult, as_markdown, run_chaos

JOBS = 12


@pytest.mark.parametrize("on_redis", [False, True], ids=["sqlite", "redis"])
def test_no_job_is_lost_or_doubled_whatever_is_killed(tmp_path: Path, on_redis: bool) -> None:
    """Two workers with a job, the web process, and Redis; one job kills each worker it meets."""
    if on_redis and (why := why_no_redis()):
        pytest.skip(why)
    plan = ChaosPlan(JOBS, 1, steps=6, every=1.0, web_kills=1, worker_kills=2, on_redis=on_redis)
    with chaos_service(tmp_path, plan.workers, on_redis=on_redis) as service:
        result = run_chaos(service, plan)
    assert not result.lost
    assert not result.doubled
    assert not result.unexplained
    assert len(result.answered) == JOBS - 1
    assert result.kills == {"worker": 2, "web": 1} | ({"Redis": 1} if on_redis else {})
    (reason,) = result.dead.values()
    assert reason.startswith("The worker was lost 5 times; the last ended with 3")


def test_a_run_that_lost_or_doubled_a_job_fails() -> None:
    plan = ChaosPlan(40, 0)
    good = ChaosResult(plan, [f"{n}" for n in range(40)], {f"{n}": {n} for n in range(40)})
    good.kills.update({"worker": 3, "web": 2})
    assert good.faults() == []
    assert "| answered | 40 |" in as_markdown(good)
    del good.answers["7"]
    good.dead["8"] = "why"
    good.failures |= {"8": "500", "9": "500"}
    good.answers["10"] = {10, 50}
    texts = "; ".join(good.faults())
    assert "1 lost: ['7']" in texts
    assert "1 doubled: ['10']" in texts
    assert "1 failed without a reason" in texts
    assert "37 answered, at least 39" in texts
