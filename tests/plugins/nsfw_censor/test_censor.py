"""What the bundled classifier sees, and what is shown instead of what it withholds."""

import io

import numpy as np
import pytest
from PIL import Image

from plugins.nsfw_censor.censor import Action, Rules, judged, shown_instead
from plugins.nsfw_censor.network import CLASSES, Network, probabilities
from tests.plugins.nsfw_censor.pictures import landscape


def test_probabilities_are_of_five_classes(network: Network) -> None:
    found = probabilities(network, [landscape(), landscape().convert("L").convert("RGBA")])
    for row in found:
        assert tuple(row) == CLASSES
        assert sum(row.values()) == pytest.approx(1, abs=1e-5)


def test_plain_pictures_pass_and_the_pattern_does_not(
    network: Network, flagged: Image.Image
) -> None:
    plain, pattern = judged(network, [landscape(), flagged], Rules())
    assert not plain.withheld
    assert plain.score < 0.1
    assert pattern.withheld
    assert pattern.score > 0.99


@pytest.mark.parametrize("size", [(512, 512), (300, 400), (1024, 1024)])
def test_another_size_and_jpeg_do_not_hide_it(
    network: Network, flagged: Image.Image, size: tuple[int, int]
) -> None:
    file = io.BytesIO()
    flagged.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=85)
    (verdict,) = judged(network, [Image.open(file)], Rules())
    assert verdict.withheld


def test_neighbours_do_not_change_a_verdict(network: Network, flagged: Image.Image) -> None:
    alone = judged(network, [flagged], Rules())[0].score
    among = judged(network, [landscape(), flagged, landscape()], Rules())[1].score
    assert alone == pytest.approx(among, abs=1e-4)


def test_a_score_that_is_no_number_is_withheld(network: Network, flagged: Image.Image) -> None:
    kernel, bias = network.layers["dense_3"]
    broken = Network({**network.layers, "dense_3": (kernel * float("nan"), bias)})
    (verdict,) = judged(broken, [flagged], Rules())
    assert verdict.withheld


def test_rules_choose_classes_and_threshold(network: Network, flagged: Image.Image) -> None:
    (verdict,) = judged(network, [flagged], Rules(classes=("sexy",)))
    assert not verdict.withheld
    (verdict,) = judged(network, [landscape()], Rules(classes=("neutral", "drawing")))
    assert verdict.withheld
    for wrong in ({"classes": ("nude",)}, {"classes": ()}, {"threshold": 0}, {"threshold": 1.5}):
        with pytest.raises(ValueError, match=r"threshold|Classes"):
            Rules(**wrong)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_black_keeps_size_and_mode_and_nothing_else(flagged: Image.Image, mode: str) -> None:
    flagged.info["parameters"] = "a prompt"
    black = shown_instead(flagged.convert(mode), Action.BLACK)
    assert (black.size, black.mode, black.info) == (flagged.size, mode, {})
    assert black.convert("RGB").getextrema() == ((0, 0),) * 3


def test_blur_leaves_no_detail(network: Network, flagged: Image.Image) -> None:
    blurred = shown_instead(flagged, Action.BLUR)
    detail = np.abs(np.diff(np.asarray(blurred, dtype=float), axis=0)).mean()
    assert detail < 0.1 * np.abs(np.diff(np.asarray(flagged, dtype=float), axis=0)).mean()
    assert not judged(network, [blurred], Rules())[0].withheld
