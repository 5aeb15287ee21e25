"""NSFW detectors: the bundled classifier, CompVis' safety checker, NudeNet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from PIL.Image import Image

from plugins.nsfw_censor import nudenet
from plugins.nsfw_censor.censor import CensorRules
from plugins.nsfw_censor.names import BUILT_IN, CHECKER_FOLDER, COMPVIS, NUDENET, NUDENET_FOLDER
from plugins.nsfw_censor.network import Network, load_network, probabilities


class Detector(Protocol):
    """A detector: a score in 0..1, and the threshold from which a picture is withheld."""

    def score(self, picture: Image, rules: CensorRules) -> float: ...

    def threshold_of(self, rules: CensorRules) -> float: ...


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """The bundled classifier; 10 to 20 ms a picture on two cores."""

    network: Network

    def score(self, picture: Image, rules: CensorRules) -> float:
        """The sum of the probabilities of the rules' classes."""
        (by_class,) = probabilities(self.network, [picture])
        return sum(by_class[name] for name in rules.classes)

    def threshold_of(self, rules: CensorRules) -> float:
        """The rules' own."""
        return rules.threshold


@dataclass(frozen=True, slots=True)
class CompVis:
    """CompVis' safety checker, which has thresholds of its own for each of its concepts."""

    is_flagged: Callable[[Image], bool]

    def score(self, picture: Image, rules: CensorRules) -> float:
        """1 or 0."""
        return float(self.is_flagged(picture))

    def threshold_of(self, rules: CensorRules) -> float:
        """1."""
        return 1.0


@dataclass(frozen=True, slots=True)
class NudeNet:
    """NudeNet's detector of parts of the body."""

    session: nudenet.Session

    def score(self, picture: Image, rules: CensorRules) -> float:
        """How sure it is of what it is surest of, among what shall not be seen."""
        return nudenet.exposure_score(self.session, picture)

    def threshold_of(self, rules: CensorRules) -> float:
        """The rules' own for this one."""
        return rules.nudenet_threshold


@dataclass(slots=True, eq=False)
class DetectorSet:
    """Loaded detectors by name; optional ones are loaded on first use."""

    models: Path
    loaded: dict[str, Detector] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """The bundled one is read at once: a worker that cannot have it draws nothing."""
        self.loaded[BUILT_IN] = DETECTOR_LOADERS[BUILT_IN](self.models)

    def detector(self, name: str) -> Detector:
        """One by its name. Raises ``ValueError`` telling what is to be put where."""
        if name not in self.loaded:
            self.loaded[name] = DETECTOR_LOADERS[name](self.models)
        return self.loaded[name]


def _load_compvis(models: Path) -> CompVis:
    from plugins.nsfw_censor import safety_checker  # transformers: seconds, and seldom wanted

    checker = safety_checker.load_checker(models / CHECKER_FOLDER)
    return CompVis(partial(safety_checker.is_flagged, checker))


DETECTOR_LOADERS: Mapping[str, Callable[[Path], Detector]] = MappingProxyType(
    {
        BUILT_IN: lambda models: BuiltIn(load_network()),
        COMPVIS: _load_compvis,
        NUDENET: lambda models: NudeNet(nudenet.load_session(models / NUDENET_FOLDER)),
    }
)


@dataclass(frozen=True, slots=True)
class CensorVerdict:
    """What one detector found of a picture."""

    detector: str
    score: float
    withheld: bool


def judge_picture(detectors: DetectorSet, picture: Image, rules: CensorRules) -> CensorVerdict:
    """The verdict of the first detector that withholds the picture, else of the last one.

    Raises ``ValueError`` where one of the rules' detectors is not there.
    """
    verdict = CensorVerdict("", 0.0, withheld=True)
    for name in rules.detectors:
        detector = detectors.detector(name)
        score = detector.score(picture, rules)
        # "not below" rather than "above": a score that is no number is withheld too.
        verdict = CensorVerdict(name, score, not score < detector.threshold_of(rules))
        if verdict.withheld:
            break
    return verdict
