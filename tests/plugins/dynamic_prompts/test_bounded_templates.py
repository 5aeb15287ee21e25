"""Templates and wildcard files that would grow without end are refused or left out."""

import os
from pathlib import Path

import pytest
from dynamicprompts.wildcards import WildcardManager

from plugins.dynamic_prompts.bounded import TemplateTooLarge, all_prompts, random_prompts
from plugins.dynamic_prompts.wildcard_files import load_wildcards

DOUBLING = "${a={x|y}}" + "".join(
    f"${{{chr(98 + n)}=${{{chr(97 + n)}}}${{{chr(97 + n)}}}}}" for n in range(22)
)


@pytest.fixture
def wildcards(tmp_path: Path) -> WildcardManager:
    (tmp_path / "deep").mkdir()
    (tmp_path / "colours.txt").write_text("red\n# no colour\n\nblue\n")
    (tmp_path / "deep/animals.yaml").write_text("tame: [cat, dog]\n")
    (tmp_path / "flat.json").write_text('["one", "two"]')
    os.mkfifo(tmp_path / "pipe.txt")
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "nowhere.txt").symlink_to("nothing")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt")).write_text("x")
    (tmp_path / "again.yaml").write_text("a: &a [x]\nb: [*a, *a]\n")
    (tmp_path / "broken.json").write_text("[" * 100_000)
    (tmp_path / "many.txt").write_text("__many__ __many__\n")
    return load_wildcards(tmp_path)


def test_good_files_are_read_beside_bad_ones(wildcards: WildcardManager) -> None:
    assert all_prompts("__colours__ __deep/tame__", wildcards, 9) == [
        "blue cat", "blue dog", "red cat", "red dog",
    ]  # fmt: skip
    assert random_prompts("__flat__", wildcards, [1])[0] in ("one", "two")


@pytest.mark.parametrize("read", [all_prompts, random_prompts])
def test_variables_that_double_are_refused(wildcards: WildcardManager, read: object) -> None:
    with pytest.raises(TemplateTooLarge, match="more than 50,000 parts"):
        if read is all_prompts:
            all_prompts(DOUBLING + "${w}", wildcards, 5)
        else:
            random_prompts(DOUBLING + "${w}", wildcards, [1])


def test_a_file_that_names_itself_is_refused(wildcards: WildcardManager) -> None:
    with pytest.raises((RecursionError, TemplateTooLarge)):
        random_prompts("__many__", wildcards, [1])
