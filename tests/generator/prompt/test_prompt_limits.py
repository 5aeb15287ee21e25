"""Prompts are judged by counting, whatever they hold; and reading one never takes long."""

import random
import string
import time
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.errors import BadRequest
from generator.prompt.grammar import (
    Timing,
    parse_extra_networks,
    schedule_prompt,
    split_and,
    split_at_breaks,
)
from generator.prompt.limits import check_prompt
from generator.prompt.styles import apply_styles
from generator.prompt.tokenizer import Tokenizer, clip_tokenizer

LENGTH = 20_000  # characters, the most that a request may bring
SECONDS = 5.0  # of this processor for each: what was quadratic took minutes
REFUSED = {
    "breaks": ("BREAK " * 3000, "3,001 chunks between BREAK; at most 100"),
    "parts": ("a AND " * 200, "201 parts between AND; at most 32"),
    "brackets": ("(" * 3000 + "cat" + ")" * 3000, "3,000 opening brackets; at most 1,000"),
    "square": ("[" * 3000 + "cat" + "]" * 3000, "3,000 opening brackets"),
    "weight by brackets": ("(" * 400 + "cat" + ")" * 400, "the weight of 'cat' is 3.61e+16"),
    "weight": ("(cat:1e5) (dog:99999)", "the weight of 'dog' is 1e+05; at most 1000"),
    "weight of nothing whole": (f"(cat:{'9' * 400})", "the weight of 'cat' is inf"),
    "weight of a part": (f"cat :{'9' * 400} AND dog", "the weight of 'cat' is inf"),
    "networks": ("".join(f"<lora:a{n}:1>" for n in range(70)), "70 different networks in tags"),
    "tags": ("<lora:a:1>" * 2500, "2,500 tags; at most 2,000"),
    "alternations": ("[a|b]" * 900, "pieces of text in edits"),
    "choices": ("{" + "|" * 4000 + "}", "4,000 choices between |; at most 1,000"),
    "length": ("a " * 30_000, "60,000 characters; at most 40,000"),
    "edits of a long text": ("[a|b]" + "c" * LENGTH, "characters in all its edits"),
}
HARD = {
    "spaces": " ",
    "colons": ": ",
    "open tags": "<a:",
    "one open tag": "<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "letters": "".join(random.Random(1).choices(string.ascii_lowercase, k=LENGTH)),
    "cjk": "猫犬鳥魚",
    "emoji": "🐈",
    "comments": "#\n",
    "commas": ",",
    "open edits": "(a[b:c",
    "numbers": "[a:" + "1" * LENGTH,
    "backslashes": "\\",
    "newlines": "\n",
}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return clip_tokenizer()


@pytest.mark.parametrize("name", REFUSED)
def test_too_much_is_refused_with_the_figure(name: str) -> None:
    prompt, told = REFUSED[name]
    with pytest.raises(BadRequest, match=r".") as caught:
        check_prompt(prompt, 1000, "hr_prompt")
    assert told in str(caught.value)
    assert caught.value.field == "hr_prompt"
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", ["brackets", "breaks", "weight", "alternations", "length"])
def test_negative_prompts_are_judged_alike(name: str) -> None:
    with pytest.raises(BadRequest):
        check_prompt(REFUSED[name][0], 1000, "negative_prompt", negative=True)


def test_what_people_write_passes() -> None:
    prompt = "masterpiece, (red:1.3) cat, [a|b], [c:d:0.5] BREAK in a (((forest))) AND a dog :0.7"
    check_prompt(prompt + "<lora:x:0.5>" * 900, 150, "prompt")
    check_prompt("a red cat, " * 1800, 20, "prompt")


@pytest.mark.parametrize("name", HARD)
def test_no_text_takes_long(name: str, tokenizer: Tokenizer) -> None:
    text = (HARD[name] * LENGTH)[:LENGTH]
    began = time.process_time()
    with suppress(BadRequest):
        check_prompt(text, 1000, "prompt")
    tokenizer.encode(text)
    assert time.process_time() - began < SECONDS


def test_words_are_merged_as_before(tokenizer: Tokenizer) -> None:
    def merge_pieces(pieces: list[str]) -> list[str]:
        """CLIP's own way: all occurrences of the best pair at once, again and again."""
        while len(pieces) > 1:
            pairs = list(pairwise(pieces))
            best = min(pairs, key=lambda pair: tokenizer.ranks.get(pair, 1 << 30))
            if best not in tokenizer.ranks:
                break
            joined: list[str] = []
            for piece in pieces:
                if joined and (joined[-1], piece) == best:
                    joined[-1] += piece
                else:
                    joined.append(piece)
            pieces = joined
        return pieces

    letters = random.Random(2)
    for _ in range(400):
        word = "".join(letters.choices("aeiounstrlé", k=letters.randint(1, 30)))
        pieces = [tokenizer.letters[byte] for byte in word.encode()]
        pieces[-1] += "</w>"
        assert tokenizer._merge([*pieces]) == merge_pieces([*pieces]), word


@pytest.mark.parametrize("when", ["1e999", "-1e999", "0", "-0.5", "1" * 400])
def test_a_boundary_beyond_numbers_is_a_step(when: str) -> None:
    entries = schedule_prompt(f"[a:b:{when}]", Timing(20))
    assert entries[-1].end == 20
    assert {entry.text for entry in entries} <= {"a", "b"}


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("a BREAK  b", ["a", "b"]),
        ("BREAK", ["", ""]),
        (" a BREAK b ", [" a", "b "]),
        ("aBREAKb", ["aBREAKb"]),
        ("a\nBREAK\n BREAK b", ["a", "", "b"]),
    ],
)
def test_breaks_take_the_space_beside_them(text: str, runs: list[str]) -> None:
    assert split_at_breaks(text) == runs


def test_weights_of_parts_and_open_tags() -> None:
    assert [(p.text, p.weight) for p in split_and("a  : 0.5 AND b: AND c")] == [
        ("a", 0.5), (" b:", 1.0), (" c", 1.0),
    ]  # fmt: skip
    assert parse_extra_networks("<lora:x:1> a <b:c") == (
        " a <b:c",
        parse_extra_networks("<lora:x:1>")[1],
    )


def test_styles_that_double_are_refused() -> None:
    with pytest.raises(BadRequest, match="with its styles"):
        apply_styles("a cat", ["{prompt} {prompt}"] * 40)


@given(st.text("()[]:|\\ab0.9 ", max_size=60))
@settings(max_examples=300, deadline=None)
def test_nothing_but_a_refusal_is_raised(text: str) -> None:
    try:
        check_prompt(text, 30, "prompt")
    except BadRequest as error:
        assert error.field == "prompt"  # noqa: PT017 - most texts pass
