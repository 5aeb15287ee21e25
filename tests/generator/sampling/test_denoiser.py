"""Guidance, batching, prompt schedules, masks, stops and NaN, with networks of a few lines."""

import math

import pytest
import torch
from torch import Tensor

from generator.errors import BadRequest, NotANumber
from generator.models.families.family import Prediction
from generator.prompt.conditioning import Conditioning, ScheduledContext, WeightedPrompt
from generator.request import Sampling, Seeds, Snapshot, Stop
from generator.sampling.denoiser import Denoiser, Guidance, SamplingInterrupted
from generator.sampling.loops import sampler_arguments
from generator.sampling.mask_blend import HardBlend
from generator.sampling.noise import picture_noise
from generator.sampling.passes import SampledLatent, SamplingPass, StartLatent, prompt_timing
from generator.sampling.predictor import NoisePredictor, Rows
from generator.sampling.sample import sample
from generator.sampling.sampler_names import SAMPLER_NAMES
from generator.sampling.samplers import SAMPLERS
from generator.sampling.schedules import scaled_linear
from generator.sampling.step_hooks import StepHooks

TABLE = scaled_linear()
FOREVER = 10**6


def stage(value: float, end: int = FOREVER, length: int = 77) -> ScheduledContext:
    return ScheduledContext(end, torch.full((length, 4), value))


def plain(pictures: int = 1, positive: float = 1.0, negative: float = 0.0) -> Conditioning:
    return Conditioning(
        tuple((WeightedPrompt(1.0, (stage(positive),)),) for _ in range(pictures)),
        tuple((stage(negative),) for _ in range(pictures)),
    )


class Recorder:
    """A network whose eps is the mean of its context; remembers the shapes of its calls."""

    def __init__(self) -> None:
        self.contexts: list[Tensor] = []
        self.times: list[Tensor] = []

    def __call__(self, x: Tensor, t: Tensor, context: Tensor, rows: Rows) -> Tensor:
        self.contexts.append(context)
        self.times.append(t)
        return torch.zeros_like(x) + context.mean((1, 2))[:, None, None, None]


def denoiser(
    conditioning: Conditioning, guidance: Guidance, recorder: Recorder | None = None
) -> Denoiser:
    return Denoiser(NoisePredictor(recorder or Recorder(), TABLE), conditioning, guidance)


def eps_of(found: Tensor, sigma: float = 1.0) -> float:
    """The guided eps behind an estimate of x = 0."""
    return float(-found.flatten()[0] / sigma)


X = torch.zeros(1, 4, 2, 2)
ONE = torch.ones(1)


def test_guidance_and_weights() -> None:
    assert eps_of(denoiser(plain(1, 3.0, 1.0), Guidance(7.0))(X, ONE)) == pytest.approx(15.0)
    strands = (WeightedPrompt(1.0, (stage(2.0),)), WeightedPrompt(-0.5, (stage(4.0),)))
    both = Conditioning((strands,), ((stage(1.0),),))
    wanted = 1 + 7 * (2 - 1) - 0.5 * 7 * (4 - 1)
    assert eps_of(denoiser(both, Guidance(7.0))(X, ONE)) == pytest.approx(wanted)


def test_one_call_with_positives_first_when_lengths_agree() -> None:
    recorder = Recorder()
    denoiser(plain(2, 5.0, 9.0), Guidance(), recorder)(X.expand(2, -1, -1, -1), ONE.expand(2))
    assert [c[:, 0, 0].tolist() for c in recorder.contexts] == [[5.0, 5.0, 9.0, 9.0]]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, [(1, 154), (1, 77)]),
        ({"pad_cond_uncond_v0": True}, [(2, 154)]),
        ({"pad_cond_uncond": True, "empty": torch.zeros(77, 4)}, [(2, 154)]),
        ({"batch_cond_uncond": False}, [(1, 154), (1, 77)]),
    ],
)
def test_unequal_lengths(options: dict[str, object], wanted: list[tuple[int, int]]) -> None:
    recorder = Recorder()
    long = Conditioning(((WeightedPrompt(1.0, (stage(1.0, length=154),)),),), ((stage(0.0),),))
    denoiser(long, Guidance(**options), recorder)(X, ONE)
    assert [c.shape[:2] for c in recorder.contexts] == wanted


def test_one_at_a_time_when_asked() -> None:
    recorder = Recorder()
    denoiser(plain(), Guidance(batch_cond_uncond=False), recorder)(X, ONE)
    assert [len(c) for c in recorder.contexts] == [1, 1]


