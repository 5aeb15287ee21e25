"""A wildcard is found by either of Unicode's forms of its name."""

import unicodedata
from pathlib import Path

import pytest

from plugins.dynamic_prompts.bounded import all_prompts
from plugins.dynamic_prompts.wildcard_files import load_wildcards


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
@pytest.mark.parametrize("name", ["Städte/Zürich", "한국어", "ガギグ"])
def test_either_form_finds_the_file(tmp_path: Path, forms: tuple[str, str], name: str) -> None:
    disk, typed = (unicodedata.normalize(form, name) for form in forms)  # type: ignore[arg-type]
    path = tmp_path / f"{disk}.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text("red\ngreen\n")
    for asked in (typed, disk, f"{typed[:-2]}*"):
        assert all_prompts(f"a __{asked}__ cat", load_wildcards(tmp_path), 9) == [
            "a green cat",
            "a red cat",
        ]
