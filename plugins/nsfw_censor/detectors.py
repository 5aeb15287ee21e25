"""NSFW detectors: the bundled classifier, CompVis' safety checker, NudeNet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from PIL.Image import Image

from plugins.nsfw_censor import nudenet
from plugins.nsfw_censor.censor import Rules
from plugins.nsfw_censor.names import BUILT_IN, CHECKER_FOLDER, COMPVIS, NUDENET, NUDENET_FOLDER
from plugins.nsfw_censor.network import Network, load_network, probabilities


class Detector(Protocol):
    """A detector: a score in 0..1, and the threshold from which a picture is withheld."""

    def score(self, picture: Image, rules: Rules) -> float: ...

    def bound(self, rules: Rules) -> float: ...


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """The bundled classifier; 10 to 20 ms a picture on two cores."""

    network: Network

    def score(self, picture: Image, rules: Rules) -> float:
        """The sum of the probabilities of the rules' classes."""
        (found,) = probabilities(self.network, [picture])
        return sum(found[name] for name in rules.classes)

    def bound(self, rules: Rules) -> float:
        """The rules' own."""
        return rules.threshold


@dataclass(frozen=True, slots=True)
class CompVis:
    """CompVis' safety checker, which has thresholds of its own for each of its concepts."""

    flagged: Callable[[Image], bool]

    def score(self, picture: Image, rules: Rules) -> float:
        """1 or 0."""
        return float(self.flagged(picture))

    def bound(self, rules: Rules) -> float:
        """1."""
        return 1.0


@dataclass(frozen=True, slots=True)
class NudeNet:
    """NudeNet's detector of parts of the body."""

    session: nudenet.Session

    def score(self, picture: Image, rules: Rules) -> float:
        """How sure it is of what it is surest of, among what shall not be seen."""
        return nudenet.exposure(self.session, picture)

    def bound(self, rules: Rules) -> float:
        """The rules' own for this one."""
        return rules.nudenet_threshold


@dataclass(slots=True, eq=False)
class Bench:
    """Loaded detectors by name; optional ones are loaded on first use."""

    models: Path
    made: dict[str, Detector] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """The bundled one is read at once: a worker that cannot have it draws nothing."""
        self.made[BUILT_IN] = MAKERS[BUILT_IN](self.models)

    def detector(self, name: str) -> Detector:
        """One by its name. Raises ``ValueError`` telling what is to be put where."""
        if name not in self.made:
            self.made[name] = MAKERS[name](self.models)
        return self.made[name]


def _compvis(models: Path) -> CompVis:
    from plugins.nsfw_censor import safety_checker  # transformers: seconds, and seldom wanted

    checker = safety_checker.load_checker(models / CHECKER_FOLDER)
    return CompVis(partial(safety_checker.flagged, checker))


MAKERS: Mapping[str, Callable[[Path], Detector]] = MappingProxyType(
    {
        BUILT_IN: lambda models: BuiltIn(load_network()),
        COMPVIS: _compvis,
        NUDENET: lambda models: NudeNet(nudenet.load_session(models / NUDENET_FOLDER)),
    }
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one detector found of a picture."""

    detector: str
    score: float
    withheld: bool


def judged(bench: Bench, picture: Image, rules: Rules) -> Verdict:
    """The verdict of the first detector that withholds the picture, else of the last one.

    Raises ``ValueError`` where one of the rules' detectors is not there.
    """
    verdict = Verdict("", 0.0, withheld=True)
    for name in rules.detectors:
        detector = bench.detector(name)
        score = detector.score(picture, rules)
        # "not below" rather than "above": a score that is no number is withheld too.
        verdict = Verdict(name, score, not score < detector.bound(rules))
        if verdict.withheld:
            break
    return verdict