def test_prompt_schedule_counts_calls_from_zero() -> None:
    staged = Conditioning(
        ((WeightedPrompt(1.0, (stage(1.0, 2), stage(2.0, 5))),),), ((stage(0.0),),)
    )
    model = denoiser(staged, Guidance(1.0))
    assert [round(eps_of(model(X, ONE))) for _ in range(8)] == [1, 1, 1, 2, 2, 2, 2, 2]


def test_early_calls_without_guidance() -> None:
    recorder = Recorder()
    model = denoiser(plain(1, 3.0, 1.0), Guidance(7.0, calls=10, skip_early_cond=0.2), recorder)
    assert [round(eps_of(model(X, ONE))) for _ in range(5)] == [3, 3, 3, 15, 15]
    assert [len(c) for c in recorder.contexts] == [1, 1, 1, 2, 2]


@pytest.mark.parametrize(("everywhere", "wanted"), [(False, [15, 3, 15]), (True, [3, 3, 3])])
def test_negative_is_skipped_below_a_level(everywhere: bool, wanted: list[int]) -> None:
    guidance = Guidance(7.0, s_min_uncond=2.0, s_min_uncond_all=everywhere)
    model = denoiser(plain(1, 3.0, 1.0), guidance)
    assert [round(eps_of(model(X, ONE))) for _ in range(3)] == wanted
    assert round(eps_of(model(X, ONE * 2.5), 2.5)) == 15


def test_mask_keeps_the_original() -> None:
    mask = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    blend = HardBlend(torch.full((1, 4, 2, 2), 5.0), mask)
    found = denoiser(plain(), Guidance(blend=blend))(X, ONE)
    assert found[0, 0].tolist() == [[-7.0, 5.0], [5.0, 5.0]]


def test_v_prediction() -> None:
    """A network that knows the picture is all zeros answers x / sigma; x0 must be 0 then."""

    def v_of_zero(x: Tensor, t: Tensor, context: Tensor, rows: Rows) -> Tensor:
        sigma = TABLE.t_to_sigma(t)[:, None, None, None]
        return x / sigma  # x comes scaled to unit variance

    network = NoisePredictor(v_of_zero, TABLE, Prediction.V)
    x = torch.randn(1, 4, 2, 2)
    for level in (0.1, 1.0, 10.0):
        found = Denoiser(network, plain(), Guidance(1.0))(x * level, ONE * level)
        assert torch.allclose(found, torch.zeros_like(found), atol=1e-4)


def test_nan_is_refused_with_the_known_message() -> None:
    network = NoisePredictor(lambda x, t, c, r: x * math.nan, TABLE)
    with pytest.raises(NotANumber, match="A tensor with NaNs was produced in Unet"):
        Denoiser(network, plain(), Guidance())(X, ONE)


def test_watch_sees_steps_and_stops() -> None:
    seen: list[int] = []

    def watch(step: int, estimate: Tensor | None) -> Stop:
        seen.append(step)
        return Stop.INTERRUPT if len(seen) == 4 else Stop.NO

    model = Denoiser(NoisePredictor(Recorder(), TABLE), plain(), Guidance(order=2), watch)
    for _ in range(3):
        model(X, ONE)
    with pytest.raises(SamplingInterrupted):
        model(X, ONE)
    assert seen == [0, 0, 1, 1]


def draw_gaussian(name: str, steps: int = 6, **changes: object) -> SampledLatent:
    """One picture of the network that knows a Gaussian."""

    def predict(x: Tensor, t: Tensor, context: Tensor, rows: Rows) -> Tensor:
        sigma = TABLE.t_to_sigma(t)[:, None, None, None]
        return x * sigma * (sigma**2 + 1) ** 0.5 / (0.25 + sigma**2)

    noise = picture_noise(Seeds(1), 0, 2, "CPU", 0, (4, 8, 8))
    job = SamplingPass(
        NoisePredictor(predict, TABLE), Sampling(name, "Automatic", steps), **changes
    )
    return sample(job, plain(2), noise)


@pytest.mark.parametrize("name", [s.name for s in SAMPLER_NAMES])
def test_every_sampler_draws_and_stops(name: str) -> None:
    found = draw_gaussian(name)
    assert found.latent.shape == (2, 4, 8, 8)
    assert torch.isfinite(found.latent).all()
    assert found.stopped is Stop.NO
    assert found.network_seconds > 0
    stopped = draw_gaussian(name, watch=lambda step, x: Stop.SKIP if step >= 2 else Stop.NO)
    assert stopped.stopped is Stop.SKIP
    assert stopped.calls < found.calls


@pytest.mark.parametrize("name", [s.name for s in SAMPLER_NAMES])
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_every_sampler_starts_from_a_picture(name: str, strength: float) -> None:
    if name == "UniPC" and strength == 0.0:
        return
    start = StartLatent(torch.zeros(2, 4, 8, 8), strength)
    found = draw_gaussian(name, 8, start=start)
    assert torch.isfinite(found.latent).all()


