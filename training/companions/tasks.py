"""What the companions' trainings ask of them: ``diffusion.lesson`` on a still checkpoint."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from training import diffusion
from training.companions import edges
from training.companions.low_rank import LowRank
from training.companions.material import Material
from training.hogwild import Loss, TrainingTask
from training.networks import AttnProcessor, UNet2DConditionModel

BATCH = 8
UNCAPTIONED_SHARE = 0.4  # of samples for edges: guidance asks both ways what they say

# predict_noise(network, noisy, times, context, picked) -> the noise; ``picked``: rows (B,)
PredictNoise = Callable[[nn.Module, Tensor, Tensor, Tensor, Tensor], Tensor]


def style_task(name: str, unet: UNet2DConditionModel, material: Material) -> TrainingTask:
    """Learn a LoRA whose pictures are those of the material."""
    still = _frozen_copy(unet)
    attached: list[nn.Module] = []

    def predict_noise(
        network: nn.Module, noisy: Tensor, times: Tensor, context: Tensor, picked: Tensor
    ) -> Tensor:
        if not attached:
            assert isinstance(network, LowRank)
            network.attach(still)
            attached.append(network)
        return still(noisy, times, context, return_dict=False)[0]

    return TrainingTask(
        name, lambda: LowRank(unet), _make_loss(material, predict_noise, diffusion.UNCAPTIONED)
    )


def edges_task(name: str, unet: UNet2DConditionModel, material: Material) -> TrainingTask:
    """Learn a ControlNet that follows the material's maps."""
    assert material.edges is not None
    still, maps = _frozen_copy(unet), torch.from_numpy(material.edges)  # (N, 256, 256)

    def predict_noise(
        network: nn.Module, noisy: Tensor, times: Tensor, context: Tensor, picked: Tensor
    ) -> Tensor:
        seen = maps[picked][:, None].expand(-1, 3, -1, -1).to(noisy.dtype) / 255
        added = edges.residuals(network, noisy, times, context, seen)
        return still(noisy, times, context, **added, return_dict=False)[0]

    return TrainingTask(
        name, lambda: edges.build(unet), _make_loss(material, predict_noise, UNCAPTIONED_SHARE)
    )


def _frozen_copy(unet: UNet2DConditionModel) -> Any:
    """A copy that does not learn, as the training's replicas are: bfloat16, channels last."""
    copied = UNet2DConditionModel.from_config(unet.config)
    copied.load_state_dict(unet.state_dict())
    copied.set_attn_processor(AttnProcessor())
    copied.requires_grad_(False)
    return copied.to(torch.bfloat16).to(memory_format=torch.channels_last)


def _make_loss(
    material: Material, predict_noise: PredictNoise, uncaptioned: float
) -> Callable[[int, torch.device], Loss]:
    def make(worker: int, device: torch.device) -> Loss:
        signal = diffusion.remaining_signal()
        order = _endless_orders(len(material.latents), Random(worker + torch.initial_seed()))

        def loss(network: nn.Module, step: int) -> tuple[Tensor, dict[str, float], int]:
            picked = next(order)  # (BATCH,)
            silent = torch.rand(BATCH) < uncaptioned
            rows = torch.where(silent, len(material.latents), picked)  # (BATCH,)
            painter = _Painter(network, material.contexts, picked, predict_noise)
            clean = material.latents[picked]
            total, figures = diffusion.diffusion_loss(painter, clean, rows, signal)
            return total, figures, BATCH

        return loss

    return make


class _Painter(nn.Module):
    """The still checkpoint with what learns, as ``diffusion.lesson`` asks it."""

    def __init__(
        self, network: nn.Module, contexts: Tensor, picked: Tensor, predict_noise: PredictNoise
    ) -> None:
        super().__init__()
        self.network, self.contexts, self.picked, self.predict_noise = (
            network,
            contexts,
            picked,
            predict_noise,
        )

    def forward(self, noisy: Tensor, times: Tensor, rows: Tensor) -> Tensor:
        context = self.contexts[rows].to(noisy.dtype)  # (B, 77, width)
        return self.predict_noise(self.network, noisy, times, context, self.picked)


def _endless_orders(count: int, rng: Random) -> Iterator[Tensor]:
    """Endless batches of numbers below ``count``, each once a round."""
    waiting: list[int] = []
    while True:
        while len(waiting) < BATCH:
            waiting += rng.sample(range(count), count)
        yield torch.tensor(waiting[:BATCH])
        del waiting[:BATCH]
