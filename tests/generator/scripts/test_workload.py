"""What a job asks for in megapixel-steps: counted at the door as it is drawn."""

from dataclasses import replace
from typing import Any

import pytest

from generator.errors import BadRequest
from generator.hooks import Tools, ignore_progress
from generator.request import (
    ControlUnit,
    ExtrasRequest,
    Generation,
    GenerationRequest,
    HiresFix,
    Origin,
    Sampling,
    Seeds,
    Snapshot,
)
from generator.scripts import sequence
from generator.scripts.run import run as run_script
from generator.scripts.script_draw import ScriptDraw
from generator.scripts.workload import measure_job
from generator.workload import NO_LIMIT, enlarged_megapixels, megapixel_steps
from tests.generator.scripts.fake_painter import (
    FakePainter,
    default_arguments,
    fake_upscale,
    run_with_painter,
    script_request,
)
from tests.generator.scripts.img2img_requests import from_picture, picture

PLAIN = GenerationRequest("a", Seeds(1), width=1000, height=500)  # 20 steps: 10 megapixel-steps


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, 10),
        ({"batch_size": 4, "batches": 3}, 120),
        ({"hires": HiresFix(0.5, scale=2)}, 10 + 40),
        ({"hires": HiresFix(0.5, resize_width=2000, steps=5)}, 10 + 2 * 5),
        ({"hires": HiresFix(0.5, resize_width=1000, resize_height=1000)}, 10 + 2 * 20),
        ({"origin": Origin(("",), 0.5)}, 5),
        ({"origin": Origin(("",), 0.0)}, 0.5),
        ({"origin": Origin(("",), 0.5), "options": Snapshot(img2img_fix_steps=True)}, 10),
        ({"controls": (ControlUnit("canny", processor_res=2000),)}, 10 + 4),
        ({"controls": (ControlUnit(),)}, 10),
    ],
)
def test_everything_that_is_drawn_counts(changes: dict[str, Any], asked: float) -> None:
    assert megapixel_steps(replace(PLAIN, **changes)) == pytest.approx(asked)


def test_enlarging_counts_what_comes_of_it() -> None:
    request = ExtrasRequest(("",), factor=4.0)
    assert enlarged_megapixels(request, [(1000, 500)] * 3) == pytest.approx(24)
    covering = replace(request, size=(2000, 2000), second_upscaler="Nearest", second_visibility=0.5)
    assert enlarged_megapixels(covering, [(1000, 500)]) == pytest.approx(2 * 4 * 2)


PLOT = default_arguments(
    "x/y/z plot", a0="Steps", a1="5, 10-30 (+10)", a3="Seed", a4="1,2,3", a6="CFG Scale", a7="1-2"
)
LINES = "a cat\n\n--prompt big --width 128 --height 128 --steps 40\n--prompt two --n_iter 3"


@pytest.mark.parametrize(
    "request_",
    [
        script_request(
            "prompt matrix", default_arguments("prompt matrix"), "cat|red|big|old", batch_size=3
        ),
        script_request("prompt matrix", default_arguments("prompt matrix"), "cat" + "|a" * 9),
        script_request("x/y/z plot", PLOT, batch_size=2, hires=HiresFix(0.5)),
        script_request(
            "prompts from file or textbox",
            default_arguments("prompts from file or textbox", a3=LINES),
        ),
        from_picture("loopback", a0=5, a1=0.1, batches=2, batch_size=4),
        from_picture("sd upscale", a1=16, a2="Lanczos", a3=4.0, batches=2, batch_size=3),
        from_picture("sd upscale", a1=16, a2="None", a3=4.0),
        from_picture("outpainting mk2", a1=64, batch_size=2, batches=2),
        from_picture("outpainting mk2", picture(70, 90), a1=8, a3=("left",)),
        from_picture("poor man's outpainting", a0=32, batch_size=2),
        from_picture("img2img alternative test", a6=30),
    ],
    ids=lambda request: f"{request.script.title} {request.prompt[:9]}",
)
def test_a_script_is_counted_at_the_door_as_it_draws(request_: GenerationRequest) -> None:
    """Never less, and not much more: parts of outpaintings are taken at their largest."""
    painter = FakePainter()
    run_with_painter(request_, painter)
    drawn = sum(map(megapixel_steps, painter.requests))
    counted = measure_job(request_, NO_LIMIT).megapixel_steps
    assert drawn * 0.999 <= counted <= drawn * (2.5 if "outpaint" in request_.script.title else 1.1)  # type: ignore[union-attr]
    with pytest.raises(BadRequest, match=r"--max-job-megapixel-steps"):
        measure_job(request_, counted * 0.99)
    with pytest.raises(BadRequest, match=r"--max-job-megapixel-steps"):
        run_script(request_, FakePainter(), ignore_progress, fake_upscale, most=drawn * 0.9)


def test_counting_ends_at_too_many_pictures() -> None:
    """A million cells are not built to be refused."""
    spans = default_arguments(
        "x/y/z plot", a0="Seed", a1="1-100", a3="Steps", a4="1-100", a6="CFG Scale", a7="1-100"
    )
    with pytest.raises(BadRequest, match="1,000,000 pictures; at most 1,000"):
        measure_job(script_request("x/y/z plot", spans), NO_LIMIT)
    lines = "--n_iter 900\n" * 100_000
    with pytest.raises(BadRequest, match="1,800 pictures"):
        measure_job(
            script_request(
                "prompts from file or textbox",
                default_arguments("prompts from file or textbox", a3=lines),
            ),
            NO_LIMIT,
        )


def test_what_a_plugins_script_draws_is_counted_while_it_draws() -> None:
    def script(request: GenerationRequest, arguments: object, draw: ScriptDraw) -> Generation:
        while True:
            draw(replace(request, sampling=Sampling(steps=100)))

    painter = FakePainter()
    request = script_request("endless", ())
    tools = Tools(scripts={"endless": script})
    assert measure_job(request, 10.0).megapixel_steps < 1
    with pytest.raises(BadRequest, match="The script asks for"):
        run_script(request, painter, ignore_progress, tools=tools, most=10.0)
    assert sum(map(megapixel_steps, painter.requests)) <= 10.0


def test_requests_that_a_plugin_makes_of_one_are_counted_together() -> None:
    painter = FakePainter()
    with pytest.raises(BadRequest, match="asks for 100 megapixel-steps"):
        sequence.run([PLAIN] * 10, ScriptDraw(painter, ignore_progress, max_steps=99.0))
    assert painter.requests == []
