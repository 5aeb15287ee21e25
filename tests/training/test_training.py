"""The training loop, on a net small enough to watch it learn."""

import copy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from generator.prompt.tokenizer import Tokenizer, clip_tokenizer
from training import diffusion, progress, vocabulary
from training import train as train_program
from training.hogwild import Loss, TrainingPlan, TrainingTask, rate_at, restore_optimiser, train
from training.latents import Store
from training.schedule import STAGES


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return clip_tokenizer()


def _line_task() -> TrainingTask:
    """Learn y = 2x from random x."""

    def make_loss(worker: int, device: torch.device) -> Loss:
        def loss(model: nn.Module, step: int) -> tuple[Tensor, dict[str, float], int]:
            inputs = torch.randn(16, 1, 1, 1, device=device, dtype=torch.bfloat16)
            error = (model(inputs) - 2 * inputs).float().square().mean()
            return error, {"error": float(error.detach())}, 16

        return loss

    return TrainingTask("line", lambda: nn.Conv2d(1, 1, 1), make_loss)


def test_workers_learn_and_the_state_goes_on(tmp_path: Path) -> None:
    plan = TrainingPlan(minutes=0.05, rate=0.05, workers=2, warmup=5, averaging=0.99)
    state = train(_line_task(), plan, tmp_path)
    first = torch.load(state, weights_only=True)
    assert first["progress"]["seconds"] < 15
    assert abs(float(first["weights"]["weight"].squeeze()) - 2) < 0.1
    train(_line_task(), TrainingPlan(minutes=0.01, rate=1e-4, workers=1), tmp_path)
    second = torch.load(state, weights_only=True)
    assert second["progress"]["samples"] > first["progress"]["samples"]
    assert abs(float(second["weights"]["weight"].squeeze()) - 2) < 0.1
    assert not list(tmp_path.glob("*.half"))


def test_one_worker_on_a_named_device_learns_in_this_process(tmp_path: Path) -> None:
    """The road that a GPU takes, here on the CPU's device."""
    plan = TrainingPlan(minutes=1, rate=0.05, workers=1, warmup=5, until=3200, device="cpu")
    state = torch.load(train(_line_task(), plan, tmp_path), weights_only=True)
    assert state["progress"]["samples"] == 3200
    assert abs(float(state["weights"]["weight"].squeeze()) - 2) < 0.1


def test_a_run_cut_short_goes_on_to_the_same_end(tmp_path: Path) -> None:
    plan = TrainingPlan(minutes=1, rate=0.05, workers=1, warmup=5, until=3200)
    cut = replace(plan, minutes=0.0)
    train(_line_task(), replace(plan, until=160), tmp_path)
    train(_line_task(), cut, tmp_path)
    train(_line_task(), plan, tmp_path)
    state = torch.load(tmp_path / "line.pt", weights_only=True)
    assert 3200 <= state["progress"]["samples"] < 3300


def test_samples_are_shown_at_the_end(tmp_path: Path) -> None:
    def show(average: nn.Module, path: Path) -> None:
        path.write_text(f"{float(next(average.parameters()).sum()):.1f}")

    task = replace(_line_task(), show=show)
    train(task, TrainingPlan(minutes=1, rate=0.05, workers=1, until=160), tmp_path)
    assert (tmp_path / "line.000000160.png").exists()


def test_time_while_stopped_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(progress.time, "time", lambda: now)
    clock = progress.Clock()
    now += 5
    clock.tick()
    now += 3600
    assert clock.tick() < 40


def test_optimiser_forgets_only_what_changed_its_shape() -> None:
    def learner(rows: int) -> tuple[torch.optim.AdamW, list[nn.Parameter]]:
        weights = [nn.Parameter(torch.zeros(rows)), nn.Parameter(torch.zeros(3))]
        return torch.optim.AdamW(weights), weights

    first, weights = learner(4)
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    first.step()
    second, grown = learner(6)
    restore_optimiser(second, first.state_dict())
    assert grown[0] not in second.state
    assert torch.equal(second.state[grown[1]]["exp_avg"], first.state[weights[1]]["exp_avg"])


