"""The training loop, on a net small enough to watch it learn."""

import time
from pathlib import Path

import torch
from torch import Tensor, nn

from generator.default_checkpoint import diffusion
from generator.default_checkpoint.hogwild import Loss, Plan, Task, rate_at, train


def _line_task() -> Task:
    """Learn y = 2x from random x."""

    def make_loss(worker: int, device: torch.device) -> Loss:
        def loss(model: nn.Module, step: int) -> tuple[Tensor, dict[str, float], int]:
            inputs = torch.randn(16, 1, 1, 1, device=device, dtype=torch.bfloat16)
            error = (model(inputs) - 2 * inputs).float().square().mean()
            return error, {"error": float(error.detach())}, 16

        return loss

    return Task("line", lambda: nn.Conv2d(1, 1, 1), make_loss)


def test_workers_learn_and_the_state_goes_on(tmp_path: Path) -> None:
    plan = Plan(minutes=0.05, rate=0.05, workers=2, warmup=5)
    started = time.time()
    state = train(_line_task(), plan, tmp_path)
    assert time.time() - started < 15
    first = torch.load(state, weights_only=True)
    assert abs(float(first["weights"]["weight"].squeeze()) - 2) < 0.1
    train(_line_task(), Plan(minutes=0.01, rate=1e-4, workers=1), tmp_path)
    second = torch.load(state, weights_only=True)
    assert second["progress"]["samples"] > first["progress"]["samples"]
    assert abs(float(second["weights"]["weight"].squeeze()) - 2) < 0.1
    assert not list(tmp_path.glob("*.half"))


def test_rate_warms_up_holds_and_falls() -> None:
    plan = Plan(minutes=1, rate=1.0, warmup=10, hold=0.5, final=0.1)
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
    loss, figures = diffusion.lesson(Silent(), clean, rows, signal)
    assert figures["eps"] > 0.8
    assert float(loss) > 0
