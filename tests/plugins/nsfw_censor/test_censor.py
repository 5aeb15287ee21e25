"""What the bundled classifier sees, and what is shown instead of what it withholds."""

import io

import numpy as np
import pytest
from PIL import Image

from plugins.nsfw_censor.censor import Action, CensorRules, replacement_of
from plugins.nsfw_censor.detectors import BuiltIn, CensorVerdict
from plugins.nsfw_censor.detectors import judge_picture as judged_by
from plugins.nsfw_censor.names import BUILT_IN, CLASSES
from plugins.nsfw_censor.network import Network, probabilities
from tests.plugins.nsfw_censor.censor_pictures import landscape


class Only:
    """A bench of one detector."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def detector(self, name: str) -> BuiltIn:
        assert name == BUILT_IN
        return BuiltIn(self.network)


def judge_with_network(network: Network, picture: Image.Image, rules: CensorRules) -> CensorVerdict:
    return judged_by(Only(network), picture, rules)


def test_probabilities_are_of_five_classes(network: Network) -> None:
    found = probabilities(network, [landscape(), landscape().convert("L").convert("RGBA")])
    for row in found:
        assert tuple(row) == CLASSES
        assert sum(row.values()) == pytest.approx(1, abs=1e-5)


def test_plain_pictures_pass_and_the_pattern_does_not(
    network: Network, flagged_picture: Image.Image
) -> None:
    plain, pattern = (
        judge_with_network(network, each, CensorRules()) for each in (landscape(), flagged_picture)
    )
    assert not plain.withheld
    assert plain.score < 0.1
    assert pattern.withheld
    assert pattern.score > 0.99


@pytest.mark.parametrize("size", [(512, 512), (300, 400), (1024, 1024)])
def test_another_size_and_jpeg_do_not_hide_it(
    network: Network, flagged_picture: Image.Image, size: tuple[int, int]
) -> None:
    file = io.BytesIO()
    flagged_picture.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=85)
    verdict = judge_with_network(network, Image.open(file), CensorRules())
    assert verdict.withheld


def test_neighbours_do_not_change_a_verdict(network: Network, flagged_picture: Image.Image) -> None:
    (alone,) = probabilities(network, [flagged_picture])
    among = probabilities(network, [landscape(), flagged_picture, landscape()])[1]
    assert alone == pytest.approx(among, abs=1e-4)


def test_a_score_that_is_no_number_is_withheld(
    network: Network, flagged_picture: Image.Image
) -> None:
    kernel, bias = network.layers["dense_3"]
    broken = Network({**network.layers, "dense_3": (kernel * float("nan"), bias)})
    verdict = judge_with_network(broken, flagged_picture, CensorRules())
    assert verdict.withheld


def test_rules_choose_classes_and_threshold(network: Network, flagged_picture: Image.Image) -> None:
    assert not judge_with_network(network, flagged_picture, CensorRules(classes=("sexy",))).withheld
    assert judge_with_network(
        network, landscape(), CensorRules(classes=("neutral", "drawing"))
    ).withheld


@pytest.mark.parametrize(
    "wrong",
    [
        {"classes": ("nude",)},
        {"classes": ()},
        {"detectors": ("nobody",)},
        {"detectors": ()},
        {"threshold": 0},
        {"threshold": 1.5},
        {"nudenet_threshold": float("nan")},
    ],
)
def test_rules_that_cannot_be_meant_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"threshold|Classes|Detectors"):
        CensorRules(**wrong)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_black_keeps_size_and_mode_and_nothing_else(
    flagged_picture: Image.Image, mode: str
) -> None:
    flagged_picture.info["parameters"] = "a prompt"
    black = replacement_of(flagged_picture.convert(mode), Action.BLACK)
    assert (black.size, black.mode, black.info) == (flagged_picture.size, mode, {})
    assert black.convert("RGB").getextrema() == ((0, 0),) * 3


def test_blur_leaves_no_detail(network: Network, flagged_picture: Image.Image) -> None:
    blurred = replacement_of(flagged_picture, Action.BLUR)
    detail = np.abs(np.diff(np.asarray(blurred, dtype=float), axis=0)).mean()
    assert detail < 0.1 * np.abs(np.diff(np.asarray(flagged_picture, dtype=float), axis=0)).mean()
    assert not judge_with_network(network, blurred, CensorRules()).withheld
