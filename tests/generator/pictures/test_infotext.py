"""Writing infotext and reading it back, against what the reference wrote and read."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.pictures.infotext import quote_value, write_infotext
from generator.pictures.infotext_parser import add_network_tags, parse_infotext, read_parameters
from generator.prompt.grammar import parse_attention
from generator.prompt.styles import Style, read_styles
from tests.wait import assert_quick


def test_the_layout_is_the_contracts() -> None:
    text = write_infotext(
        "a cat",
        "dog",
        {
            "Version": "v1",
            "Size": "512x768",
            "Steps": 20,
            "Hires upscale": 2.0,
            "CFG scale": 7.0,
            "Model": None,
            "Lora hashes": "a: 1, b: 2",
            "RNG": "CPU",
        },
    )
    assert text == (
        "a cat\nNegative prompt: dog\nSteps: 20, CFG scale: 7.0, Size: 512x768, RNG: CPU, "
        'Hires upscale: 2.0, Lora hashes: "a: 1, b: 2", Version: v1'
    )


def test_no_negative_prompt_leaves_no_line() -> None:
    assert write_infotext("a cat", "", {"Steps": 1}) == "a cat\nSteps: 1"


def test_a_key_that_is_its_value_stands_alone() -> None:
    assert write_infotext("", "", {"Steps": 1, "Wow": "Wow"}) == "Steps: 1, Wow"


@pytest.mark.parametrize(
    ("value", "quoted"),
    [("plain", "plain"), (7.0, "7.0"), ("a, b", '"a, b"'), ('é:"\n', '"é:\\"\\n"')],
)
def test_quoting(value: object, quoted: str) -> None:
    assert quote_value(value) == quoted


@given(
    st.text(
        alphabet=st.characters(
            codec="utf-8", exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
        )
    )
)
def test_a_quoted_value_is_read_back(value: str) -> None:
    value = value.strip()
    if not value or '"' in value[:1]:
        return
    text = write_infotext("p", "", {"Steps": 1, "Seed": 2, "Size": "8x8", "Odd": value})
    assert parse_infotext(text).parameters.get("Odd", value) == value


def test_a_last_line_of_few_entries_belongs_to_the_prompt() -> None:
    written = parse_infotext("a cat\nlook: here, and: there")
    assert written.prompt == "a cat\nlook: here, and: there"
    assert written.parameters == {}


def test_nothing_is_read_from_nothing() -> None:
    found = read_parameters("", lambda _: False)
    assert found["Prompt"] == ""
    assert found["Clip skip"] == "1"


def test_reads_what_the_reference_read(goldens: Path) -> None:
    cases = json.loads((goldens / "unit.json").read_text("utf-8"))["infotext"]
    styles = read_styles([goldens / "checkpoint" / "styles.csv"]).values()
    assert len(cases) > 200
    for text, wanted in cases:
        assert read_parameters(text, has_emphasis, styles) == wanted


def has_emphasis(prompt: str) -> bool:
    """Whether any part of a prompt weighs more or less."""
    return any(segment.weight != 1 and not segment.is_break for segment in parse_attention(prompt))


@pytest.mark.parametrize(
    ("version", "keys"),
    [
        ("v1.5.2", {"Old prompt editing timelines", "Pad conds v0", "Downcast alphas_cumprod"}),
        ("1.6.0", {"Downcast alphas_cumprod"}),
        ("v1.7.0-224-gabcdef", {"Downcast alphas_cumprod"}),
        ("v1.7.0-225-gabcdef", set()),
        ("v1.10.1", set()),
        ("easel-0.1.0", set()),
        ("f0.0.17", set()),
    ],
)
def test_old_versions_are_read_with_their_ways(version: str, keys: set[str]) -> None:
    text = f"[a:b:5]\nSteps: 20, Sampler: DDIM, Refiner: x, Version: {version}"
    found = read_parameters(text, lambda _: False)
    ways = {"Old prompt editing timelines", "Pad conds v0", "Downcast alphas_cumprod"}
    assert {key for key in ways if key in found} == keys
    by_steps = found["Refiner switch by sampling steps"]
    assert by_steps is (version.lstrip("v")[:3] in ("1.5", "1.6", "1.7"))


def test_styles_are_read_as_the_option_says() -> None:
    styles = [Style("oil", "oil painting", "")]
    text = "a cat, oil painting\nSteps: 1, Seed: 2, CFG scale: 3"

    def prompt_and_styles(way: str, prompt: str = text) -> tuple[object, object]:
        found = read_parameters(prompt, lambda _: False, styles, way)
        return found["Prompt"], found.get("Styles array")

    assert prompt_and_styles("Apply if any") == prompt_and_styles("Apply") == ("a cat", ["oil"])
    assert prompt_and_styles("Ignore") == ("a cat, oil painting", None)
    assert prompt_and_styles("Discard") == ("a cat", None)
    assert prompt_and_styles("Apply", "a cat") == ("a cat", [])
    assert prompt_and_styles("Apply if any", "a cat") == ("a cat", None)


def test_old_ways_can_be_left_alone() -> None:
    text = "[a:b:5]\nSteps: 20, Sampler: DDIM, Version: v1.4.0"
    assert "Pad conds v0" in read_parameters(text, lambda _: False)
    assert "Pad conds v0" not in read_parameters(text, lambda _: False, backcompat=False)


@pytest.mark.parametrize(
    ("first", "size"), [("0x0", (512, 512)), ("640x448", (640, 448)), ("0x640", (512, 512))]
)
def test_the_old_hires_fix(first: str, size: tuple[int, int]) -> None:
    text = f"a cat\nSteps: 20, Seed: 1, Size: 1024x1024, First pass size: {first}"
    found = read_parameters(text, lambda _: False)
    assert (found["Size-1"], found["Size-2"]) == size
    assert (found["Hires resize-1"], found["Hires resize-2"]) == (1024, 1024)


def test_networks_of_the_old_extension_become_tags() -> None:
    text = (
        "a cat\nSteps: 20, AddNet Enabled: True, AddNet Module 1: LoRA, "
        "AddNet Model 1: ink(0123abcd), AddNet Weight A 1: 0.8, AddNet Module 2: LoRA, "
        "AddNet Model 2: oil(89abcdef)"
    )
    found = add_network_tags(read_parameters(text, lambda _: False))
    assert found["Prompt"] == "a cat\n<lora:ink:0.8><lora:oil:1.0>"


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), max_size=40),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), max_size=40),
    st.dictionaries(
        st.from_regex(r"[A-Z][a-z]{1,8}", fullmatch=True),
        st.from_regex(r"[a-z0-9.]([a-z0-9 .,:]*[a-z0-9.])?", fullmatch=True),
        min_size=3,
    ),
)
def test_what_is_written_is_read_back(prompt: str, negative: str, told: dict[str, str]) -> None:
    prompt, negative = prompt.strip(), negative.strip()
    if prompt.startswith("Negative prompt:") or negative.startswith("Negative prompt:"):
        return
    found = parse_infotext(write_infotext(prompt, negative, told))
    assert (found.prompt, found.negative_prompt, dict(found.parameters)) == (prompt, negative, told)


@pytest.mark.parametrize("part", ["a", "a b-", " ", "a: b", 'ab: "', '"', '\\"', "\t \t", ":"])
def test_reading_takes_time_in_proportion(part: str) -> None:
    assert_quick(
        lambda: parse_infotext(part * (200_000 // len(part))), 5
    )  # squared it would be minutes


@pytest.mark.parametrize("text", ['"quoted"', '"a" and "b"', '"', '""', 'say "hi"', '"a, b"'])
def test_quotes_come_back(text: str) -> None:
    written = write_infotext("a cat", "", {"Steps": 1, "Hires prompt": text, "Seed": 2})
    assert parse_infotext(written).parameters["Hires prompt"] == text
