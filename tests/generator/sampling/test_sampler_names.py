"""Names as the recorded API tells them, and the tables keyed by them."""

import json
from pathlib import Path

import pytest

from generator.sampling.sampler_names import (
    SAMPLER_NAMES,
    SCHEDULE_NAMES,
    find_sampler_loosely,
    resolve_names,
)
from generator.sampling.samplers import SAMPLERS
from generator.sampling.schedules import SCHEDULES


def test_samplers_as_recorded(goldens: Path) -> None:
    recorded = json.loads((goldens / "get" / "samplers.json").read_text())
    found = [
        {"name": s.name, "aliases": list(s.aliases), "options": dict(s.options)}
        for s in SAMPLER_NAMES
    ]
    assert found == recorded


def test_schedules_as_recorded(goldens: Path) -> None:
    recorded = json.loads((goldens / "get" / "schedulers.json").read_text())
    found = [
        {
            "name": s.name,
            "label": s.label,
            "aliases": list(s.aliases) if s.aliases else None,
            "default_rho": s.default_rho,
            "need_inner_model": s.need_inner_model,
        }
        for s in SCHEDULE_NAMES
    ]
    assert found == recorded


def test_each_name_has_a_function() -> None:
    assert list(SAMPLERS) == [s.name for s in SAMPLER_NAMES]
    assert list(SCHEDULES) == [s.label for s in SCHEDULE_NAMES]


@pytest.mark.parametrize(
    ("sampler", "schedule", "wanted"),
    [
        ("Euler a", None, ("Euler a", "Automatic")),
        ("DPM++ 2M Karras", None, ("DPM++ 2M", "Karras")),
        ("DPM++ 2M SDE Exponential", "", ("DPM++ 2M SDE", "Exponential")),
        ("Euler SGMUniform", None, ("Euler", "SGM Uniform")),
        ("DPM++ 2M Karras", "Simple", ("DPM++ 2M", "Simple")),
        ("Euler", "sgm_uniform", ("Euler", "SGM Uniform")),
        ("k_euler_a", "Karras", ("DPM++ 2M", "Karras")),
        ("euler a", None, ("DPM++ 2M", "Automatic")),
        ("Euler", "nonsense", ("Euler", "Automatic")),
        (None, None, ("DPM++ 2M", "Automatic")),
        ("DDIM", "DDIM", ("DDIM", "DDIM")),
    ],
)
def test_resolve(sampler: str | None, schedule: str | None, wanted: tuple[str, str]) -> None:
    assert resolve_names(sampler, schedule) == wanted


def test_resolve_can_be_strict() -> None:
    with pytest.raises(KeyError, match="k_euler_a"):
        resolve_names("k_euler_a", None, lenient=False)
    with pytest.raises(KeyError, match="nonsense"):
        resolve_names("Euler", "nonsense", lenient=False)


def test_loose_names() -> None:
    found = find_sampler_loosely("K_EULER_A")
    assert found is not None
    assert found.name == "Euler a"
