"""What the soak of ``benchmarks/soak`` judges, and what it damages."""

import random
from dataclasses import asdict
from pathlib import Path

from benchmarks.soak.bad_files import generated_files
from benchmarks.soak.client import HUNG, OutcomeCounts
from benchmarks.soak.damage import damage_state, remove_state
from benchmarks.soak.observer import Observations, SlowAnswer
from benchmarks.soak.report import SoakResult, as_markdown, failures, tracebacks

LOG = """\
2026-11-29 18:42:31 ERROR easel.web: POST /x failed
  | Traceback (most recent call last):
  |   File "a.py", line 1, in b
  | sqlite3.OperationalError: disk 12 is full
2026-11-29 18:42:32 INFO easel.web: KeyError: no traceback
"""


def test_a_soak_fails_by_latency_memory_silence_and_an_owner_who_waits() -> None:
    soak = SoakResult(
        OutcomeCounts(), sight=asdict(Observations(latencies=[0.1, 1.9], web_mib=1500))
    )
    assert not failures(soak)
    soak.sight |= {"latencies": [0.1, 2.1], "web_mib": 1600, "failures": 1}
    soak.tally.add("the owner's draw", HUNG)
    assert len(failures(soak)) == 4
    assert failures(SoakResult(OutcomeCounts(), sight=asdict(Observations()))) == [
        "/healthz was never asked."
    ]


def test_tracebacks_are_counted_by_their_last_line() -> None:
    assert dict(tracebacks(LOG)) == {"sqlite#.OperationalError: disk # is full": 1}
    sight = Observations([0.5, 1.5], [SlowAnswer(60.0, 1.5, "200", 7.5, 1.2, 0.0, 0.01)])
    page = as_markdown(SoakResult(OutcomeCounts(), sight=asdict(sight)), "a machine", LOG)
    assert "| tracebacks in the log | 1 |" in page
    assert "| 60.0 | 1.5 | 200 | 7.5 | 1.2 | 0.0 | 0.01 |" in page


def test_state_is_damaged_and_taken_away_and_bad_files_are_made(tmp_path: Path) -> None:
    (tmp_path / ".easel").mkdir()
    (tmp_path / ".easel" / "shares.db").write_bytes(b"SQLite" * 2000)
    for seed in range(20):
        assert damage_state(tmp_path, random.Random(seed))
    remove_state(tmp_path)
    assert not list((tmp_path / ".easel").iterdir())
    for bad in generated_files():
        bad.write_into(tmp_path)