def test_dpm_adaptive_takes_the_steps_of_its_whole_batch() -> None:
    """As in AUTOMATIC1111: one error norm for all, so that all pictures walk the same levels."""
    seen: list[tuple[tuple[int, ...], tuple[float, ...]]] = []

    def predict(x: Tensor, t: Tensor, context: Tensor, rows: Rows) -> Tensor:
        seen.append((rows.owners, tuple(t.tolist())))
        sigma = TABLE.t_to_sigma(t)[:, None, None, None]
        return torch.sin(x) * (1 + torch.tensor(rows.owners)[:, None, None, None]) * sigma / 8

    def calls(first: int, count: int) -> int:
        seen.clear()
        noise = picture_noise(Seeds(1), first, count, "CPU", 0, (4, 8, 8))
        job = SamplingPass(NoisePredictor(predict, TABLE), Sampling("DPM adaptive", "Automatic", 6))
        sample(job, plain(count), noise)
        return len(seen)

    together = calls(0, 2)
    assert all(set(owners) == {0, 1} and len(set(levels)) == 1 for owners, levels in seen)
    assert calls(0, 1) != together  # the wilder neighbour asks for other steps


STEADY = [s.name for s in SAMPLER_NAMES if s.name != "DPM adaptive"]


@pytest.mark.parametrize("name", STEADY)
def test_a_picture_ignores_its_neighbours(name: str) -> None:
    torch.manual_seed(0)
    both = draw_gaussian(name)
    noise = picture_noise(Seeds(1), 1, 1, "CPU", 0, (4, 8, 8))

    def predict(x: Tensor, t: Tensor, context: Tensor, rows: Rows) -> Tensor:
        sigma = TABLE.t_to_sigma(t)[:, None, None, None]
        return x * sigma * (sigma**2 + 1) ** 0.5 / (0.25 + sigma**2)

    job = SamplingPass(NoisePredictor(predict, TABLE), Sampling(name, "Automatic", 6))
    alone = sample(job, plain(1), noise)
    assert torch.allclose(both.latent[1], alone.latent[0], atol=1e-4)


def test_unipc_wants_as_many_steps_as_its_order() -> None:
    with pytest.raises(BadRequest, match="UniPC order must be < sampling steps"):
        draw_gaussian("UniPC", 2)


def test_too_many_steps_for_timesteps() -> None:
    with pytest.raises(BadRequest, match="1001 steps"):
        draw_gaussian("DDIM", 1001)


def test_options_and_requests_of_eta_and_churn() -> None:
    euler, ancestral, ddim = (SAMPLERS[n] for n in ("Euler", "Euler a", "DDIM"))
    asked = Sampling("Euler", s_churn=3.0, s_tmax=0.0, eta=0.5)
    found = sampler_arguments(euler, asked, Snapshot())
    assert found == {"s_churn": 3.0, "s_noise": 1.0, "s_tmax": math.inf, "s_tmin": 0.0}
    assert sampler_arguments(euler, asked, Snapshot(s_churn=9.0))["s_churn"] == 9.0
    assert sampler_arguments(ancestral, asked, Snapshot()) == {"eta": 0.5}
    assert sampler_arguments(ddim, Sampling(), Snapshot(eta_ddim=0.3)) == {"eta": 0.3}


def test_timing_counts_calls() -> None:
    assert prompt_timing(Sampling("Euler", steps=20), Snapshot()).steps == 20
    hires = prompt_timing(Sampling("Euler", steps=7), Snapshot(), Sampling("Heun", steps=10))
    assert (hires.steps, hires.first_pass) == (7, 20)


@pytest.mark.parametrize("sampler", ["Euler", "DDIM", "UniPC"])
def test_who_only_looks_at_steps_changes_no_bit(sampler: str) -> None:
    seen: list[Tensor] = []

    def look(estimate: Tensor) -> Tensor:
        seen.append(estimate)
        return estimate

    def draw_latents(hearing: StepHooks | None) -> Tensor:
        work = SamplingPass(
            NoisePredictor(lambda x, *_: torch.sin(x), TABLE),
            Sampling(sampler, steps=8),
            step_hooks=hearing,
        )
        return sample(work, plain(), picture_noise(Seeds(1), 0, 1, "CPU", 0, (4, 8, 8))).latent

    heard = draw_latents(StepHooks(lambda latent, sigmas: latent, look))
    assert torch.allclose(heard, draw_latents(None), atol=1e-5)
    assert len(seen) >= 7