def test_batches_are_of_one_size_and_larger_ones_smaller(tokenizer: Tokenizer) -> None:
    stores = [
        Store(np.zeros((12, 4, side, side), np.float16), ("a red house",) * 12) for side in (8, 16)
    ]
    known = vocabulary.known_tokens(tokenizer, captions=50)
    lessons = diffusion.TrainingData(lambda: stores, tokenizer, known, 2)
    batches = diffusion._batches(lessons, Random(0))
    shapes = {tuple(next(batches)[0].shape) for _ in range(12)}
    assert shapes == {(4, 4, 8, 8), (4, 4, 16, 16)}
    assert lessons.batch_of(32) == 2
    assert diffusion.TrainingData(lambda: stores, tokenizer, known, 16).batch_of(64) == 4


def test_larger_stores_are_folders(tmp_path: Path) -> None:
    for name in ("latents", "latents512", "latents384", "latents512.later"):
        (tmp_path / name).mkdir()
    (tmp_path / "latents512.log").write_text("128 of 1536")
    found = [path.name for path in train_program.larger_stores(tmp_path)]
    assert found == ["latents384", "latents512"]


def test_schedule_ends_with_the_export_and_its_parts_exist() -> None:
    assert STAGES[-1].part == "export"
    assert {stage.part for stage in STAGES} <= set(train_program._PARTS)
    painter = [stage for stage in STAGES if stage.state == "painter"]
    for before, after in pairwise(painter):
        assert after.since == before.until


def test_rate_warms_up_holds_and_falls() -> None:
    plan = TrainingPlan(minutes=1, rate=1.0, warmup=10, hold=0.5, final=0.1)
    assert rate_at(plan, 0.0, 0) == 0.1
    assert rate_at(plan, 0.4, 100) == 1.0
    assert 0.1 < rate_at(plan, 0.8, 100) < 1.0
    assert abs(rate_at(plan, 1.0, 100) - 0.1) < 1e-9


def test_noise_schedule_is_that_of_sd1() -> None:
    signal = diffusion.remaining_signal()
    assert signal.shape == (1000,)
    sigmas = ((1 - signal) / signal).sqrt()
    assert abs(float(sigmas[0]) - 0.0292) < 1e-3
    assert abs(float(sigmas[-1]) - 14.6146) < 1e-2


def test_lesson_is_least_for_the_true_noise() -> None:
    """A net that tells the noise exactly would have no loss; one that tells nothing has some."""

    class Silent(nn.Module):
        def forward(self, noisy: Tensor, times: Tensor, rows: Tensor) -> Tensor:
            return torch.zeros_like(noisy)

    clean, rows = torch.zeros(8, 4, 8, 8), torch.zeros(8, 77, dtype=torch.long)
    signal = diffusion.remaining_signal()
    loss, figures = diffusion.diffusion_loss(Silent(), clean, rows, signal)
    assert figures["eps"] > 0.8
    assert float(loss) > 0


def test_replica_learns_in_every_part() -> None:
    """A replica in bfloat16 has the gradients of the weights themselves, attention and text
    included: a compiled one once had none there, and the error fell all the same."""
    weights = diffusion.build(tuple(range(1, 40)))
    replica = copy.deepcopy(weights).to(torch.bfloat16)
    replica.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    class Exact(nn.Module):
        def forward(self, noisy: Tensor, times: Tensor, rows: Tensor) -> Tensor:
            found: Tensor = weights(noisy.float(), times, rows)
            return found

    signal, rows = diffusion.remaining_signal(), torch.randint(0, 40, (4, 77))
    for network in (Exact(), replica):
        torch.manual_seed(3)
        clean = torch.randn(4, 4, 16, 16)
        diffusion.diffusion_loss(network, clean, rows, signal)[0].backward()
    found: dict[str, list[Tensor]] = {}
    pairs = zip(weights.named_parameters(), replica.parameters(), strict=True)
    for (name, exact), near in pairs:
        assert (exact.grad is None) == (near.grad is None), name
        if exact.grad is not None and near.grad is not None:
            part = "attention" if "attentions" in name else name.split(".")[0]
            found.setdefault(part, []).append(torch.stack([exact.grad, near.grad.float()]))
    assert set(found) == {"attention", "text", "unet"}
    for part, both in found.items():
        exact, near = torch.cat([each.flatten(1) for each in both], 1)
        assert torch.cosine_similarity(exact, near, dim=0) > 0.95, part
