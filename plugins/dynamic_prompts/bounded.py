"""dynamicprompts' sampling with a limit on parts, as templates can grow exponentially."""

from dataclasses import dataclass, field
from random import Random

from dynamicprompts.commands import Command
from dynamicprompts.enums import SamplingMethod
from dynamicprompts.sampling_context import SamplingContext
from dynamicprompts.types import ResultGen
from dynamicprompts.wildcards import WildcardManager

MAX_PARTS = 50_000  # parts of prompts that one template is put together from
CHARACTERS_PER_PART = 1_000  # characters that count as a part more


class TemplateTooLarge(ValueError):
    """A template that is put together from more parts than anybody writes."""


@dataclass
class PartBudget:
    """What is left of one template."""

    left: int = MAX_PARTS

    def spend(self, count: int) -> None:
        """Raises :class:`TemplateTooLarge`."""
        self.left -= count
        if self.left < 0:
            raise TemplateTooLarge(f"it is put together from more than {MAX_PARTS:,} parts")


@dataclass(frozen=True)
class BoundedContext(SamplingContext):
    """Counts each part that is made."""

    budget: PartBudget = field(default_factory=PartBudget)

    def generator_from_command(self, command: Command) -> ResultGen:
        """As of any context. The generator raises :class:`TemplateTooLarge`."""
        return self._spend_for(super().generator_from_command(command))

    def _spend_for(self, results: ResultGen) -> ResultGen:
        self.budget.spend(1)
        for result in results:
            self.budget.spend(1 + len(result.text) // CHARACTERS_PER_PART)
            yield result


def random_prompts(text: str, wildcards: WildcardManager, seeds: list[int]) -> list[str]:
    """A prompt of the template for each seed. Raises what :class:`SamplingContext` does."""
    context = BoundedContext(SamplingMethod.RANDOM, wildcards, rand=Random())
    results = iter(context.sample_prompts(text, len(seeds)))
    prompts = []
    for seed in seeds:
        context.rand.seed(seed)
        prompts.append(str(next(results)))
    return prompts


def all_prompts(text: str, wildcards: WildcardManager, most: int) -> list[str]:
    """The combinations of the template, up to ``most``. Raises as :func:`random_prompts` does."""
    context = BoundedContext(SamplingMethod.COMBINATORIAL, wildcards)
    return [str(prompt) for prompt in context.sample_prompts(text, most)]
