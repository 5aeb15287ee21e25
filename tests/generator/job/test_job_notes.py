"""What infotexts say of a job's passes, without weights."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from generator.hooks import Tools
from generator.job.infotext_notes import collect_notes
from generator.job.passes import PassPrompts, plan_passes
from generator.request import GenerationRequest, HiresFix, Sampling, Seeds, Snapshot

REQUEST = GenerationRequest("a cat", seeds=Seeds(7), sampling=Sampling("Euler", "Automatic", 10))


def notes(request: GenerationRequest) -> dict[str, Any]:
    legs = plan_passes(
        request,
        lambda prompt, negative: PassPrompts(prompt, negative, prompt, ()),
        lambda name, exact=True: name,
    )
    found = {"Lora hashes": "a: 1", "TI hashes": "b: 2"}
    model: Any = SimpleNamespace(report=SimpleNamespace(notes=found), has_uneven_prompts=False)
    return collect_notes(request, legs, model, None, (None, None), Tools())


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        (("Euler", "Automatic"), (None, "Karras"), (None, "Karras")),
        (("Euler", "Automatic"), (None, None), (None, None)),
        (("Euler", "Karras"), (None, None), ("Karras", None)),
        (("Euler", "Karras"), (None, "Karras"), ("Karras", None)),
        (("Euler", "Karras"), (None, "Exponential"), ("Karras", "Exponential")),
        (("Euler", "Karras"), (None, "Automatic"), ("Karras", None)),
        (("Euler", "Automatic"), ("DPM++ 2M", None), (None, "Karras")),
        (("DPM++ 2M", "Automatic"), (None, "Automatic"), ("Karras", None)),
        (("DPM++ 2M", "Automatic"), (None, "SGM Uniform"), ("Karras", "SGM Uniform")),
        (("DDIM", "Karras"), ("Euler", None), (None, "Karras")),
        (("Euler", "Karras"), ("DDIM", "Exponential"), ("Karras", None)),
    ],
)
def test_each_pass_tells_its_own_schedule(
    first: tuple[str, str], second: tuple[str | None, str | None], wanted: tuple[str | None, ...]
) -> None:
    fix = HiresFix(0.6, 2.0, sampler=second[0], schedule=second[1])
    found = notes(replace(REQUEST, sampling=Sampling(*first, 10), hires=fix))
    assert (found.get("Schedule type"), found["Hires schedule type"]) == wanted


OLD = "Old prompt editing timelines"


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("a cat", False),
        ("a [cat:dog:0.5]", False),
        ("a [cat:dog:4]", False),
        ("a [cat|dog]", False),
        ("a [cat:dog", False),
        ("a [cat:dog:1.5]", True),
        ("a [cat:dog:4.0]", True),
    ],
)
@pytest.mark.parametrize("negative", [False, True])
def test_old_timelines_are_told_where_they_differ(prompt: str, told: bool, negative: bool) -> None:
    request = replace(REQUEST, options=Snapshot(use_old_scheduling=True))
    side = {"negative_prompt": prompt} if negative else {"prompt": prompt}
    found = notes(replace(request, **side))
    assert found.get(OLD, False) is told
    assert OLD not in notes(replace(REQUEST, **side))
    if told:
        assert list(found)[:3] == ["Lora hashes", OLD, "TI hashes"]


def test_old_timelines_of_the_second_pass() -> None:
    """By the new rules its shares count from 1 on; and both count the first pass's calls."""
    request = replace(REQUEST, options=Snapshot(use_old_scheduling=True), hires=HiresFix(0.6, 2.0))
    assert OLD not in notes(request)
    assert notes(replace(request, prompt="a [cat:dog:0.5]"))[OLD] is True
    assert notes(replace(request, hires=HiresFix(0.6, 2.0, steps=5)))[OLD] is True
