"""The request field ``infotext``: what it fills in, and what it leaves alone."""

from typing import Any

import pytest

from generator.request import GenerationRequest
from tests.webapp.requests.request_pictures import PICTURE

TEXT = (
    "a green (frog:1.2)\nNegative prompt: fog\n"
    "Steps: 7, Sampler: DPM++ 2M, Schedule type: Exponential, CFG scale: 5.5, Seed: 99, "
    "Size: 128x64, Clip skip: 2, Variation seed: 4, Variation seed strength: 0.25, "
    "Denoising strength: 0.5, Hires upscale: 1.5, Hires steps: 4, Hires upscaler: Latent"
)


def request_of(house: Any, route: str = "txt2img", **body: Any) -> GenerationRequest:
    """What reaches the worker."""
    answer = house.client().post(f"/sdapi/v1/{route}", json=body)
    assert answer.status_code == 200, answer.text
    found: GenerationRequest = house.jobs[-1].request
    return found


def test_a_text_alone_says_all(house: Any) -> None:
    wanted = request_of(house, infotext=TEXT)
    assert (wanted.prompt, wanted.negative_prompt) == ("a green (frog:1.2)", "fog")
    assert (wanted.width, wanted.height, wanted.sampling.steps) == (128, 64, 7)
    assert (wanted.sampling.sampler, wanted.sampling.schedule) == ("DPM++ 2M", "Exponential")
    assert (wanted.seeds.seed, wanted.seeds.variation_seed) == (99, 4)
    assert wanted.options.CLIP_stop_at_last_layers == 2
    fix = wanted.hires
    assert fix
    assert (fix.strength, fix.scale, fix.steps, fix.upscaler) == (0.5, 1.5, 4, "Latent")
    assert (fix.sampler, fix.schedule) == (None, "Exponential")


def test_what_the_body_sets_stays(house: Any) -> None:
    wanted = request_of(
        house,
        infotext=TEXT,
        steps=3,
        enable_hr=False,
        sampler_name=None,
        override_settings={"CLIP_stop_at_last_layers": 1},
    )
    assert wanted.sampling.steps == 3
    assert wanted.hires is None
    assert wanted.sampling.sampler == "Euler"
    assert wanted.options.CLIP_stop_at_last_layers == 1


def test_img2img_takes_seeds_and_samplers_only(house: Any) -> None:
    wanted = request_of(house, "img2img", infotext=TEXT, init_images=[PICTURE])
    assert (wanted.prompt, wanted.width) == ("", 512)
    assert (wanted.sampling.steps, wanted.seeds.seed) == (7, 99)
    assert wanted.options.CLIP_stop_at_last_layers == 2


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("Sampler: DPM++ 2M, Schedule type: Karras", ("DPM++ 2M", "Automatic")),
        ("Sampler: DPM++ 2M Karras", ("DPM++ 2M", "Automatic")),
        ("Sampler: Euler Karras, Schedule type: Beta", ("Euler", "Karras")),
        ("Sampler: Nope", ("DPM++ 2M", "Automatic")),
    ],
)
def test_samplers_of_old_and_new_texts(house: Any, line: str, named: tuple[str, str]) -> None:
    wanted = request_of(house, infotext=f"x\nSteps: 2, Seed: 1, {line}", width=64, height=64)
    assert (wanted.sampling.sampler, wanted.sampling.schedule) == named


def test_values_that_do_not_fit_are_left_out(house: Any) -> None:
    wanted = request_of(house, infotext="x\nSteps: many, Seed: 5, Clip skip: 99, CFG scale: 3")
    assert (wanted.sampling.steps, wanted.seeds.seed, wanted.sampling.guidance) == (50, 5, 3.0)
    assert wanted.options.CLIP_stop_at_last_layers == 1


def test_the_checkpoint_is_taken_where_an_option_says_so(house: Any) -> None:
    text = "x\nSteps: 2, Seed: 5, Model hash: painter"
    assert request_of(house, infotext=text).checkpoint == ""
    house.options.update({"disable_weights_auto_swap": False})
    assert request_of(house, infotext=text).checkpoint == "painter.safetensors"


def test_skipped_keys_and_long_texts(house: Any) -> None:
    house.options.update({"infotext_skip_pasting": ["Seed", "Clip skip"]})
    wanted = request_of(house, infotext=TEXT)
    assert wanted.options.CLIP_stop_at_last_layers == 1
    answer = house.txt2img({"infotext": "x" * 200_000})
    assert answer.status_code == 422
    assert "infotext" in answer.get_json()["detail"]
