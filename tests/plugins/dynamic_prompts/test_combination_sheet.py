"""The script that shows every combination of a template on one sheet."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from generator.errors import BadRequest
from generator.request import Generation, GenerationRequest, Picture, Seeds
from generator.scripts.script_draw import ScriptDraw
from plugins.api import Home
from plugins.dynamic_prompts.modes import SCRIPT
from plugins.dynamic_prompts.sheet import strip_common_words
from plugins.dynamic_prompts.web import scripts
from plugins.dynamic_prompts.worker import Plugin
from webapp.plugins.plugin_catalogue import script_entries

TEMPLATE = "a {red|blue} {cat|dog} on grass"


def flat(request: GenerationRequest, watch: object = None) -> Generation:
    """A grey picture with its prompt as infotext."""
    picture = Picture(
        Image.new("RGB", (96, 64), "grey"), request.seeds.seed, 0, request.prompt,
        request.negative_prompt, f"{request.prompt}\nTemplate: {request.notes.get('Template')}",
    )  # fmt: skip
    return Generation((picture,), "m", None, None, None, 1, {}, "20260101120000", 1.0, 1.0)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Generation]:
    """The script over flat pictures."""
    plugin = Plugin(Home("dynamicprompts", tmp_path, tmp_path / "own", dict))
    script = plugin.tools()["scripts"][SCRIPT]

    def draw(
        prompt: str = TEMPLATE, most: int = 16, other: bool = False, legend: bool = True, **more
    ) -> Generation:
        request = GenerationRequest(prompt, Seeds(5), batches=3, width=96, height=64, **more)
        return script(request, (most, other, legend), ScriptDraw(flat, lambda *_: None))

    return draw


def test_each_combination_is_drawn_once_and_shown_on_a_sheet(run) -> None:
    whole = run()
    assert [p.prompt for p in whole.pictures] == [
        "a red cat on grass", "a red dog on grass", "a blue cat on grass", "a blue dog on grass",
    ]  # fmt: skip
    assert {picture.seed for picture in whole.pictures} == {5}
    assert whole.pictures[0].infotext.endswith(f"Template: {TEMPLATE}")
    (sheet,) = whole.grids
    assert sheet.width == 2 * 96
    assert sheet.height > 2 * 64  # what each is stands above it
    assert whole.facts["index_of_first_image"] == 1
    assert whole.facts["all_prompts"] == [picture.prompt for picture in whole.pictures]


def test_its_arguments_hold(run) -> None:
    assert run(legend=False).grids[0].size == (2 * 96, 2 * 64)
    assert [picture.seed for picture in run(other=True).pictures] == [5, 6, 7, 8]
    assert len(run(most=3).pictures) == 3
    negative = run(prompt="a cat", negative_prompt="{dark|light}")
    assert [picture.negative_prompt for picture in negative.pictures] == ["dark", "light"]


def test_a_prompt_without_choices_is_one_picture_without_a_sheet(run) -> None:
    whole = run(prompt="a cat")
    assert (len(whole.pictures), whole.grids) == (1, ())


def test_too_large_a_sheet_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    plugin = Plugin(Home("dynamicprompts", tmp_path, tmp_path / "own", dict))
    request = GenerationRequest("{a|b|c|d|e|f|g|h} {a|b|c}", Seeds(1), width=4096, height=4096)
    with pytest.raises(BadRequest, match="A sheet of 24 pictures"):
        plugin.every_combination(
            request, (24, False, True), ScriptDraw(lambda *_: 1 / 0, lambda *_: None)
        )


def test_a_caption_is_what_tells_a_picture_from_the_others() -> None:
    assert strip_common_words(["a red cat, snow", "a big blue cat, snow"]) == ["red", "big blue"]
    assert strip_common_words(["a cat", "a cat with hat"]) == ["", "with hat"]
    assert strip_common_words(["same", "same"]) == ["", ""]
    assert strip_common_words(["a, b", "c, b"]) == ["a", "c"]


def test_the_selector_lists_it_with_checked_numbers() -> None:
    (entry,) = script_entries(scripts(), "txt2img")
    assert entry.title == SCRIPT.lower()
    most, other, legend = entry.arguments
    assert (most.default, most.least, most.most) == (16, 1, 256)
    assert (other.default, legend.default) == (False, True)
