"""Words before and around their training: numbers that change, first vectors, files, templates."""

import random
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generator.errors import BadRequest, CannotSave, WrongArchitecture
from generator.hooks import ignore_progress
from generator.models.embeddings import read_embedding
from generator.models.registry import Folders, ModelKind, Registry
from generator.textual_inversion.config import (
    EmbeddingSpec,
    StepSchedule,
    TrainingConfig,
    read_step_schedule,
)
from generator.textual_inversion.embedding_file import (
    EmbeddingInfo,
    WordExists,
    initial_vectors,
    write_embedding,
)
from generator.textual_inversion.embedding_job import train_embedding
from generator.textual_inversion.trainer import EncodedExample, Example, Trainer

rates = st.floats(1e-6, 10.0, allow_nan=False)


@given(st.lists(st.tuples(rates, st.integers(1, 500)), min_size=1, max_size=5), st.booleans())
@settings(max_examples=25)
def test_a_schedule_is_read_as_it_is_written(
    stages: list[tuple[float, int]], open_end: bool
) -> None:
    ends = sorted(end for _, end in stages)
    written = [f"{rate!r}:{end}" for (rate, _), end in zip(stages, ends, strict=True)]
    if open_end:
        written[-1] = written[-1].partition(":")[0]
    found = read_step_schedule(", ".join(written), "learn_rate")
    assert [value for value, _ in found.stages] == [rate for rate, _ in stages]
    start = 1
    for (rate, _), end in zip(stages, ends, strict=True):
        for step in range(start, end + 1, max((end - start) // 3, 1)):
            assert found.value_at(step) == rate
        start = end + 1
    assert found.value_at(10**6) == stages[-1][0]


@given(st.text("0123456789.:,- e", max_size=12))
@settings(max_examples=25)
def test_any_text_is_a_schedule_of_sensible_numbers_or_refused(text: str) -> None:
    try:
        found = read_step_schedule(text, "learn_rate")
    except BadRequest as error:
        refusal = error
    else:
        assert all(0 < value <= 10 for value, _ in found.stages)
        return
    assert refusal.field == "learn_rate"
    assert "learn_rate takes a number of up to 10" in str(refusal)


def test_a_schedule_without_an_end_holds_for_ever() -> None:
    assert StepSchedule(((0.5, None), (0.1, 3))).value_at(99) == 0.5


class Letters:
    """A tokenizer of one token a letter, and a table whose rows are their own numbers."""

    def encode(self, text: str) -> list[int]:
        return [ord(letter) - ord("a") for letter in text]

    def get_input_embeddings(self) -> SimpleNamespace:
        return SimpleNamespace(weight=torch.arange(26.0)[:, None].repeat(1, 3))


@given(st.text("abcdefgh", max_size=8), st.integers(1, 12))
@settings(max_examples=25)
def test_first_vectors_are_the_texts_tokens_spread_in_order(text: str, count: int) -> None:
    spec = EmbeddingSpec("word", "word.pt", count, text)
    found = initial_vectors(spec, Letters(), Letters())
    assert found.shape == (count, 3)
    if not text:
        assert not found.any()
        return
    ids = Letters().encode(text)[:count]
    rows = [int(row) for row in found[:, 0]]
    assert rows[0] == ids[0]
    if count >= len(ids):
        assert list(dict.fromkeys(zip(rows, rows, strict=True))) == list(
            dict.fromkeys(zip(ids, ids, strict=True))
        )
    else:
        assert rows == ids
    # each token has as many vectors as any other, or one more
    if len(set(ids)) == len(ids):
        places = [ids.index(row) for row in rows]
        assert places == sorted(places)  # one token's vectors stand together
        shares = [rows.count(each) for each in ids]
        assert max(shares) - min(shares) <= 1


VECTORS = torch.randn(2, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    (tmp_path / "embeddings").mkdir()
    return Registry(Folders.under(tmp_path))


def write(folder: Path, name: str = "word", step: int | None = None, **how: Any) -> Path:
    path = folder / "embeddings" / f"{name}.pt"
    write_embedding(path, VECTORS, EmbeddingInfo(name, step), **{"overwrite": False, **how})
    return path


@pytest.mark.parametrize("step", [None, 0, 7])
def test_a_word_is_read_back_at_once_with_its_steps(tmp_path, registry, step) -> None:
    write(tmp_path, step=step)
    registry.refresh()
    file = registry.find(ModelKind.EMBEDDING, "word")
    assert torch.equal(read_embedding(file), VECTORS)
    assert file.embedding.step == step
    assert file.embedding.vectors == 2


def test_a_word_is_written_over_only_where_that_is_allowed(tmp_path: Path, registry) -> None:
    path = write(tmp_path)
    before = path.read_bytes()
    with pytest.raises(WordExists, match=r"embeddings/word.pt already exists") as refusal:
        write(tmp_path, step=9)
    assert refusal.value.field == "name"
    assert path.read_bytes() == before
    write(tmp_path, step=9, overwrite=True)
    assert torch.load(path)["step"] == 9
    assert [each.name for each in path.parent.iterdir()] == ["word.pt"]  # nothing is left beside it


def test_a_place_that_takes_nothing_is_told_without_its_whole_path(tmp_path: Path) -> None:
    (tmp_path / "embeddings").write_text("a file where a folder should be")
    with pytest.raises(CannotSave) as refusal:
        write(tmp_path)
    assert str(tmp_path) not in str(refusal.value)
    assert "embeddings/word.pt" in str(refusal.value)


CONFIG = TrainingConfig(
    "word",
    10,
    read_step_schedule("0.01", "learn_rate"),
    ("a [name], [filewords]",),
    width=16,
    height=8,
)


def never(*_: object) -> Any:
    raise AssertionError("the networks are not needed to refuse this")


def test_a_word_that_is_not_there_is_not_trained(registry: Registry) -> None:
    with pytest.raises(BadRequest, match="word"):
        train_embedding(CONFIG, (), registry, never, ignore_progress)


def test_a_word_that_had_its_steps_is_told_so(tmp_path: Path, registry: Registry) -> None:
    write(tmp_path, step=10)
    registry.refresh()
    with pytest.raises(BadRequest, match="has had 10 steps already; ask for more") as refusal:
        train_embedding(CONFIG, (), registry, never, ignore_progress)
    assert refusal.value.field == "steps"


def test_a_word_of_another_width_does_not_fit(tmp_path: Path, registry: Registry) -> None:
    write(tmp_path, step=3)
    registry.refresh()
    asked: list[int] = []

    def load(config: TrainingConfig, vectors: torch.Tensor, step: int) -> Any:
        asked.append(step)
        checkpoint = SimpleNamespace(text_width=768, file=SimpleNamespace(name="painter"))
        return SimpleNamespace(vectors=vectors, checkpoint=checkpoint)

    with pytest.raises(WrongArchitecture, match=r"word.pt is 8 wide, and the text of painter 768"):
        train_embedding(CONFIG, (), registry, load, ignore_progress)
    assert asked == [3]


def without_networks(config: TrainingConfig, examples: int = 3, **more: Any) -> Any:
    """What the parts of a trainer read that need no network."""
    latents = [
        EncodedExample(torch.full((1,), float(i)), torch.ones(1), str(i)) for i in range(examples)
    ]
    return SimpleNamespace(
        config=config, random=random.Random(1), encoded_examples=latents,
        noise=torch.Generator().manual_seed(1), device=torch.device("cpu"), **more,
    )  # fmt: skip


@given(st.integers(1, 6), st.integers(1, 7))
@settings(max_examples=20)
def test_each_example_comes_once_before_any_comes_again(examples: int, batch: int) -> None:
    self = without_networks(replace(CONFIG, batch_size=batch), examples)
    drawn = [
        each.words for group in islice(Trainer.draw_batches(self), 2 * examples) for each in group
    ]
    assert len(drawn) == 2 * examples * batch
    for start in range(0, len(drawn), examples):
        group = drawn[start : start + examples]
        assert len(set(group)) == len(group)


def fill(words: str, **changes: Any) -> str:
    return Trainer.fill_template(
        without_networks(replace(CONFIG, **changes)), EncodedExample(VECTORS, VECTORS, words)
    )


def test_a_template_is_filled_with_the_word_and_the_examples_words() -> None:
    assert fill("red, a house") == "a word, red, a house"
    assert fill("red", templates=("[name] [name]",)) == "word word"
    assert fill("", templates=("only [filewords]",)) == "only "


def test_a_word_in_the_examples_words_is_not_taken_for_the_templates() -> None:
    assert fill("[filewords]", templates=("[filewords] of [name]",)) == "[filewords] of word"


@pytest.mark.parametrize(("share", "left"), [(0.0, 100), (1.0, 0), (0.3, 70)])
def test_tags_are_dropped_by_their_share(share: float, left: int) -> None:
    text = fill(",".join(map(str, range(100))), tag_drop_out=share, templates=("[filewords]",))
    kept = [tag for tag in text.split(", ") if tag]
    assert len(kept) == pytest.approx(left, abs=12)
    assert kept == sorted(kept, key=int)


def test_shuffled_tags_are_the_same_ones() -> None:
    words = ", ".join(map(str, range(30)))
    text = fill(words, shuffle_tags=True, templates=("[filewords]",))
    assert text != words
    assert sorted(text.split(", "), key=int) == words.split(", ")


class Vae:
    """Tells each picture's size and mean, and a spread of 2."""

    device, dtype = torch.device("cpu"), torch.float32
    config = SimpleNamespace(scaling_factor=0.5)

    def encode(self, pixels: torch.Tensor) -> Any:
        self.size = tuple(pixels.shape[-2:])
        mean = pixels.mean().reshape(1, 1, 1, 1).expand(1, 4, 1, 2)
        return SimpleNamespace(
            latent_dist=SimpleNamespace(mean=mean, std=torch.full_like(mean, 2.0))
        )


@pytest.mark.parametrize("size", [(16, 8), (100, 8), (8, 100), (3, 3)])
@pytest.mark.parametrize("drawing", ["once", "deterministic", "random"])
def test_examples_are_cropped_to_the_configured_size_and_drawn_as_it_says(size, drawing) -> None:
    vae = Vae()
    self = without_networks(
        replace(CONFIG, drawing=drawing), state=SimpleNamespace(vae=vae),
    )  # fmt: skip
    self.draw_latent = lambda example: Trainer.draw_latent(self, example)
    image = Image.new("RGB", size, "white")
    encoded = Trainer.encode_example(self, Example(image, "w"))
    assert vae.size == (8, 16)
    assert encoded.words == "w"
    steps = [Trainer.latent_for_step(self, encoded) for _ in range(2)]
    assert torch.equal(*steps) == (drawing != "random")
    middle = torch.full((4, 1, 2), 0.5)
    assert torch.allclose(steps[0], middle) == (drawing == "deterministic")


@pytest.mark.parametrize("clipping", ["disabled", "value", "norm"])
def test_gradients_are_held_back_as_the_config_says(clipping) -> None:
    config = replace(CONFIG, clipping=clipping, clip_at=StepSchedule(((0.5, 2), (0.1, None))))
    for step, most in ((1, 0.5), (3, 0.1)):
        vectors = torch.zeros(4, requires_grad=True)
        vectors.grad = torch.tensor([3.0, -4.0, 0.05, 0.0])
        optimizer = torch.optim.AdamW([vectors])
        self = without_networks(
            config,
            vectors=vectors,
            optimizer=optimizer,
            scaler=torch.amp.GradScaler("cpu", enabled=False),
        )
        Trainer.clip_gradient(self, step)
        wanted = {
            "disabled": torch.tensor([3.0, -4.0, 0.05, 0.0]),
            "value": torch.tensor([most, -most, 0.05, 0.0]),
            "norm": torch.tensor([3.0, -4.0, 0.05, 0.0]) * most / 5.0002,
        }[clipping]
        assert torch.allclose(vectors.grad, wanted, atol=1e-3)
