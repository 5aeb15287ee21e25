"""The checkpoint on the bench as samplers see it; what enters the U-Net beside the latent."""

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
    """The network of what lies on ``bench`` now.

    ``guide`` is what an inpainting or InstructPix2Pix checkpoint looks at beside the latent;
    ``steering`` are ControlNet's units in this pass. ``composing``: the pass begins from noise
    alone, so nothing but the network says where things stand (:mod:`generator.models.composing`).
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
