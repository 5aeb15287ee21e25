"""The companions' networks learn, and the service reads their files as they were learned."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from generator.control.controlnets import load_controlnet
from generator.default_checkpoint import companions
from generator.models.adapter_files import read_adapter
from generator.models.adapters import AppliedAdapter, apply_adapters
from generator.models.checkpoint import Checkpoint
from generator.models.embeddings import read_embedding
from generator.models.kinds import ModelKind
from generator.prompt.tokenizer import clip_tokenizer
from training import export
from training.companions import edges, effects, embedding, low_rank, subjects
from training.companions.low_rank import LowRank
from training.companions.material import Material, gather
from training.companions.tasks import edges_task, style_task
from training.hogwild import TrainingPlan, train

SHIPPED = Path(companions.__file__).parent
NAMES = sorted(companions.SHELF)
PLAN = TrainingPlan(minutes=1, rate=1e-2, workers=1, warmup=1, until=16)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    torch.set_num_threads(1)
    return export.read(export.FILE)


@pytest.fixture(scope="module")
def material(checkpoint: Checkpoint) -> Material:
    return gather(checkpoint, clip_tokenizer(), subjects.ordinary_drawing, 4, edges=True)


@torch.no_grad()
def answer(checkpoint: Checkpoint, **more: object) -> Tensor:
    noisy = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    context = torch.zeros(1, 77, 64)
    told: Tensor = checkpoint.unet(noisy, torch.tensor([500]), context, **more).sample
    return told


def far(learned: LowRank) -> LowRank:
    """A LoRA that changes a lot."""
    with torch.no_grad():
        for pair in learned.pairs.values():
            pair.up.normal_(0, 0.2, generator=torch.Generator().manual_seed(1))
    return learned


def test_a_new_lora_changes_nothing(checkpoint: Checkpoint) -> None:
    before = answer(checkpoint)
    other = export.read(export.FILE)
    LowRank(other.unet).attach(other.unet)
    assert torch.allclose(answer(other), before, atol=1e-5)


def test_the_service_adds_what_the_training_added(checkpoint: Checkpoint, tmp_path: Path) -> None:
    learned = far(LowRank(checkpoint.unet))
    path = tmp_path / "a.safetensors"
    low_rank.write(learned, path, "A", {})
    other = export.read(export.FILE)
    learned.attach(other.unet)
    trained, before = answer(other), answer(checkpoint)
    file = replace(export.as_model_file(path), kind=ModelKind.LORA)
    with apply_adapters(checkpoint, [AppliedAdapter(read_adapter(file))]) as told:
        served = answer(checkpoint)
    assert told == ()
    assert (trained - before).abs().mean() > 0.05
    assert (served - trained).abs().mean() < 0.01 * (trained - before).abs().mean()


def test_a_control_is_read_as_it_was_written(checkpoint: Checkpoint, tmp_path: Path) -> None:
    network = edges.build(checkpoint.unet)
    path = tmp_path / "edges.safetensors"
    edges.write(network, path, "Edges", {})
    assert path.stat().st_size <= companions.LIMIT
    file = replace(export.as_model_file(path), kind=ModelKind.CONTROLNET)
    served = load_controlnet(file, torch.device("cpu"), torch.float32)
    served.check_fits(checkpoint)
    for name, weight in network.state_dict().items():
        found = served.network.state_dict()[name]
        assert torch.allclose(found, weight, rtol=0.07, atol=2e-3), name


def test_a_new_control_changes_nothing(checkpoint: Checkpoint) -> None:
    network, noisy = edges.build(checkpoint.unet), torch.randn(1, 4, 16, 16)
    maps = torch.ones(1, 3, 128, 128)
    added = edges.residuals(network, noisy, torch.tensor([500]), torch.zeros(1, 77, 64), maps)
    assert all(not part.any() for part in added["down_block_additional_residuals"])
    assert torch.allclose(answer(checkpoint, **added), answer(checkpoint), atol=1e-5)


def test_a_style_is_learned_and_the_checkpoint_stays(
    checkpoint: Checkpoint, material: Material, tmp_path: Path
) -> None:
    before = answer(checkpoint)
    state = train(style_task("style", checkpoint.unet, material), PLAN, tmp_path)
    learned = torch.load(state, weights_only=True)["weights"]
    assert all(weight.any() for name, weight in learned.items() if name.endswith(".up"))
    assert torch.allclose(answer(checkpoint), before, atol=1e-5)


def test_edges_are_learned(checkpoint: Checkpoint, material: Material, tmp_path: Path) -> None:
    state = train(edges_task("edges", checkpoint.unet, material), PLAN, tmp_path)
    learned = torch.load(state, weights_only=True)["weights"]
    assert learned["controlnet_down_blocks.0.weight"].any()
    assert learned["controlnet_mid_block.weight"].any()


def test_a_word_is_learned(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "a-word.pt"
    shown = [subjects.winter_night(number) for number in range(2)]
    embedding.train_embedding(path, checkpoint, clip_tokenizer(), shown, steps=1)
    file = replace(export.as_model_file(path), kind=ModelKind.EMBEDDING)
    assert read_embedding(file).shape == (embedding.VECTORS, 64)


def test_edges_that_are_followed_count_and_others_do_not() -> None:
    asked = effects.map_of(subjects.ordinary_drawing(1).image, 256)
    assert effects.edge_f1(asked, asked) == pytest.approx(1)
    assert effects.edge_f1(asked, asked * 0) == pytest.approx(0)
    assert effects.edge_f1(asked, effects.map_of(subjects.ordinary_drawing(2).image, 256)) < 0.5


def test_an_outline_tells_a_snail_from_all_others() -> None:
    outlines = effects.silhouettes()
    assert len(outlines) == 43
    drawn = [each for each in map(subjects.snails, range(40)) if "background" in each.caption]
    told = {True: list[bool](), False: list[bool]()}
    for each in drawn:
        if "orange background" not in each.caption:  # it hides the snail's skin
            told["snail" in each.caption].append(effects.is_snail(each.image, outlines))
    assert np.mean(told[True]) > 0.9
    assert not any(told[False])


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shipped_is_small_and_has_its_effect(name: str, tmp_path: Path) -> None:
    path = SHIPPED / name
    assert path.stat().st_size <= companions.LIMIT
    engine = effects.make_engine(export.FILE, [path], tmp_path)
    effect = effects.measure_effect(engine, name, 8)
    assert effect.with_it > effect.without
