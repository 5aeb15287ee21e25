"""Predicted GPU seconds, without a store."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.queues.cost_model import LONGEST, predict_seconds, update_pace

works, seconds = st.floats(0, 250_000), st.floats(0, 86_400)


@given(st.lists(st.tuples(works, seconds), max_size=20), works)
def test_a_prediction_can_be_charged(jobs: list[tuple[float, float]], work: float) -> None:
    pace = None
    for done, took in jobs:
        pace = update_pace(pace, done, took)
    assert 0 < predict_seconds(work, pace) <= LONGEST


@given(st.floats(0.01, 10), st.lists(works, min_size=40, max_size=40), works)
def test_a_steady_pace_is_learned(pace: float, jobs: list[float], work: float) -> None:
    learned: float | None = 1.0
    for done in jobs:
        learned = update_pace(learned, done, pace * (done + 1))
    assert learned == pytest.approx(pace, rel=0.01)
    assert predict_seconds(work, learned) == pytest.approx(
        min(pace * (work + 1), LONGEST), rel=0.01
    )


def test_a_job_that_also_loaded_weights_does_not_set_the_pace() -> None:
    usual = update_pace(None, 5.0, 1.2)
    assert update_pace(usual, 5.0, 12.0) < 2 * usual


def test_work_without_steps_takes_as_long_as_the_last_of_its_kind() -> None:
    assert predict_seconds(0.0, update_pace(None, 0.0, 7.0)) == 7.0
