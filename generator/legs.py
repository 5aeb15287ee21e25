"""Plans the sampling passes of a job (first pass, hires fix) before any model is loaded."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from generator.hires import second_sampling
from generator.merging_ratios import merging_ratio, merging_ratio_hr
from generator.prompt.grammar import Tag, Timing
from generator.request import GenerationRequest, Sampling
from generator.sampling.passes import timing


@dataclass(frozen=True, slots=True)
class Texts:
    """A pass's prompts: as the infotext keeps them, and as the encoder reads the positive one."""

    prompt: str  # styles applied, comments gone, tags still in
    negative_prompt: str
    encoded: str  # the prompt without its tags
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True)
class Leg:
    """One sampling pass of a batch: checkpoint, prompts, sampler settings, refiner, token merging."""

    checkpoint: str
    texts: Texts
    sampling: Sampling
    timing: Timing
    refiner: str | None = None  # the checkpoint that takes over within the pass
    token_merging: float = 0.0  # share of tokens, 0..0.9

    @property
    def refined(self) -> "Leg":
        """The same pass after the switch to the refiner's checkpoint."""
        assert self.refiner is not None
        return replace(self, checkpoint=self.refiner, refiner=None)


class FindCheckpoint(Protocol):
    """Makes sure that a checkpoint is there; its exact name. Part of a name may do."""

    def __call__(self, name: str, exact: bool = True) -> str: ...


def plan(
    request: GenerationRequest, read: Callable[[str, str], Texts], find: FindCheckpoint
) -> tuple[Leg, Leg | None]:
    """Plan the first and the second pass (None without hires fix). ``read`` prepares prompts.

    Raises :class:`generator.errors.ModelNotFound`.
    """
    texts = read(request.prompt, request.negative_prompt)
    sampling, options = request.sampling, request.options
    first = Leg(
        find(request.checkpoint),
        texts,
        sampling,
        timing(sampling, options),
        token_merging=merging_ratio(request),
    )
    refiner = find(request.refiner.checkpoint, False) if request.refiner else None
    fix = request.hires
    if fix is None:
        return _refining(first, refiner), None
    again = second_sampling(request, fix)
    checkpoint = find(fix.checkpoint, False) if fix.checkpoint else first.checkpoint
    larger = read(fix.prompt or request.prompt, fix.negative_prompt or request.negative_prompt)
    second = Leg(
        checkpoint,
        larger,
        again,
        timing(again, options, sampling),
        token_merging=merging_ratio_hr(request),
    )
    acts = options.hires_fix_refiner_pass
    return (
        first if acts == "second pass" else _refining(first, refiner),
        second if acts == "first pass" else _refining(second, refiner),
    )


def _refining(leg: Leg, refiner: str | None) -> Leg:
    return leg if refiner in (None, leg.checkpoint) else replace(leg, refiner=refiner)
