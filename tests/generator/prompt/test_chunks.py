"""Tokens and chunks against the recorded ones."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.prompt.chunks import (
    CHUNK_TOKENS,
    TokenCountOptions,
    Trigger,
    layout_chunks,
    token_count,
)
from generator.prompt.tokenizer import END, START, Tokenizer, clip_tokenizer

COMMA = 267


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return clip_tokenizer()


def test_layouts_equal_the_recorded_ones(goldens: Path, tokenizer: Tokenizer) -> None:
    recorded = json.loads((goldens / "unit.json").read_text())["tokens"]
    sizes = {"tinyemb": 3, "tinyembpt": 2}
    triggers = [Trigger(n, tuple(tokenizer.encode(n)), size) for n, size in sizes.items()]
    for text, wanted in recorded.items():
        found = layout_chunks(text, tokenizer, triggers=triggers)
        assert found.count == wanted["count"], text
        for chunk, other in zip(found.chunks, wanted["chunks"], strict=True):
            assert list(chunk.tokens) == other["tokens"], text
            assert list(chunk.weights) == other["multipliers"], text
            assert [[p.offset, p.name] for p in chunk.embeddings] == other["fixes"], text


def test_known_words(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("a photo of a cat") == [320, 1125, 539, 320, 2368]
    assert tokenizer.encode("A  PHOTO\nof a “cat”") == tokenizer.encode('a photo of a "cat"')
    assert tokenizer.encode("<|endoftext|>") == [END]


@given(st.text(max_size=40))
@settings(max_examples=150, deadline=None)
def test_any_text_has_tokens(tokenizer: Tokenizer, text: str) -> None:
    assert all(0 <= token <= END for token in tokenizer.encode(text))


@given(st.text(alphabet="abc ,()BREAK", max_size=400), st.integers(0, 40))
@settings(max_examples=80, deadline=None)
def test_chunks_are_whole_and_lose_nothing(tokenizer: Tokenizer, text: str, backtrack: int) -> None:
    found = layout_chunks(text, tokenizer, backtrack, parse=False)
    kept = [t for chunk in found.chunks for t in chunk.tokens if t not in (START, END)]
    assert kept == tokenizer.encode(text)
    for chunk in found.chunks:
        assert len(chunk.tokens) == len(chunk.weights) == CHUNK_TOKENS + 2
        assert chunk.tokens[0] == START
        assert chunk.tokens[-1] == END


def test_a_full_chunk_breaks_after_a_near_comma(tokenizer: Tokenizer) -> None:
    text = "cat " * 70 + ", " + "dog " * 10
    assert layout_chunks(text, tokenizer, 20).chunks[0].tokens[71] == COMMA
    assert layout_chunks(text, tokenizer, 20).chunks[0].tokens[72] == END
    assert layout_chunks(text, tokenizer, 0).chunks[0].tokens[72] != END


def test_an_inversion_is_never_split(tokenizer: Tokenizer) -> None:
    trigger = Trigger("zzyzx", tuple(tokenizer.encode("zzyzx")), 8)
    first, second = layout_chunks("cat " * 70 + "zzyzx", tokenizer, triggers=[trigger]).chunks
    assert not first.embeddings
    assert second.embeddings[0].offset == 0


def test_token_count_takes_the_longest_variant(tokenizer: Tokenizer) -> None:
    assert token_count("", tokenizer) == (0, 75)
    assert token_count("a [cat:very large dog:0.5] # rest", tokenizer) == (4, 75)
    assert token_count("a cat AND a very large dog <lora:x:1>", tokenizer) == (4, 75)
    assert token_count("cat " * 80, tokenizer) == (80, 150)


def test_token_count_reads_a_negative_prompt_as_it_is_drawn(tokenizer: Tokenizer) -> None:
    assert token_count("a AND b", tokenizer, negative=True) == (3, 75)
    assert token_count("<lora:x:1>", tokenizer, negative=True)[0] > 3
    assert token_count("a # b", tokenizer, TokenCountOptions(comments=False)) == (3, 75)
    assert token_count("(a:1.2)", tokenizer, TokenCountOptions(parse=False))[0] > 1
