"""Words made and trained with the recorded checkpoint: they learn, stop, and can be read again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from generator import default_checkpoint
from generator.engine import Engine
from generator.errors import BadRequest
from generator.models.embeddings import read_embedding
from generator.models.registry import Folders, ModelKind, Registry
from generator.request import Progress, Stop
from generator.textual_inversion.config import EmbeddingSpec, TrainingConfig, read_step_schedule
from generator.textual_inversion.embedding_file import WordExists
from generator.textual_inversion.trainer import Example, Trainer
from tests.parity.service import copy_models

DEFAULT = Path(default_checkpoint.__file__).with_name("easel-default.safetensors")
EXAMPLES = [Example(Image.new("RGB", (80, 64), colour), colour) for colour in ("red", "blue")]


@pytest.fixture(scope="module")
def registry(goldens: Path, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    torch.set_num_threads(1)
    return copy_models(goldens, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def engine(registry: Registry) -> Engine:
    return Engine(registry)


@pytest.fixture
def make(registry: Registry, engine: Engine) -> Callable[[str], Path]:
    """Makes words of two vectors."""
    folder = registry.folders.of(ModelKind.EMBEDDING)[0]

    def word(name: str, text: str = "red cat") -> Path:
        path = folder / f"{name}.pt"
        engine.create_embedding(EmbeddingSpec(name, str(path), 2, text, checkpoint="tinysd15"))
        registry.refresh()
        return path

    return word


def lesson(name: str, steps: int, copies: str = "") -> TrainingConfig:
    return TrainingConfig(
        name,
        steps,
        read_step_schedule("0.05", "learn_rate"),
        ("a picture of [name], [filewords]",),
        checkpoint="tinysd15",
        width=64,
        height=64,
        batch_size=2,
        seed=3,
        save_every=2 if copies else 0,
        copies=copies,
    )


def vectors(registry: Registry, name: str) -> torch.Tensor:
    registry.refresh()
    return read_embedding(registry.find(ModelKind.EMBEDDING, name))


def test_a_word_begins_as_its_text(
    engine: Engine, registry: Registry, make: Callable[..., Path]
) -> None:
    make("begun", "red cat")
    make("again", "cat")
    found, again = vectors(registry, "begun"), vectors(registry, "again")
    assert found.shape == again.shape == (2, 128)
    assert torch.equal(again[0], again[1])
    assert torch.equal(found[1], again[0])
    assert not torch.equal(found[0], found[1])
    with pytest.raises(WordExists):
        make("begun")


def test_training_changes_the_word_and_counts_its_steps(
    engine: Engine, registry: Registry, make: Callable[..., Path], tmp_path: Path
) -> None:
    path, seen = make("taught"), []
    before = vectors(registry, "taught")

    def watch(progress: Progress, preview: object) -> Stop:
        seen.append((progress.step, progress.steps))
        return Stop.NO

    assert engine.train_embedding(lesson("taught", 4, str(tmp_path)), EXAMPLES, watch) == path
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert not torch.allclose(before, vectors(registry, "taught"), atol=0.01)
    facts = registry.find(ModelKind.EMBEDDING, "taught").embedding
    assert (facts.step, facts.checkpoint_name, facts.vectors) == (4, "tinysd15", 2)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["taught-2.pt", "taught-4.pt"]
    with pytest.raises(BadRequest, match="4 steps already"):
        engine.train_embedding(lesson("taught", 4), EXAMPLES)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    place = tmp_path / "models/Stable-diffusion" / DEFAULT.name
    place.parent.mkdir(parents=True)
    place.symlink_to(DEFAULT)
    engine = Engine(Registry(Folders.under(tmp_path)))
    new = EmbeddingSpec("better", str(tmp_path / "embeddings/better.pt"), 2, "")
    file = engine.create_embedding(new)
    taught = replace(lesson("better", 25), checkpoint="", templates=("[name]",))

    def loss() -> float:
        vectors = torch.load(file)["string_to_param"]["*"]
        same = Trainer(taught, engine.training_state(taught, vectors, 0), EXAMPLES)
        batches = same.draw_batches()
        with torch.no_grad():
            return sum(same.compute_loss(next(batches)).item() for _ in range(25))

    before = loss()
    engine.train_embedding(taught, EXAMPLES)
    assert loss() < before - 0.01


def test_an_interrupt_keeps_what_was_learned(
    engine: Engine, registry: Registry, make: Callable[..., Path]
) -> None:
    make("cut")
    engine.train_embedding(
        lesson("cut", 50), EXAMPLES, lambda p, _: Stop.INTERRUPT if p.step == 2 else Stop.NO
    )
    registry.refresh()
    assert registry.find(ModelKind.EMBEDDING, "cut").embedding.step == 2


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "nan", "1:5, 1:3", "1, 2:5", "1:0x", "99"])
def test_what_is_no_pace_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="rate"):
        read_step_schedule(text, "rate")


def test_a_pace_changes_with_the_steps() -> None:
    found = read_step_schedule("0.5:2, 0.1:4, 0.01", "rate")
    assert [found.value_at(step) for step in (1, 2, 3, 4, 5, 99)] == [
        0.5,
        0.5,
        0.1,
        0.1,
        0.01,
        0.01,
    ]
    assert read_step_schedule("0.5:2", "rate").value_at(9) == 0.5
