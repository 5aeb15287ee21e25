"""Captions as rows of token ids: known words keep their id, others become the zero row."""

from random import Random

import pytest
import torch

from generator.prompt.tokenizer import END, START, Tokenizer, clip_tokenizer
from training import diffusion, vocabulary
from training.configs import TOKENS


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return clip_tokenizer()


@pytest.fixture(scope="module")
def vocabulary_tokens(tokenizer: Tokenizer) -> tuple[int, ...]:
    return vocabulary.known_tokens(tokenizer, captions=300)


def test_known_tokens_hold_the_captions_words(
    tokenizer: Tokenizer, vocabulary_tokens: tuple[int, ...]
) -> None:
    for word in ("red", "house", "night", "background"):
        assert set(tokenizer.encode(word)) <= set(vocabulary_tokens)
    assert START in vocabulary_tokens
    assert END in vocabulary_tokens


def test_rows_stand_between_start_and_end(
    tokenizer: Tokenizer, vocabulary_tokens: tuple[int, ...]
) -> None:
    row = vocabulary.compact_rows(["a red house"], tokenizer, vocabulary_tokens)[0]
    assert row.shape == (TOKENS,)
    back = [vocabulary_tokens[int(index) - 1] for index in row]
    assert back[:5] == [START, *tokenizer.encode("a red house"), END]
    assert set(back[5:]) == {END}


def test_strange_words_become_the_unknown_row(
    tokenizer: Tokenizer, vocabulary_tokens: tuple[int, ...]
) -> None:
    row = vocabulary.compact_rows(["a zebra"], tokenizer, vocabulary_tokens)[0]
    assert int(row[2]) == vocabulary.UNKNOWN


def test_unknown_words_go_between_the_known(
    tokenizer: Tokenizer, vocabulary_tokens: tuple[int, ...]
) -> None:
    row = vocabulary.compact_rows(["a red house at night"], tokenizer, vocabulary_tokens)[0]
    spread = vocabulary.with_unknown_words(row, Random(1))
    strange = int((spread == vocabulary.UNKNOWN).sum())
    assert 1 <= strange <= 3
    kept = spread[spread != vocabulary.UNKNOWN]
    assert torch.equal(kept, row[: len(kept)])


def test_new_words_keep_what_old_ones_learned() -> None:
    few, more = diffusion.build((5, 9)), diffusion.build((5, 7, 9))
    table = "text.embeddings.token_embedding.weight"
    state = {name: tensor + 1 for name, tensor in few.state_dict().items() if name != "known"}
    state["known"] = few.known
    more.load_state_dict(diffusion.fit(more, state))
    assert torch.equal(more.state_dict()[table][[1, 3]], state[table][[1, 2]])
    assert torch.equal(more.known, torch.tensor((5, 7, 9)))


def test_heads_of_the_attention_are_told_in_the_state() -> None:
    painter = diffusion.build((5, 9), heads=2)
    assert int(painter.state_dict()["heads"]) == 2
    assert painter.unet.config["attention_head_dim"] == 2
