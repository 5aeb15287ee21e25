"""Plans the sampling passes of a job (first pass, hires fix) before any model is loaded."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from generator.hires.hires import second_pass_sampling
from generator.hires.hires_size import second_pass_size
from generator.merging_ratios import merging_ratio, merging_ratio_hr
from generator.prompt.grammar import ExtraNetworkTag, Timing
from generator.request import GenerationRequest, Sampling
from generator.sampling.passes import prompt_timing


@dataclass(frozen=True, slots=True)
class PassPrompts:
    """A pass's prompts: as the infotext keeps them, and as the encoder reads the positive one."""

    prompt: str  # styles applied, comments gone, tags still in
    negative_prompt: str
    encoded: str  # the prompt without its tags
    tags: tuple[ExtraNetworkTag, ...]


@dataclass(frozen=True, slots=True)
class PassPlan:
    """One sampling pass of a batch: checkpoint, prompts, sampler settings, refiner, token
    merging.
    """

    checkpoint: str
    texts: PassPrompts
    sampling: Sampling
    timing: Timing
    size: tuple[int, int]  # pixels (w, h) that it is conditioned on: before hires fix crops
    refiner: str | None = None  # the checkpoint that takes over within the pass
    token_merging: float = 0.0  # share of tokens, 0..0.9

    @property
    def refiner_pass(self) -> "PassPlan":
        """The same pass after the switch to the refiner's checkpoint."""
        assert self.refiner is not None
        return replace(self, checkpoint=self.refiner, refiner=None)


class FindCheckpoint(Protocol):
    """Makes sure that a checkpoint is there; its exact name. Part of a name may do."""

    def __call__(self, name: str, exact: bool = True) -> str: ...


def plan_passes(
    request: GenerationRequest, read: Callable[[str, str], PassPrompts], find: FindCheckpoint
) -> tuple[PassPlan, PassPlan | None]:
    """Plan the first and the second pass (None without hires fix). ``read`` prepares prompts.

    Raises :class:`generator.errors.ModelNotFound`.
    """
    texts = read(request.prompt, request.negative_prompt)
    sampling, options = request.sampling, request.options
    first = PassPlan(
        find(request.checkpoint),
        texts,
        sampling,
        prompt_timing(sampling, options),
        (request.width, request.height),
        token_merging=merging_ratio(request),
    )
    refiner = find(request.refiner.checkpoint, False) if request.refiner else None
    fix = request.hires
    if fix is None:
        return _with_refiner(first, refiner), None
    second_sampling_settings = second_pass_sampling(request, fix)
    to = second_pass_size(fix, request.width, request.height)
    checkpoint = find(fix.checkpoint, False) if fix.checkpoint else first.checkpoint
    second_texts = read(
        fix.prompt or request.prompt, fix.negative_prompt or request.negative_prompt
    )
    second = PassPlan(
        checkpoint,
        second_texts,
        second_sampling_settings,
        prompt_timing(second_sampling_settings, options, sampling),
        (to.width, to.height),
        token_merging=merging_ratio_hr(request),
    )
    acts = options.hires_fix_refiner_pass
    return (
        first if acts == "second pass" else _with_refiner(first, refiner),
        second if acts == "first pass" else _with_refiner(second, refiner),
    )


def _with_refiner(plan: PassPlan, refiner: str | None) -> PassPlan:
    return plan if refiner in (None, plan.checkpoint) else replace(plan, refiner=refiner)
