"""Scripts over a drawing that only pretends: which requests they make, what they compose."""

from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from generator.errors import BadRequest, ModelNotFound
from generator.hooks import Watch, ignore_progress
from generator.request import (
    Generation,
    GenerationRequest,
    HiresFix,
    Picture,
    Progress,
    Seeds,
    Stop,
)
from generator.scripts.axes import AXES
from generator.scripts.catalogue import read_script, script_titles
from generator.scripts.prompts_from_file import read_line
from generator.scripts.run import RUNNERS, run
from generator.scripts.values import join, parse_numbers, parse_whole_numbers, split_values

REQUEST = GenerationRequest("red, cat", Seeds(7, 70), negative_prompt="dull", width=32, height=32)
PLOT = [0, "", [], 0, "", [], 0, "", [], True, True, False, False, False, False, False, 0, True]


class Brush:
    """Draws flat pictures and remembers what was asked."""

    def __init__(self, stop_at: int = 10_000) -> None:
        self.asked: list[GenerationRequest] = []
        self.seen: list[Progress] = []
        self.stop_at = stop_at

    def __call__(self, request: GenerationRequest, watch: Watch) -> Generation:
        self.asked.append(request)
        stop = watch(Progress("scripts_txt2img", 0, request.batches, 0, 1), None)
        image = Image.new("RGB", (request.width, request.height), (len(self.asked), 0, 0))
        seed, text = request.seeds.seed, f"{request.prompt}\nSeed: {request.seeds.seed}, Version: 1"
        picture = Picture(image, seed, 0, request.prompt, request.negative_prompt, text)
        pictures = (picture,) * request.picture_count
        stopped = stop is Stop.INTERRUPT or len(self.asked) == self.stop_at
        return Generation(
            pictures, "tiny", None, None, None, 1, {"n": len(self.asked)}, "", 1, 1, (), stopped
        )


def draw(
    name: str, arguments: list[Any], request: GenerationRequest = REQUEST, stop_at: int = 10_000
) -> tuple[Brush, Generation]:
    brush = Brush(stop_at)
    script = read_script(name, arguments, "img2img" if request.origin else "txt2img")
    return brush, run(replace(request, script=script), brush, ignore_progress)


def plot(**axes: str) -> list[Any]:
    """Arguments of a plot: ``plot(x="Steps: 1,2")``."""
    found = list(PLOT)
    labels = [axis.label for axis in AXES["txt2img"]]
    for name, text in axes.items():
        label, _, values = text.partition(": ")
        place = "xyz".index(name) * 3
        found[place : place + 2] = [labels.index(label), values]
    return found


def test_a_request_without_a_script_is_drawn_once() -> None:
    brush = Brush()
    assert run(REQUEST, brush, ignore_progress).facts == {}
    assert brush.asked == [REQUEST]


def test_a_matrix_draws_every_combination() -> None:
    request = replace(REQUEST, prompt="a|b|c", batch_size=4)
    brush, drawn = draw("Prompt matrix", [False, True, "positive", "comma", 0], request)
    assert [wanted.prompt for wanted in brush.asked] == ["a", "a, b", "a, c", "a, b, c"]
    assert [wanted.seeds.seed for wanted in brush.asked] == [7, 8, 9, 10]
    assert len(drawn.pictures) == 4
    assert drawn.grids[0].size == (32 * 2 + 24, 32 * 2 + drawn.grids[0].height - 64)
    assert drawn.facts["all_prompts"] == ["a", "a, b", "a, c", "a, b, c"]


def test_a_matrix_that_was_interrupted_shows_what_is_there() -> None:
    request = replace(REQUEST, prompt="a|b|c")
    brush, drawn = draw("prompt MATRIX", [True, False, "positive", "space", 0], request, 3)
    assert (len(brush.asked), len(drawn.pictures)) == (3, 3)
    assert drawn.stopped
    (sheet,) = drawn.grids
    wide, high = sheet.size
    cells = [sheet.getpixel((wide - x, high - y)) for y in (48, 16) for x in (48, 16)]
    assert cells == [(1, 0, 0), (2, 0, 0), (3, 0, 0), (0, 0, 0)]
    assert len(drawn.facts["infotexts"]) == 4


def test_a_matrix_of_which_nothing_was_drawn_has_no_sheet() -> None:
    def stop_without_pictures(request: GenerationRequest, watch: Watch) -> Generation:
        return replace(Brush()(request, watch), pictures=(), stopped=True)

    script = read_script("prompt matrix", [True, False, "positive", "space", 0], "txt2img")
    drawn = run(
        replace(REQUEST, prompt="a|b", script=script), stop_without_pictures, ignore_progress
    )
    assert (drawn.grids, drawn.facts["index_of_first_image"]) == ((), 0)


