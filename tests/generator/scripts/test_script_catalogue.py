"""Which scripts there are, and what their arguments may be."""

import pytest

from generator.errors import BadRequest
from generator.scripts.catalogue import SCRIPTS, read_script, script_titles


def defaults(title: str, route: str) -> list[object]:
    entry = next(each for each in SCRIPTS[route] if each.title == title)
    return [argument.default for argument in entry.arguments]


@pytest.mark.parametrize(
    ("title", "route"), [(title, route) for route in SCRIPTS for title in script_titles(route)]
)
def test_takes_its_own_defaults(title: str, route: str) -> None:
    script = read_script(title.title(), defaults(title, route), route)
    assert script.title == title
    assert len(script.arguments) == len(defaults(title, route))


def test_drops_arguments_beyond_its_own() -> None:
    script = read_script("loopback", [2, 0.5, "Lazy", "None", "more"], "img2img")
    assert script.arguments == (2, 0.5, "Lazy", "None")


def test_reads_the_number_of_a_word() -> None:
    script = read_script("poor man's outpainting", [32, 4, 2, ["up"]], "img2img")
    assert script.arguments == (32, 4, "latent noise", ("up",))


@pytest.mark.parametrize(
    ("title", "route", "arguments", "said"),
    [
        ("nope", "txt2img", [], "Script 'nope' not found"),
        ("loopback", "txt2img", [2, 0.5, "Linear", "None"], "Script 'loopback' not found"),
        ("loopback", "img2img", [2, 0.5], "takes 4 arguments, 2 came.*'Denoising strength curve'"),
        ("loopback", "img2img", ["2", 0.5, "Lazy", "None"], r"\[0\], 'Loops': '2' is not a whole"),
        ("loopback", "img2img", [2, 1.5, "Lazy", "None"], r"'Final .*': '1.5' is .* from 0 to 1"),
        ("loopback", "img2img", [True, 0.5, "Lazy", "None"], "'Loops': 'True'"),
        ("loopback", "img2img", [2, float("nan"), "Lazy", "None"], "'nan' is not a number"),
        ("prompt matrix", "txt2img", [False, False, "wrong", "comma", 0], "'wrong' is not one"),
        ("prompt matrix", "txt2img", ["no", False, "positive", "comma", 0], "not true or false"),
        ("outpainting mk2", "img2img", ["", 32, 4, ["in"], 1, 0.1], "'Outpainting direction'"),
    ],
)
def test_refuses_what_it_cannot_draw(
    title: str, route: str, arguments: list[object], said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        read_script(title, arguments, route)
