"""Counters that outlive processes, for ``/metrics``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CounterValue:
    """A counter kept by the store: name, labels, and a value that only grows."""

    name: str
    labels: Mapping[str, str]
    value: float


class Counters(Protocol):
    """Sums by name and labels."""

    def add_to_counter(self, name: str, labels: Mapping[str, str], amount: float = 1.0) -> None:
        """Add to a sum. Labels named user and model may have any value: few are told apart."""
        ...

    def counters(self) -> Sequence[CounterValue]:
        """Every sum."""
        ...
