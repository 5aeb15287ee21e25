"""Contract section 2 as properties: prompts are built from trees whose meaning is worked out here,
apart from the parser, and must mean the same to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from generator.extra_networks import LoraStrengths, read_strengths
from generator.prompt.block_weights import BlockWeights
from generator.prompt.chunks import (
    CHUNK_TOKENS,
    TokenCountOptions,
    Trigger,
    layout_chunks,
    token_count,
)
from generator.prompt.grammar import (
    Segment,
    Timing,
    parse_attention,
    parse_extra_networks,
    schedule_prompt,
    split_and,
    strip_comments,
)
from generator.prompt.styles import apply_styles
from generator.prompt.tokenizer import Tokenizer, clip_tokenizer

WORDS = st.text(alphabet="abcd ,.'!é\n", min_size=1, max_size=8).filter(str.strip)
NAMES = st.text(alphabet="abcXYZ019_-. ", min_size=1, max_size=10)
FEW = settings(max_examples=100, deadline=None)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return clip_tokenizer()


# -- emphasis (2.2) -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weighed:
    """Parts inside brackets: as they are written, and by how much the brackets multiply."""

    parts: tuple[Any, ...]
    opening: str
    closing: str
    factor: float


def weighed_parts(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Weighed]:
    kinds = st.one_of(
        st.just(("(", ")", 1.1)),
        st.just(("[", "]", 1 / 1.1)),
        st.tuples(st.integers(-20, 30), st.sampled_from(["", " "])).map(
            lambda drawn: ("(", f":{drawn[1]}{drawn[0] / 10}{drawn[1]})", drawn[0] / 10)
        ),
    )
    return st.builds(
        lambda inner, kind: Weighed(tuple(inner), *kind),
        st.lists(parts, min_size=1, max_size=3),
        kinds,
    )


PARTS = st.recursive(WORDS, weighed_parts, max_leaves=10)
ESCAPES = {"(": "\\(", ")": "\\)", "[": "\\[", "]": "\\]", "\\": "\\\\"}


def write_part(part: Any) -> str:
    if isinstance(part, str):
        return part
    return part.opening + "".join(map(write_part, part.parts)) + part.closing


def letters(part: Any, weight: float = 1.0) -> list[tuple[str, float]]:
    """Each letter with its weight."""
    if isinstance(part, str):
        return [(letter, weight) for letter in part]
    return [pair for inner in part.parts for pair in letters(inner, weight * part.factor)]


def letter_weights(segments: Sequence[Segment]) -> list[tuple[str, float]]:
    return [(letter, segment.weight) for segment in segments for letter in segment.text]


def same(found: list[tuple[str, float]], wanted: list[tuple[str, float]]) -> bool:
    return [a for a, _ in found] == [a for a, _ in wanted] and all(
        x == pytest.approx(y) for (_, x), (_, y) in zip(found, wanted, strict=True)
    )


@given(st.lists(PARTS, max_size=4))
@FEW
def test_nested_brackets_multiply_letter_by_letter(parts: list[Any]) -> None:
    found = parse_attention("".join(map(write_part, parts)))
    assert same(letter_weights(found), [pair for part in parts for pair in letters(part)])
    assert all(a.weight != b.weight for a, b in pairwise(found))


@given(WORDS, PARTS, st.sampled_from([("(", 1.1), ("[", 1 / 1.1)]))
@FEW
def test_a_bracket_left_open_reaches_to_the_end(
    before: str, part: Any, bracket: tuple[str, float]
) -> None:
    found = parse_attention(before + bracket[0] + write_part(part))
    assert same(letter_weights(found), letters(before) + letters(part, bracket[1]))


@given(WORDS, st.sampled_from([")", "]", ":1.2)", ":", ":1.2"]), WORDS)
@FEW
def test_a_mark_that_closes_nothing_is_text(before: str, mark: str, after: str) -> None:
    assert parse_attention(before + mark + after) == (Segment(before + mark + after, 1.0),)


@given(st.text(alphabet="ab()[]\\", max_size=20))
@FEW
def test_escaped_text_is_itself(text: str) -> None:
    escaped = "".join(ESCAPES.get(letter, letter) for letter in text)
    assert parse_attention(escaped) == (Segment(text, 1.0),)


@given(WORDS, st.sampled_from("abc ,.<>{}"))
@FEW
def test_a_backslash_before_anything_else_vanishes(text: str, letter: str) -> None:
    assert parse_attention(f"{text}\\{letter}") == (Segment(text + letter, 1.0),)


@given(st.lists(st.text(alphabet="abc,.", max_size=5), min_size=1, max_size=4), st.text(" \n"))
@FEW
def test_break_stands_alone_and_takes_the_blanks_around_it(runs: list[str], blank: str) -> None:
    found = parse_attention(f"{blank} BREAK\n{blank}".join(runs))
    assert [s.text for s in found if s.is_break] == ["BREAK"] * (len(runs) - 1)
    assert [s.text for s in found if not s.is_break] == runs


@pytest.mark.parametrize("text", ["BREAKs", "xBREAK", "break", "Break", "BREAK_"])
def test_break_is_an_upper_case_word(text: str) -> None:
    assert not any(segment.is_break for segment in parse_attention(text))


def test_without_emphasis_all_is_text(tokenizer: Tokenizer) -> None:
    text = "(a:1.3) BREAK [b]"
    (chunk,) = layout_chunks(text, tokenizer, parse=False).chunks
    ids = tokenizer.encode(text)
    assert list(chunk.tokens[1 : len(ids) + 1]) == ids
    assert set(chunk.weights) == {1.0}


# -- editing and alternation (2.4) ----------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """``[before:after:when]``; written without ``before`` where that is empty."""

    before: tuple[Any, ...]
    after: tuple[Any, ...]
    when: str


@dataclass(frozen=True)
class Turns:
    """``[a|b]``."""

    options: tuple[tuple[Any, ...], ...]


PLAIN = st.text(alphabet="abcd ,.é", min_size=1, max_size=5)
WHEN = st.one_of(
    st.integers(-2, 25).map(str),
    st.integers(0, 30).map(lambda n: f"{n / 10}"),
    st.sampled_from([".5", "0.25", "1.", "4.0", "+3", "-0.5"]),
)


def editing(nodes: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    texts = st.lists(nodes, max_size=2).map(tuple)
    turns = st.lists(texts, min_size=2, max_size=4).map(tuple)
    return st.one_of(st.builds(Change, texts, texts, WHEN), st.builds(Turns, turns))


TEXTS = st.lists(st.recursive(PLAIN, editing, max_leaves=8), max_size=4)
BLANKS = st.sampled_from(["", " ", "  "])


def source(nodes: Sequence[Any], blank: str = "") -> str:
    return "".join(_source(node, blank) for node in nodes)


def _source(node: Any, blank: str) -> str:
    if isinstance(node, str):
        return node
    if isinstance(node, Turns):
        return "[" + "|".join(source(option, blank) for option in node.options) + "]"
    before = f"{source(node.before, blank)}:" if node.before else ""
    return f"[{before}{source(node.after, blank)}:{blank}{node.when}{blank}]"


def boundary(when: str, steps: int, first: int | None, old: bool) -> int:
    """Contract 2.4, "Timing"."""
    value = float(when)
    if old:
        return min(steps, int(value * steps) if value < 1 else int(value))
    if "." in when:
        return min(steps, int((value - (0 if first is None else 1)) * steps))
    return min(steps, int(value) - (first or 0))


def text_at_step(nodes: Sequence[Any], step: int, steps: int, first: int | None, old: bool) -> str:
    """The text at schedule step ``step``, from 1."""
    text = ""
    for node in nodes:
        if isinstance(node, str):
            text += node
        elif isinstance(node, Turns):
            option = node.options[(step - 1) % len(node.options)]
            text += text_at_step(option, step, steps, first, old)
        else:
            early = step <= boundary(node.when, steps, first, old)
            text += text_at_step(node.before if early else node.after, step, steps, first, old)
    return text


@given(TEXTS, BLANKS, st.integers(1, 24), st.sampled_from([None, 8, 20]), st.booleans())
@example([Change(("a",), ("b",), "0.5")], "", 20, 20, False)
@settings(max_examples=250, deadline=None)
def test_each_step_shows_what_its_tree_means(
    nodes: list[Any], blank: str, steps: int, first: int | None, old: bool
) -> None:
    entries = schedule_prompt(source(nodes, blank), Timing(steps, first, old))
    assert entries[-1].end == steps
    start = 1
    for entry in entries:
        for step in range(start, entry.end + 1):
            assert entry.text == text_at_step(nodes, step, steps, first, old)
        start = entry.end + 1
    assert start == steps + 1


@given(TEXTS, st.sampled_from(["(", "["]))
@FEW
def test_emphasis_passes_through_an_edit(nodes: list[Any], opening: str) -> None:
    closing = {"(": ":1.3)", "[": "]"}[opening]
    bare = schedule_prompt(source(nodes), Timing(10))
    found = schedule_prompt(f"{opening}{source(nodes)}{closing}", Timing(10))
    assert [entry.end for entry in found] == [entry.end for entry in bare]
    assert [entry.text for entry in found] == [f"{opening}{e.text}{closing}" for e in bare]


@given(PLAIN, PLAIN, st.sampled_from(["[(a:1.2)|b:4]", "x\\"]))
@FEW
def test_what_does_not_parse_is_one_literal_text(before: str, after: str, broken: str) -> None:
    text = before + broken if broken.endswith("\\") else before + broken + after
    entries = schedule_prompt(text, Timing(10))
    assert [entry.text for entry in entries] == [text]


# -- AND (2.5) ------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(PLAIN.map(str.strip).filter(bool), st.none() | st.integers(-30, 30)),
        min_size=1,
        max_size=4,
    ),
    BLANKS,
)
@FEW
def test_and_joins_parts_with_weights(parts: list[tuple[str, int | None]], blank: str) -> None:
    prompt = " AND ".join(
        text if weight is None else f"{text}{blank}:{blank}{weight / 10}{blank}"
        for text, weight in parts
    )
    found = split_and(prompt)
    assert [part.text.strip() for part in found] == [text for text, _ in parts]
    assert [part.weight for part in found] == [1.0 if w is None else w / 10 for _, w in parts]


@pytest.mark.parametrize("text", ["sANDy", "and", "BAND", "AND_", "ANDes"])
def test_and_is_an_upper_case_word(text: str) -> None:
    assert len(split_and(f"a {text} b")) == 1


# -- tags, comments, styles (2.6, 2.10, 2.13) -----------------------------------------------------


@given(st.lists(st.tuples(WORDS, st.sampled_from(["lora", "lyco", "hypernet", "foo"]), NAMES)))
@FEW
def test_tags_go_and_leave_their_surroundings(pieces: list[tuple[str, str, str]]) -> None:
    prompt = "".join(f"{text}<{kind}:{name}:0.5>" for text, kind, name in pieces)
    left, tags = parse_extra_networks(prompt)
    assert left == "".join(text for text, _, _ in pieces)
    assert [(tag.kind, tag.positional_arguments[0]) for tag in tags] == [
        (kind, name) for _, kind, name in pieces
    ]


@pytest.mark.parametrize("text", ["<>", "<lora>", "<lora:>", "< lora:x>", "a < b : c", "<lo ra:x>"])
def test_what_is_no_tag_stays(text: str) -> None:
    assert parse_extra_networks(text) == (text, ())


@pytest.mark.parametrize(
    ("tag", "wanted"),
    [
        ("<lora:x>", LoraStrengths(1.0, 1.0)),
        ("<lora:x:0.5>", LoraStrengths(0.5, 0.5)),
        ("<lora:x:0.5:0.7>", LoraStrengths(0.5, 0.7)),
        ("<lora:x:0.5:0.7:4>", LoraStrengths(0.5, 0.7, 4)),
        ("<lora:x:te=0.2>", LoraStrengths(0.2, 0.2)),
        ("<lora:x:0.5:unet=0>", LoraStrengths(0.5, 0.0)),
        ("<lora:x:unet=0.3:dyn=8>", LoraStrengths(1.0, 0.3, 8)),
        ("<lora:x:-1>", LoraStrengths(-1.0, -1.0)),
        ("<lora:x:words>", None),
        ("<lora:x:0,5>", None),
        ("<lora:x:1@0.5>", None),
        ("<lora:x:0.5:lbw=MIDD>", LoraStrengths(0.5, 0.5, blocks=BlockWeights(name="MIDD"))),
        ("<lora:x:0.5:0.7:lbw=ALL:dyn=4>", LoraStrengths(0.5, 0.7, 4, BlockWeights(name="ALL"))),
        ("<lora:x:0,5:lbw=ALL>", None),
        ("<lora:x:0.5:start=3>", None),
        ("<lora:x:0.5:MIDD>", None),
        ("<lora:x:1:1:4:5>", None),
        ("<lora:x:>", None),
        ("<lora:x:nan>", None),
        ("<lora:x:te=inf>", None),
        ("<lora:x:dyn=nan>", None),
    ],
)
def test_strengths_of_a_tag(tag: str, wanted: LoraStrengths | None) -> None:
    assert read_strengths(parse_extra_networks(tag)[1][0]) == wanted


@given(st.lists(st.tuples(PLAIN, st.none() | PLAIN), min_size=1, max_size=4))
@FEW
def test_comments_end_with_their_line(lines: list[tuple[str, str | None]]) -> None:
    prompt = "\n".join(text if note is None else f"{text}#{note}" for text, note in lines)
    assert strip_comments(prompt).removesuffix("\n") == "\n".join(text for text, _ in lines)


@given(PLAIN, st.lists(PLAIN, max_size=3))
@FEW
def test_styles_follow_each_other(prompt: str, pieces: list[str]) -> None:
    stripped = [part for part in (text.strip() for text in (prompt, *pieces)) if part]
    assert apply_styles(prompt, pieces) == (", ".join(stripped) if pieces else prompt)
    around = apply_styles(prompt, ["<{prompt}|{prompt}>"])
    assert around == f"<{prompt}|{prompt}>"


# -- tokens, chunks, embeddings (2.7, 2.12) -------------------------------------------------------


@given(st.lists(st.integers(0, 160), min_size=1, max_size=3))
@settings(max_examples=30, deadline=None)
def test_the_count_takes_closed_chunks_whole(tokenizer: Tokenizer, runs: list[int]) -> None:
    text = " BREAK ".join("cat " * run for run in runs)
    whole = [max(1, -(-run // CHUNK_TOKENS)) for run in runs]
    last = runs[-1] - CHUNK_TOKENS * (whole[-1] - 1)
    if not runs[-1]:  # what follows the last BREAK is empty: no chunk of its own
        whole[-1] = 0
        last = CHUNK_TOKENS if len(runs) > 1 else 0
    wanted = CHUNK_TOKENS * (max(sum(whole), 1) - 1) + last
    assert token_count(text, tokenizer, TokenCountOptions(backtrack=0)) == (
        wanted,
        CHUNK_TOKENS * -(-max(wanted, 1) // CHUNK_TOKENS),
    )


@given(WORDS, st.integers(1, 75), st.integers(1, 75))
@settings(max_examples=30, deadline=None)
def test_the_longest_name_wins(tokenizer: Tokenizer, text: str, short: int, long: int) -> None:
    triggers = [
        Trigger(name, tuple(tokenizer.encode(name)), size)
        for name, size in (("zzyzx", short), ("zzyzx road", long))
    ]
    found = layout_chunks(f"{text}, zzyzx road", tokenizer, triggers=triggers)
    (placed,) = [placed for chunk in found.chunks for placed in chunk.embeddings]
    assert placed.name == "zzyzx road"


@given(st.integers(5, 20), st.booleans())
@settings(max_examples=20, deadline=None)
def test_a_name_is_met_in_any_case_and_inside_emphasis(
    tokenizer: Tokenizer, weight: int, upper: bool
) -> None:
    trigger = Trigger("zzyzx", tuple(tokenizer.encode("zzyzx")), 2)
    word = "ZZYZX" if upper else "zzyzx"
    (chunk,) = layout_chunks(f"a ({word}:{weight / 10})", tokenizer, triggers=[trigger]).chunks
    assert [placed.offset for placed in chunk.embeddings] == [1]
    assert chunk.weights[2:4] == (weight / 10, weight / 10)