@pytest.mark.parametrize(
    ("line", "prompt", "settings"),
    [
        ("a cat", "a cat", {}),
        ('--prompt "a dog" --steps 5', "a dog", {"steps": 5}),
        ("--prompt a big dog --seed 3", "a big dog", {"seed": 3}),
        ('--prompt "unclosed', '--prompt "unclosed', {}),
        ("--prompt x --unknown 1", "--prompt x --unknown 1", {}),
        ("a dog --steps 5", "a dog --steps 5", {}),
        ("--prompt x --steps many", "--prompt x --steps many", {}),
    ],
)
def test_lines_of_a_file(line: str, prompt: str, settings: dict[str, Any]) -> None:
    found = read_line(line)
    assert (found.prompt, found.settings) == (prompt, settings)


def test_settings_of_a_line_have_limits() -> None:
    with pytest.raises(BadRequest, match="steps"):
        read_line("--prompt x --steps 100000")
    with pytest.raises(BadRequest, match="no line"):
        draw("Prompts from file or textbox", [False, False, "start", " \n"])


@pytest.mark.parametrize(
    ("iterate", "same", "random", "seeds"),
    [
        (False, False, False, [7, 7, 7]),
        (True, False, False, [7, 8, 9]),
        (False, True, True, [7] * 3),
    ],
)
def test_seeds_of_lines(iterate: bool, same: bool, random: bool, seeds: list[int]) -> None:
    request = replace(REQUEST, seeds=replace(REQUEST.seeds, random=random))
    arguments = [iterate, same, "end", "a\nb\nc"]
    brush, _ = draw("prompts from file or textbox", arguments, request)
    assert [wanted.seeds.seed for wanted in brush.asked] == seeds
    assert brush.asked[0].prompt == "red, cat a"


def test_lines_have_seeds_of_their_own_when_nobody_chose_one() -> None:
    request = replace(REQUEST, seeds=replace(REQUEST.seeds, random=True))
    again = []
    for _ in range(2):
        brush, _ = draw("prompts from file or textbox", [False, False, "start", "a\nb\nc"], request)
        again.append([wanted.seeds.seed for wanted in brush.asked])
    assert again[0] == again[1]  # a job that is delivered twice draws the same
    assert len(set(again[0])) == 3


def test_a_plot_varies_along_its_axes() -> None:
    brush, drawn = draw("x/y/z plot", plot(x="Steps: 1-3", y="CFG Scale: 2,4", z="Seed: 5,6"))
    assert len(brush.asked) == len(drawn.pictures) == 12
    first = [(r.sampling.steps, r.sampling.guidance, r.seeds.seed) for r in brush.asked]
    assert first[:4] == [(1, 2, 5), (2, 2, 5), (3, 2, 5), (1, 4, 5)]
    assert drawn.facts["index_of_first_image"] == 1
    assert len(drawn.facts["infotexts"]) == 13  # type: ignore[arg-type]
    assert "Script: X/Y/Z plot, X Type: Steps" in drawn.facts["infotexts"][0]  # type: ignore[index]


def test_dear_changes_are_walked_outermost() -> None:
    arguments = plot(x="Checkpoint name: a,b", y="Steps: 1,2")
    brush, drawn = draw("x/y/z plot", arguments)
    assert [r.checkpoint for r in brush.asked] == ["a", "a", "b", "b"]
    reds = [picture.image.getpixel((0, 0)) for picture in drawn.pictures]
    assert [red[0] for red in reds] == [1, 3, 2, 4]  # type: ignore[index]


def test_prompt_search_and_order() -> None:
    brush, _ = draw("x/y/z plot", plot(x="Prompt S/R: cat,dog"))
    assert [wanted.prompt for wanted in brush.asked] == ["red, cat", "red, dog"]
    brush, _ = draw("x/y/z plot", plot(x="Prompt order: red,cat"))
    assert [wanted.prompt for wanted in brush.asked] == ["red, cat", "cat, red"]
    with pytest.raises(BadRequest, match="did not find owl"):
        draw("x/y/z plot", plot(x="Prompt S/R: owl,dog"))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("red\npink\ncyan", ["red", "pink", "cyan"]),
        ("red\r\npink", ["red", "pink"]),
        ("red, pink\ncyan", ["red", "pink", "cyan"]),
        ("red,\npink,\ncyan\n", ["red", "pink", "cyan"]),
        ('"red\nfox", "a, b"\ncyan', ["red\nfox", "a, b", "cyan"]),
        ("red,", ["red", ""]),
        ("red,,pink", ["red", "", "pink"]),
    ],
)
def test_lines_part_values_as_commas_do(text: str, values: list[str]) -> None:
    assert split_values(text) == values
    assert split_values(join(values)) == values


def test_numbers_on_lines() -> None:
    brush, _ = draw("x/y/z plot", plot(x="Seed: 5\n6", y="Steps: 1-2\n4"))
    assert {wanted.seeds.seed for wanted in brush.asked} == {5, 6}
    assert {wanted.sampling.steps for wanted in brush.asked} == {1, 2, 4}


