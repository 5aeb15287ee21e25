"""Queries of the queue protocol: what is read, and what is refused with its name."""

import pytest

from webapp.errors import BadValue
from webapp.requests.queue_calls import QueueCall, read_call, read_code, read_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("0s", 0), ("1m0s", 60), ("500ms", 0.5), ("5", 5), ("1h2m3.5s", 3723.5)],
)
def test_times_in_the_forms_of_all_clients(text: str, seconds: float) -> None:
    assert read_duration("_timeout_", text) == seconds


def test_python_s_get_and_tags() -> None:
    call = read_call(
        [
            ("_index_", "0"),
            ("_length_", "1"),
            ("_timeout_", "5s"),
            ("_raw_", "false"),
            ("_auto_delete_", "true"),
            ("requestId", "r"),
        ]
    )
    assert call == QueueCall({"requestId": "r"}, seconds=5.0, raw=False)


def test_indexes_and_an_empty_query() -> None:
    assert list(read_call([("_indexes_", "1,2")]).indexes) == [1, 2]
    assert read_call([]) == QueueCall()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_index_", "x"),
        ("_index_", "-2"),
        ("_index_", "1" * 30),
        ("_length_", "0"),
        ("_timeout_", "soon"),
        ("_timeout_", "-5s"),
        ("_window_", "1.5"),
        ("_auto_commit_", "maybe"),
        ("_indexes_", "1,,2"),
        ("_indexes_", "0"),
        ("_priority_", "-1"),
        ("_unheard_of_", "1"),
        ("tag", "x" * 2000),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(BadValue, match=name):
        read_call([(name, value)])


@pytest.mark.parametrize("code", ["Shutdown", "BusyNow", "Busy.Retry", "503"])
def test_codes_of_negative_commits(code: str) -> None:
    assert read_code(code) == code


@pytest.mark.parametrize("code", ["", "shutdown", "A" * 21, "5x", "Busy Now Or Later"])
def test_codes_that_are_refused(code: str) -> None:
    with pytest.raises(BadValue, match="_code_"):
        read_code(code)
