"""Builds the noise predictor of a pass: U-Net, ControlNet and concatenated conditioning."""

from torch import Tensor

from generator.bench import Bench
from generator.control.guided import Steering
from generator.guides import Guide, guide_channels
from generator.models.composing import composed
from generator.models.index import learned_size
from generator.request import GenerationRequest
from generator.sampling.network import Network, Rows
from generator.sampling.passes import noise_schedule
from generator.sampling.schedules import scaled_linear


def network(
    bench: Bench,
    request: GenerationRequest,
    guide: Guide | None = None,
    steering: Steering | None = None,
    *,
    composing: bool = False,
) -> Network:
    """The noise predictor of the model that is loaded now.

    ``concat`` is what an inpainting or InstructPix2Pix checkpoint reads beside the latent;
    ``steering`` are ControlNet's units in this pass. ``use_deep_shrink`` is for passes that begin
    from noise alone (see :mod:`generator.models.deep_shrink`).
    """
    checkpoint = bench.means.checkpoint
    dtype = checkpoint.unet.dtype  # found by a walk over all weights: once, not at each call
    beside = guide_channels(checkpoint, bench.means.vae, guide)

    def predict(x: Tensor, t: Tensor, context: Tensor, rows: Rows) -> Tensor:
        unet = bench.means.checkpoint.unet  # not kept: another may take its place and its memory
        if beside is not None:
            x = beside(x, rows)
        if steering is not None:
            return steering.predict(bench.means.checkpoint, x, t, context, rows)
        learned = learned_size(bench.means.checkpoint.file.metadata) if composing else None
        with composed(unet, x, t, learned):
            found: Tensor = unet(x.to(dtype), t, context.to(dtype)).sample
        return found.float()

    table = noise_schedule(scaled_linear(), request.options)
    scale = request.origin.image_guidance if request.origin and checkpoint.follows_picture else None
    return Network(
        predict,
        table,
        checkpoint.prediction,
        checkpoint.unet.device,
        image_guidance=None if scale == 1.0 else scale,
    )
