"""The values of a plot's axis: what is counted at the door is what is drawn; texts come back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.errors import BadRequest
from generator.scripts.values import (
    LONGEST,
    MOST_VALUES,
    count_orders,
    count_values,
    join,
    parse_numbers,
    parse_orders,
    parse_whole_numbers,
    split_values,
)

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"])).map(str.strip), min_size=1)
SPANS = st.builds("{}-{}".format, st.integers(-50, 50), st.integers(-50, 50))
STEPPED = st.builds("{} ({:+d})".format, SPANS, st.integers(-9, 9))
SPREAD = st.builds("{} [{}]".format, SPANS, st.integers(0, 50))


@given(TEXTS.filter(lambda texts: any(texts)))
def test_values_come_back_as_they_were_joined(texts: list[str]) -> None:
    assert split_values(join(texts)) == texts


@given(st.lists(st.one_of(st.integers().map(str), SPANS, STEPPED, SPREAD), max_size=6))
def test_as_many_are_drawn_as_were_counted(texts: list[str]) -> None:
    try:
        numbers = parse_whole_numbers(texts, "Seed")
    except BadRequest:
        return
    assert len(numbers) == count_values(texts, "Seed", int)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1-5", [1, 2, 3, 4, 5]),
        ("1-10 (+3)", [1, 4, 7, 10]),
        ("10-1 (-3)", [10, 7, 4, 1]),
        ("-2-2", [-2, -1, 0, 1, 2]),
        ("1-10 [4]", [1, 4, 7, 10]),
        ("7", [7]),
    ],
)
def test_spans_of_whole_numbers(text: str, numbers: list[int]) -> None:
    assert parse_whole_numbers([text], "Steps") == numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0-1 (+0.25)", [0, 0.25, 0.5, 0.75, 1]), ("0-1 [3]", [0, 0.5, 1]), (".5", [0.5])],
)
def test_spans_of_fractions(text: str, numbers: list[float]) -> None:
    assert parse_numbers([text], "CFG Scale") == pytest.approx(numbers)


@pytest.mark.parametrize("text", ["x", "5-1", "1-2-3", "1-5 (+0)", "1.5", "9" * 300, "1-", "(+1)"])
def test_what_is_no_number_is_named(text: str) -> None:
    with pytest.raises(BadRequest, match=r"Steps: '.*' is not a whole number"):
        parse_whole_numbers([text], "Steps")


def test_an_axis_is_bounded_before_anything_is_made() -> None:
    for text in (f"1-{MOST_VALUES + 1}", "1-" + "9" * 150, f"1-2 [{MOST_VALUES + 1}]"):
        with pytest.raises(BadRequest, match="at most 1,000"):
            count_values([text], "Seed", int)
        with pytest.raises(BadRequest, match="at most 1,000"):
            parse_whole_numbers([text], "Seed")
    with pytest.raises(BadRequest, match="at most 200,000"):
        split_values("x" * (LONGEST + 1))
    with pytest.raises(BadRequest, match="at most 6"):
        count_orders(list("abcdefg"))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a, b ,c", ["a", "b", "c"]),
        ('"a, b", c', ["a, b", "c"]),
        ("a,\nb,\nc", ["a", "b", "c"]),
        ("a\r\nb", ["a", "b"]),
        ("a,,b", ["a", "", "b"]),
        ("", []),
    ],
)
def test_values_as_people_type_them(text: str, values: list[str]) -> None:
    assert split_values(text) == values


def test_orders() -> None:
    assert parse_orders(["a", "b"]) == [("a", "b"), ("b", "a")]
    assert count_orders(list("abcd")) == len(parse_orders(list("abcd"))) == 24
