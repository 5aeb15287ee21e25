"""dynamicprompts' sampling with a limit on parts, as templates can grow exponentially."""

from dataclasses import dataclass, field
from random import Random

from dynamicprompts.commands import Command
from dynamicprompts.enums import SamplingMethod
from dynamicprompts.sampling_context import SamplingContext
from dynamicprompts.types import ResultGen
from dynamicprompts.wildcards import WildcardManager

MOST = 50_000  # parts of prompts that one template is put together from
PER_PART = 1_000  # characters that count as a part more


class TooMuch(ValueError):
    """A template that is put together from more parts than anybody writes."""


@dataclass
class Budget:
    """What is left of one template."""

    left: int = MOST

    def spend(self, count: int) -> None:
        """Raises :class:`TooMuch`."""
        self.left -= count
        if self.left < 0:
            raise TooMuch(f"it is put together from more than {MOST:,} parts")


@dataclass(frozen=True)
class BoundedContext(SamplingContext):
    """Counts each part that is made."""

    budget: Budget = field(default_factory=Budget)

    def generator_from_command(self, command: Command) -> ResultGen:
        """As of any context. The generator raises :class:`TooMuch`."""
        return self._counted(super().generator_from_command(command))

    def _counted(self, results: ResultGen) -> ResultGen:
        self.budget.spend(1)
        for result in results:
            self.budget.spend(1 + len(result.text) // PER_PART)
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
