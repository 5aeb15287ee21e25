"""Builds the noise predictor of a pass: U-Net, ControlNet and concatenated conditioning."""

from functools import partial

from torch import Tensor

from generator.control.steering import Steering
from generator.img2img.concat_conditioning import ConcatConditioning, make_channel_adder
from generator.job.loaded_model import LoadedModel
from generator.models.added_condition import added_arguments
from generator.models.checkpoint import Checkpoint
from generator.models.deep_shrink import is_shrunk, shrink_features
from generator.models.index import trained_size
from generator.models.offload import device_of, dtype_of
from generator.request import GenerationRequest, Snapshot
from generator.sampling.batching import NetworkCall
from generator.sampling.edm import edm_schedule, network_time
from generator.sampling.passes import noise_schedule
from generator.sampling.predictor import NoisePredictor, Rows
from generator.sampling.row_splitter import RowSplitter
from generator.sampling.schedules import NoiseSchedule, scaled_linear


def make_noise_predictor(
    model: LoadedModel,
    request: GenerationRequest,
    concat: ConcatConditioning | None = None,
    steering: Steering | None = None,
    *,
    use_deep_shrink: bool = False,
) -> NoisePredictor:
    """The noise predictor of the model that is loaded now.

    ``concat`` is what an inpainting or InstructPix2Pix checkpoint reads beside the latent;
    ``steering`` are ControlNet's units in this pass. ``use_deep_shrink`` is for passes that begin
    from noise alone (see :mod:`generator.models.deep_shrink`).
    """
    checkpoint = model.components.checkpoint
    dtype = dtype_of(checkpoint.unet)
    add_channels = make_channel_adder(checkpoint, model.components.vae, concat, model.relief)
    seat, shares = model.seat, steering is None and model.may_share_calls

    def predict(x: Tensor, t: Tensor, context: Tensor, rows: Rows) -> Tensor:
        checkpoint = model.components.checkpoint  # another may take its place and its memory
        if add_channels is not None:
            x = add_channels(x, rows)
        if steering is not None:
            return seat.compute(partial(steering.predict, checkpoint, x, t, context, rows))
        trained_side = trained_size(checkpoint.file.metadata) if use_deep_shrink else None
        shrinks = trained_side if is_shrunk(x, t, trained_side) else None
        call = NetworkCall(
            (id(checkpoint.unet), x.shape[1:], context.shape[2], shrinks),
            partial(_call_unet, checkpoint, shrinks),
            x.to(dtype),
            t,
            context.to(dtype),
            rows.vectors,
        )
        return seat.predict(call) if shares else seat.compute(call.run)

    family = checkpoint.family
    scale = (
        request.origin.image_guidance if request.origin and checkpoint.is_instruct_pix2pix else None
    )
    return NoisePredictor(
        RowSplitter(predict, model.relief, steering.remember_draws if steering else None),
        schedule_of(checkpoint, request.options),
        checkpoint.prediction,
        device_of(checkpoint.unet),
        image_guidance=None if scale == 1.0 else scale,
        timesteps=family.noise.count,
        sdxl_step_levels=family.sdxl_step_levels,
        edm=checkpoint.edm,
    )


def _call_unet(
    checkpoint: Checkpoint,
    trained_side: int | None,
    x: Tensor,
    t: Tensor,
    context: Tensor,
    vectors: Tensor | None,
) -> Tensor:
    """The U-Net's answer in float32; with deep shrink where ``trained_side`` is given."""
    unet, edm = checkpoint.unet, checkpoint.edm
    time = network_time(edm, t) if edm else t
    with shrink_features(unet, x, t, trained_side):
        prediction: Tensor = unet(x, time, context, **added_arguments(unet, vectors)).sample
    return prediction.float()


def schedule_of(checkpoint: Checkpoint, options: Snapshot) -> NoiseSchedule:
    """The noise table of a checkpoint as the options bend it; continuous noise is not bent."""
    if checkpoint.edm:
        return edm_schedule(checkpoint.edm)
    table = noise_schedule(scaled_linear(checkpoint.family.noise), options)
    bent = options.sd_noise_schedule != "Default"
    return table if bent or not checkpoint.zero_terminal_snr else table.zero_terminal_snr()
