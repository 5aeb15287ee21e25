"""The prompt language against the recorded parser, and properties that hold for any text."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.prompt.grammar import (
    ExtraNetworkTag,
    ScheduledText,
    Segment,
    Timing,
    parse_attention,
    parse_extra_networks,
    schedule_prompt,
    split_and,
    strip_comments,
)

PROMPTY = st.text(alphabet="ab ,:|()[]\\<>#=.12-\nANDBREK", max_size=60)
WORDS = st.text(alphabet="abc ,", min_size=1, max_size=10)


@pytest.fixture(scope="session")
def unit(goldens: Path) -> dict[str, Any]:
    return json.loads((goldens / "unit.json").read_text())


def test_attention_equals_the_recorded_parser(unit: dict[str, Any]) -> None:
    for text, wanted in unit["attention"].items():
        assert [[s.text, s.weight] for s in parse_attention(text)] == wanted, text


def test_schedules_equal_the_recorded_parser(unit: dict[str, Any]) -> None:
    for text, cases in unit["schedules"].items():
        for key, wanted in cases.items():
            steps, hires, old = key.split("/")
            timing = Timing(int(steps), None, old == "True")
            if hires != "None":
                timing = Timing(int(hires), int(steps), old == "True")
            found = [[s.end, s.text] for s in schedule_prompt(text, timing)]
            assert found == wanted, (text, key)


def test_and_equals_the_recorded_parser(unit: dict[str, Any]) -> None:
    for text, wanted in unit["multicond"].items():
        parts = split_and(text)
        flat = list(dict.fromkeys(part.text for part in parts))
        indexes = [[[flat.index(part.text), part.weight] for part in parts]]
        assert {"indexes": indexes, "flat": flat} == wanted, text


def test_tags_equal_the_recorded_parser(unit: dict[str, Any]) -> None:
    for text, wanted in unit["extra"].items():
        left, tags = parse_extra_networks(text)
        networks: dict[str, list[list[str]]] = {}
        for tag in tags:
            networks.setdefault(tag.kind, []).append(list(tag.arguments))
        assert {"prompt": left, "networks": networks} == wanted, text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("red (big) fox", [("red ", 1.0), ("big", 1.1), (" fox", 1.0)]),
        ("(open bracket, tail", [("open bracket, tail", 1.1)]),
        ("((a:1.2) b:0.5)", [("a", 0.6), (" b", 0.5)]),
        ("smile :\\)", [("smile :)", 1.0)]),
        ("a:1.2)", [("a:1.2)", 1.0)]),
        ("one BREAK two", [("one", 1.0), ("BREAK", -1.0), ("two", 1.0)]),
        ("(a BREAK b:1.2)", [("a", 1.2), ("BREAK", -1.2), ("b", 1.2)]),
        ("BREAKFAST", [("BREAKFAST", 1.0)]),
        ("", [("", 1.0)]),
    ],
)
def test_attention_of_the_contract(text: str, wanted: list[tuple[str, float]]) -> None:
    assert parse_attention(text) == tuple(Segment(t, pytest.approx(w)) for t, w in wanted)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x [y::6] z", [(6, "x y z"), (8, "x  z")]),
        ("[u:[v:w:6]:2]", [(2, "u"), (6, "v"), (8, "w")]),
        ("[(a:1.2)|b:4]", [(8, "[(a:1.2)|b:4]")]),
        ("x (y [z:3])", [(3, "x (y )"), (8, "x (y z)")]),
        ("x [y:4.0]", [(8, "x ")]),
        ("x [y:z:-1]", [(8, "x z")]),
        ("top | level [a:b:2]", [(8, "top | level [a:b:2]")]),
        ("[x [a:b:2]", [(2, "[x a"), (8, "[x b")]),
        ("[a|b] [x", [(i, f"{'ab'[(i - 1) % 2]} [x") for i in range(1, 9)]),
    ],
)
def test_schedules_of_the_contract(text: str, wanted: list[tuple[int, str]]) -> None:
    assert schedule_prompt(text, Timing(8)) == tuple(ScheduledText(*entry) for entry in wanted)


@pytest.mark.parametrize(
    ("text", "old", "switch"),
    [
        ("[y:.5]", False, 0),
        ("[y:4]", False, 0),
        ("[y:1.5]", False, 4),
        ("[y:12]", False, 4),
        ("[y:.5]", True, 4),
        ("[y:4]", True, 4),
        ("[y:4.5]", True, 4),
    ],
)
def test_hires_pass_counts_on_from_the_first(text: str, old: bool, switch: int) -> None:
    entries = schedule_prompt(text, Timing(8, 8, old))
    assert [e.end for e in entries] == ([switch, 8] if switch else [8])
    assert entries[-1].text == "y"


def test_a_number_after_the_last_colon_weighs_the_part() -> None:
    assert [p.weight for p in split_and("cat AND dog:2 AND (owl:1.2)")] == [1.0, 2.0, 1.0]
    assert split_and("time 10:30")[0].weight == 30.0


def test_tag_arguments() -> None:
    tag = parse_extra_networks("a <lora:x:0.5:unet=1:dyn=4>")[1][0]
    assert tag == ExtraNetworkTag("lora", ("x", "0.5", "unet=1", "dyn=4"))
    assert tag.positional_arguments == ("x", "0.5")
    assert tag.named_arguments == {"unet": "1", "dyn": "4"}


def test_comments_go() -> None:
    assert strip_comments("a cat # with a hat\n# nothing\nb") == "a cat \nb"
    assert strip_comments("no comment") == "no comment"


@given(PROMPTY)
@settings(max_examples=300)
def test_nothing_raises(text: str) -> None:
    parse_attention(text)
    split_and(text)
    parse_extra_networks(text)
    strip_comments(text)
    entries = schedule_prompt(text, Timing(10))
    assert entries[-1].end == 10
    assert [e.end for e in entries] == sorted({e.end for e in entries})


@given(WORDS)
def test_plain_text_is_one_segment_and_one_entry(text: str) -> None:
    assert parse_attention(text) == (Segment(text, 1.0),)
    assert schedule_prompt(text, Timing(10)) == (ScheduledText(10, text),)


@given(WORDS, st.integers(1, 6))
def test_brackets_multiply(text: str, depth: int) -> None:
    louder = parse_attention("(" * depth + text + ")" * depth)
    softer = parse_attention("[" * depth + text + "]" * depth)
    assert louder == (Segment(text, pytest.approx(1.1**depth)),)
    assert softer == (Segment(text, pytest.approx(1.1**-depth)),)


@given(WORDS, st.floats(0.01, 9), st.floats(0.01, 9))
def test_weights_multiply(text: str, inner: float, outer: float) -> None:
    found = parse_attention(f"(({text}:{inner:.4f}):{outer:.4f})")
    wanted = float(f"{inner:.4f}") * float(f"{outer:.4f}")
    assert found == (Segment(text, pytest.approx(wanted)),)


@given(WORDS)
def test_escaped_brackets_are_text(text: str) -> None:
    assert parse_attention(f"\\({text}\\)") == (Segment(f"({text})", 1.0),)


@given(WORDS, WORDS, st.integers(1, 9))
def test_an_edit_shows_each_side_in_its_time(before: str, after: str, when: int) -> None:
    entries = schedule_prompt(f"[{before}:{after}:{when}]", Timing(10))
    assert entries == (ScheduledText(when, before), ScheduledText(10, after))


@given(st.lists(WORDS, min_size=2, max_size=5))
def test_alternation_takes_turns(options: list[str]) -> None:
    entries = schedule_prompt(f"[{'|'.join(options)}]", Timing(10))
    assert [e.text for e in entries] == [options[i % len(options)] for i in range(10)]


def test_deep_nesting_is_quick_and_literal() -> None:
    text = "[" * 3000 + "a:b:2]"
    assert schedule_prompt(text, Timing(10))[-1].text.endswith("b")
    assert schedule_prompt("(" * 500 + "[a|b]" + ")" * 500, Timing(4))
