"""Requests with choices become requests without."""

from pathlib import Path

import pytest

from generator.errors import BadRequest
from generator.request import GenerationRequest, Seeds
from plugins.api import Home
from plugins.dynamic_prompts.worker import Plugin


@pytest.fixture
def split(tmp_path: Path):
    def ask(prompt: str, negative: str = "", pictures: int = 1, **options: object):
        plugin = Plugin(Home("dynamicprompts", tmp_path, tmp_path / "own", lambda: options))
        return plugin.split(
            GenerationRequest(prompt, Seeds(5), negative_prompt=negative, batches=pictures)
        )

    return ask


def test_prompts_without_choices_are_left_alone(split) -> None:
    assert split("a (red:1.2) cat [a:b:0.5], <lora:x:1>", "blurry") is None


def test_each_picture_takes_choices_by_its_seed(split) -> None:
    found = split("a {red|blue|green} cat", pictures=6)
    assert [each.seeds.seed for each in found] == [5, 6, 7, 8, 9, 10]
    assert {each.picture_count for each in found} == {1}
    assert len({each.prompt for each in found}) > 1
    assert [each.prompt for each in found] == [
        each.prompt for each in split("a {red|blue|green} cat", pictures=6)
    ]
    for each in found:
        assert each.prompt in {"a red cat", "a blue cat", "a green cat"}
        assert each.notes["Template"] == "a {red|blue|green} cat"


def test_every_combination_of_both_prompts(split) -> None:
    found = split("a {red|blue} {cat|dog}", "{dark|light}", mode="combinatorial")
    pairs = {(each.prompt, each.negative_prompt) for each in found}
    assert len(found) == len(pairs) == 8
    assert ("a blue dog", "light") in pairs
    assert found[0].notes["Negative Template"] == "{dark|light}"


def test_combinations_have_an_end(split) -> None:
    assert len(split("{a|b|c|d|e|f}" * 20, mode="combinatorial", most=7)) == 7


def test_wildcards_are_files_of_the_data_directory(split, tmp_path: Path) -> None:
    (tmp_path / "wildcards").mkdir()
    (tmp_path / "wildcards" / "colour.txt").write_text("# colours\nred\nblue\n")
    found = {each.prompt for each in split("a __colour__ cat", pictures=12)}
    assert found == {"a red cat", "a blue cat"}
    assert split("a __missing__ cat")[0].prompt == "a __missing__ cat"
    assert split("a __../secret__ cat")[0].prompt == "a __../secret__ cat"


@pytest.mark.parametrize("wrong", ["a {red cat", "{" * 200 + "a" + "}" * 200, "{2$$"])
def test_a_bad_template_is_refused_by_field(split, wrong: str) -> None:
    with pytest.raises(BadRequest) as refused:
        split("a cat", wrong)
    assert refused.value.field == "negative_prompt"