def test_seeds_can_vary_from_cell_to_cell() -> None:
    arguments = plot(x="Steps: 1,2", y="CFG Scale: 1,2")
    arguments[13:15] = [True, True]
    brush, _ = draw("x/y/z plot", arguments)
    assert [wanted.seeds.seed for wanted in brush.asked] == [7, 8, 9, 10]


def test_hires_counts_twice_in_the_progress() -> None:
    seen: list[Progress] = []

    def watch(progress: Progress, preview: object) -> Stop:
        seen.append(progress)
        return Stop.NO

    request = replace(
        REQUEST,
        hires=HiresFix(0.5),
        script=read_script("x/y/z plot", plot(x="Steps: 1,2"), "txt2img"),
    )
    run(request, Brush(), watch)
    assert [(progress.batch, progress.batches) for progress in seen] == [(0, 4), (2, 4)]


def test_a_sheet_that_is_too_large_is_refused_before_it_is_drawn() -> None:
    request = replace(REQUEST, width=2048, height=2048, hires=HiresFix(0.5))
    brush = Brush()
    script = read_script("x/y/z plot", plot(x="Seed: 1-20"), "txt2img")
    with pytest.raises(BadRequest, match="20 pictures of 4096 x 4096"):
        run(replace(request, script=script), brush, ignore_progress)
    assert brush.asked == []


@pytest.mark.parametrize(
    ("axis", "values"),
    [("VAE", "None,lost"), ("Refiner checkpoint", "None,lost"), ("Hires upscaler", "Latent,lost")],
)
def test_a_plot_of_a_model_that_is_not_here_draws_nothing(axis: str, values: str) -> None:
    def missing(request: GenerationRequest) -> None:
        refiner = request.refiner and request.refiner.checkpoint
        if "lost" in (request.vae, refiner, request.hires.upscaler):
            raise ModelNotFound("there is no 'lost'")

    brush = Brush()
    script = read_script("x/y/z plot", plot(x="Steps: 1,2", y=f"{axis}: {values}"), "txt2img")
    request = replace(REQUEST, hires=HiresFix(strength=0.5), script=script)
    with pytest.raises(BadRequest, match=f"^{axis}: there is no 'lost'$") as error:
        run(request, brush, ignore_progress, check=missing)
    assert (error.value.field, brush.asked) == ("script_args", [])


def test_an_interrupted_plot_shows_what_is_there() -> None:
    _, drawn = draw("x/y/z plot", plot(x="Steps: 1,2,3"), stop_at=2)
    assert len(drawn.pictures) == 2
    assert drawn.grids[0].width == 96
    assert drawn.stopped


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        ("Steps: many", "Steps: 'many' is not a whole number"),
        ("Steps: 0", "out of range"),
        ("Steps: ", "no values"),
        ("Sampler: Euler,Nobody", "Unknown sampler: Nobody"),
        ("Schedule type: Nothing", "Unknown schedule"),
        ("Size: 64", "WIDTHxHEIGHT"),
        ("Size: 64x99999", "pixels"),
        ("Face restore: Nobody", "no face restorer 'Nobody'"),
        ("Steps: 1-1000", "at most 1,000"),
        ("SGM noise multiplier: perhaps", "neither true nor false"),
    ],
)
def test_values_that_do_not_fit(axis: str, words: str) -> None:
    arguments = plot(x=axis, y="CFG Scale: 1,2")
    with pytest.raises(BadRequest, match=words):
        draw("x/y/z plot", arguments)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1-5", [1, 2, 3, 4, 5]),
        ("1-10 (+4)", [1, 5, 9]),
        ("10-1 (-4)", [10, 6, 2]),
        ("1-10 [4]", [1, 4, 7, 10]),
        ("-1", [-1]),
    ],
)
def test_spans_of_whole_numbers(text: str, found: list[int]) -> None:
    assert parse_whole_numbers([text], "Steps") == found


@pytest.mark.parametrize(
    "text", ["1-" + "9" * 400, "9" * 400 + "-1", "1-5 (+0)", "1-5 (+1e400)", "1-99999 (+1)"]
)
def test_spans_without_an_end_are_no_spans(text: str) -> None:
    for read in (parse_whole_numbers, parse_numbers):
        with pytest.raises(BadRequest):
            read([text], "Steps")


def test_spans_of_fractions() -> None:
    assert parse_numbers(["0-1 (+0.25)"], "x") == [0, 0.25, 0.5, 0.75, 1]
    assert parse_numbers(["2-8 [3]"], "x") == [2, 5, 8]


@pytest.mark.parametrize("route", ["txt2img"])
def test_every_script_of_the_catalogue_can_run(route: str) -> None:
    assert set(script_titles(route)) <= set(RUNNERS)
