"""Captions as rows of token ids: known words keep their id, others become the zero row."""

from random import Random

import pytest
import torch

from generator.default_checkpoint import words
from generator.default_checkpoint.configs import TOKENS
from generator.prompt.tokenizer import END, START, Tokenizer, clip_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return clip_tokenizer()


@pytest.fixture(scope="module")
def known(tokenizer: Tokenizer) -> tuple[int, ...]:
    return words.known_tokens(tokenizer, captions=300)


def test_known_tokens_hold_the_captions_words(tokenizer: Tokenizer, known: tuple[int, ...]) -> None:
    for word in ("red", "house", "night", "background"):
        assert set(tokenizer.encode(word)) <= set(known)
    assert START in known
    assert END in known


def test_rows_stand_between_start_and_end(tokenizer: Tokenizer, known: tuple[int, ...]) -> None:
    row = words.compact_rows(["a red house"], tokenizer, known)[0]
    assert row.shape == (TOKENS,)
    back = [known[int(index) - 1] for index in row]
    assert back[:5] == [START, *tokenizer.encode("a red house"), END]
    assert set(back[5:]) == {END}


def test_strange_words_become_the_unknown_row(tokenizer: Tokenizer, known: tuple[int, ...]) -> None:
    row = words.compact_rows(["a zebra"], tokenizer, known)[0]
    assert int(row[2]) == words.UNKNOWN


def test_unknown_words_go_between_the_known(tokenizer: Tokenizer, known: tuple[int, ...]) -> None:
    row = words.compact_rows(["a red house at night"], tokenizer, known)[0]
    spread = words.with_unknown_words(row, Random(1))
    strange = int((spread == words.UNKNOWN).sum())
    assert 1 <= strange <= 3
    kept = spread[spread != words.UNKNOWN]
    assert torch.equal(kept, row[: len(kept)])
