"""Units around a U-Net of random weights (contract section 10.5)."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from generator.control.controlnets import ControlNet
from generator.control.modules import find_module
from generator.control.prepared_unit import PreparedUnit
from generator.control.reference import ReferenceHooks
from generator.control.steering import PassContext, Steering
from generator.control.units import CONTROL_FIRST, PROMPT_FIRST
from generator.control.weights import is_active, residual_weights
from generator.errors import BadRequest, WrongArchitecture
from generator.models.checkpoint import UNet2DConditionModel
from generator.models.families.family import Prediction
from generator.models.families.sd1 import SD1
from generator.request import ControlUnit
from generator.sampling.predictor import GuidanceSide, Rows
from generator.sampling.schedules import scaled_linear
from tests.generator.control.conftest import SIZES, Vae

SIDE = 8  # latent cells
TABLE = scaled_linear().alphas_cumprod
BOTH = Rows((0, 0), (GuidanceSide.POSITIVE, GuidanceSide.NEGATIVE), 5, 10)


def ready(control: ControlNet | None, seed: int = 0, **unit: Any) -> PreparedUnit:
    made = ControlUnit(**unit)
    module = find_module(made.module)
    assert module is not None
    random = np.random.RandomState(seed)
    pixels = random.randint(0, 256, (SIDE, SIDE, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    if module.reads_mask:
        mask = np.zeros((8 * SIDE, 8 * SIDE, 1), np.uint8)
        mask[:, : 4 * SIDE] = 255
        pixels = np.dstack([pixels, mask])
    return PreparedUnit(made, module, pixels, "Just Resize", control)


def inputs(count: int = 2, seed: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn((1, 4, SIDE, SIDE), generator=random).repeat(count, 1, 1, 1)
    context = torch.randn((count, 7, 16), generator=random)
    return x, torch.full((count,), 500.0), context


def around(seeds: tuple[int, ...] = (1,), **changes: Any) -> PassContext:
    random = [torch.Generator().manual_seed(seed) for seed in seeds]
    return replace(PassContext(Vae, TABLE, random=random), **changes)


def predict(
    unet: Any,
    *units: PreparedUnit,
    rows: Rows = BOTH,
    prediction: Prediction = Prediction.EPSILON,
    **changes: Any,
) -> Tensor:
    checkpoint = SimpleNamespace(
        unet=unet,
        family=SD1,
        prediction=prediction,
        edm=None,
        file=SimpleNamespace(name="small.safetensors"),
    )
    steering = Steering(units, around(**changes))
    with torch.no_grad():
        return steering.predict(checkpoint, *inputs(len(rows.owners)), rows)


def near(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, atol=2e-5)


def test_a_control_changes_both_sides(unet: Any, control: ControlNet) -> None:
    plain, steered = predict(unet), predict(unet, ready(control))
    assert not near(plain[0], steered[0])
    assert not near(plain[1], steered[1])


def test_no_weight_is_no_unit(unet: Any, control: ControlNet) -> None:
    assert near(predict(unet), predict(unet, ready(control, weight=0.0)))


def test_units_add_up(unet: Any, control: ControlNet) -> None:
    two = predict(unet, ready(control, weight=0.3), ready(control, weight=0.5))
    assert near(two, predict(unet, ready(control, weight=0.8)))


def test_control_first_leaves_the_negative_alone(unet: Any, control: ControlNet) -> None:
    plain = predict(unet)
    steered = predict(unet, ready(control, control_mode=CONTROL_FIRST))
    soft = predict(unet, ready(control, control_mode=PROMPT_FIRST))
    assert near(steered[1], plain[1])
    assert near(steered[0], soft[0])
    assert not near(soft[1], plain[1])


def test_positives_alone_are_steered_as_beside_negatives(unet: Any, control: ControlNet) -> None:
    unit = ready(control, control_mode=CONTROL_FIRST)
    alone = predict(unet, unit, rows=Rows((0,), (GuidanceSide.POSITIVE,), 5, 10))
    x, t, context = inputs(2)
    checkpoint = SimpleNamespace(
        unet=unet,
        family=SD1,
        prediction=Prediction.EPSILON,
        edm=None,
        file=SimpleNamespace(name=""),
    )
    with torch.no_grad():
        both = Steering([unit], around()).predict(checkpoint, x, t, context, BOTH)
    assert alone.shape[0] == 1
    assert not near(alone[0], both[1])


def test_pooling_networks_average_and_spare_the_negative(unet: Any, control: ControlNet) -> None:
    plain = predict(unet)
    pooled = predict(unet, ready(replace(control, averages_residuals=True)))
    assert near(pooled[1], plain[1])
    assert not near(pooled[0], predict(unet, ready(control))[0])


def test_acts_only_in_its_region(unet: Any, control: ControlNet) -> None:
    whole = replace(ready(control), region=torch.ones(1, 1, 64, 64))
    nowhere = replace(ready(control), region=torch.zeros(1, 1, 64, 64))
    assert near(predict(unet, whole), predict(unet, ready(control)))
    assert near(predict(unet, nowhere), predict(unet))


@pytest.mark.parametrize(
    ("calls_a_step", "calls", "acting"),
    [
        (1, 10, list(range(3, 9))),  # call n comes after step n - 1
        (2, 20, list(range(5, 17))),  # a step counts from its second call on
        (3, 30, list(range(7, 25))),
    ],
)
def test_the_range_lags_a_call(calls_a_step: int, calls: int, acting: list[int]) -> None:
    unit = ControlUnit(guidance_start=0.2, guidance_end=0.7)
    found = [call for call in range(calls) if is_active(unit, call, calls_a_step, 10)]
    assert found == acting


def test_hires_options_choose_the_pass(unet: Any, control: ControlNet) -> None:
    low, high = (ready(control, hr_option=f"{word} res only") for word in ("Low", "High"))
    for unit, large in ((low, True), (high, False)):
        assert near(predict(unet, unit, large=large, passes=2), predict(unet))
    assert not near(predict(unet, low, passes=2), predict(unet))
    assert not near(predict(unet, high, large=True, passes=2), predict(unet))
    assert not near(predict(unet, high), predict(unet))  # one pass is both


def test_weights_of_the_residuals() -> None:
    plain = residual_weights(ControlUnit(weight=0.5), 13, False)
    assert plain == (0.5,) * 13
    soft = residual_weights(ControlUnit(weight=0.5, control_mode=PROMPT_FIRST), 13, False)
    assert soft[12] == 0.5
    assert soft[0] == pytest.approx(0.5 * 0.825**12)
    assert residual_weights(ControlUnit(module="canny", weight=0.5), 13, True) == soft
    assert residual_weights(ControlUnit(module="canny", weight=0.5), 13, False) == plain
    own = tuple(float(n) for n in range(13))
    assert residual_weights(ControlUnit(weight=0.5, advanced_weighting=own), 13, True) == own
    with pytest.raises(BadRequest, match="advanced_weighting has 2 numbers"):
        residual_weights(ControlUnit(advanced_weighting=(1.0, 1.0)), 13, False)


def test_a_control_for_another_u_net_is_refused(unet: Any, control: ControlNet) -> None:
    other = SimpleNamespace(
        config=SimpleNamespace(block_out_channels=(320,), cross_attention_dim=2)
    )
    with pytest.raises(WrongArchitecture, match=r"lines.safetensors.*small.safetensors.*\[320\]"):
        predict(other, ready(control))


def reference(**unit: Any) -> PreparedUnit:
    return ready(None, **{"module": "reference_only", "threshold_a": 0.5} | unit)


@pytest.mark.parametrize("module", ["reference_only", "reference_adain", "reference_adain+attn"])
def test_a_reference_changes_the_picture_and_no_weight(unet: Any, module: str) -> None:
    before = {name: weight.clone() for name, weight in unet.state_dict().items()}
    plain, steered = predict(unet), predict(unet, reference(module=module))
    assert not near(plain[0], steered[0])
    assert near(plain, predict(unet))
    assert all(torch.equal(weight, before[name]) for name, weight in unet.state_dict().items())
    assert not any("forward" in vars(module) for module in unet.modules())


def test_full_fidelity_keeps_the_negative_from_the_reference(unet: Any) -> None:
    plain = predict(unet)
    faithful = predict(unet, reference(threshold_a=1.0))
    first = predict(unet, reference(threshold_a=0.0, control_mode=CONTROL_FIRST))
    loose = predict(unet, reference(threshold_a=1.0, control_mode=PROMPT_FIRST))
    assert near(faithful[1], plain[1])
    assert near(first, faithful)
    assert not near(loose[1], plain[1])
    assert near(predict(unet, reference(threshold_a=1.0), large=True), loose)


def test_a_small_weight_reaches_the_widest_layers_only(unet: Any) -> None:
    assert near(predict(unet, reference(weight=0.0)), predict(unet))
    little, much = (predict(unet, reference(weight=weight)) for weight in (0.1, 1.0))
    assert not near(little, much)


def test_adain_reaches_inwards_by_its_weight(unet: Any) -> None:
    """None at 0, the middle first, the inner half at 1, all below the finest level beyond 2."""

    def count_reached_layers(weight: float) -> int:
        with ReferenceHooks(unet) as mirror:
            mirror.write("reference_adain", weight, 0.5)
            x, t, context = inputs(1)
            unet(x, t, context)
            assert not any(place.references for place in mirror._attention)
            return sum(bool(place.references) for place in mirror._features)

    with torch.no_grad(), ReferenceHooks(unet) as mirror:
        mirror.write("reference_adain", 0.0, 0.5)
        every = len(mirror._features)
    with torch.no_grad():
        found = [count_reached_layers(weight) for weight in (0.0, 0.01, 0.5, 1.0, 2.0, 2.1)]
    assert found[:2] == [0, 2]  # the middle, and where the way up begins
    assert found == sorted(found)
    assert every / 3 < found[3] < 2 * every / 3
    assert found[4:] == [every - 1, every]


def test_a_reference_does_not_depend_on_the_batch(unet: Any) -> None:
    four = Rows((0, 1, 0, 1), (GuidanceSide.POSITIVE,) * 2 + (GuidanceSide.NEGATIVE,) * 2, 5, 10)
    x, t, context = inputs(2)
    twice = [torch.cat([each[:1], each[:1], each[1:], each[1:]]) for each in (x, t, context)]
    checkpoint = SimpleNamespace(
        unet=unet,
        family=SD1,
        prediction=Prediction.EPSILON,
        edm=None,
        file=SimpleNamespace(name=""),
    )
    with torch.no_grad():
        both = Steering([reference()], around((1, 2))).predict(checkpoint, *twice, four)
        for place, seed in enumerate((1, 2)):
            alone = Steering([reference()], around((seed,))).predict(
                checkpoint, x, t, context, BOTH
            )
            assert near(both[[place, place + 2]], alone)


def clean(found: Tensor, prediction: Prediction = Prediction.EPSILON) -> Tensor:
    """The picture that an answer to :func:`inputs` means."""
    x, _, _ = inputs(len(found))
    alpha = TABLE[500]
    if prediction is Prediction.EDM:
        return alpha.sqrt() * x + (1 - alpha).sqrt() * found
    if prediction is Prediction.V:
        return alpha.sqrt() * x - (1 - alpha).sqrt() * found
    return (x - (1 - alpha).sqrt() * found) / alpha.sqrt()


@pytest.mark.parametrize("prediction", list(Prediction))
def test_inpaint_only_keeps_what_is_known(
    unet: Any, control: ControlNet, prediction: Prediction
) -> None:
    unit = ready(control, module="inpaint_only")
    kept = clean(predict(unet, unit, prediction=prediction), prediction)
    free = clean(predict(unet, ready(control, module="inpaint"), prediction=prediction), prediction)
    latent = torch.from_numpy(unit.map[::8, ::8, 0].copy()).float() / 127.5 - 1
    known = slice(SIDE // 2 + 1, None)  # the mask is grown by a cell
    assert torch.allclose(kept[0, 0, :, known], latent[:, known], atol=1e-3)
    repainted = slice(None, SIDE // 2)
    assert torch.allclose(kept[0, :, :, repainted], free[0, :, :, repainted], atol=1e-3)


def test_tile_colorfix_keeps_the_colours_of_an_area(unet: Any, control: ControlNet) -> None:
    unit = ready(control, module="tile_colorfix", threshold_a=8.0)
    latent = torch.from_numpy(unit.map[::8, ::8, 0].copy()).float() / 127.5 - 1
    fixed, free = (clean(predict(unet, each)) for each in (unit, ready(control)))
    error = [abs(float(each[0, 0].mean() - latent.mean())) for each in (fixed, free)]
    assert error[0] < error[1]


def test_half_the_weight_is_half_the_correction(unet: Any, control: ControlNet) -> None:
    none = replace(control, network=control.network)
    units = [
        ready(
            none,
            module="tile_colorfix",
            threshold_a=4.0,
            weight=weight,
            advanced_weighting=(0.0,) * 13,
        )
        for weight in (0.0, 0.5, 1.0)
    ]
    off, half, full = (predict(unet, unit) for unit in units)
    assert torch.allclose(half, (off + full) / 2, atol=1e-4)


def test_sharpness_touches_the_negative_alone(unet: Any, control: ControlNet) -> None:
    plain = predict(unet, ready(control, module="tile_colorfix", threshold_a=4.0))
    sharp = predict(
        unet, ready(control, module="tile_colorfix+sharp", threshold_a=4.0, threshold_b=2.0)
    )
    assert near(plain[0], sharp[0])
    assert not near(plain[1], sharp[1])


@pytest.mark.parametrize("module", ["reference_only", "reference_adain", "reference_adain+attn"])
def test_a_reference_steers_a_unet_of_fewer_layers(module: str) -> None:
    torch.manual_seed(0)
    sizes = SIZES | {"layers_per_block": 1, "block_out_channels": (32, 32, 64)}
    kinds = ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D")
    ups = ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D")
    small = UNet2DConditionModel(**sizes, down_block_types=kinds, up_block_types=ups).eval()
    assert not near(predict(small), predict(small, ready(None, module=module)))
