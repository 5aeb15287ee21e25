"""Prompts from language models of every layout, and what is told where one cannot be used."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from plugins.beautiful_prompt import language
from plugins.beautiful_prompt.wishes import EMBEDDED, PLAIN, V1, V2, Wish, installed, manner_of
from plugins.beautiful_prompt.worker import Plugin, patient
from plugins.nouns import Home
from tests.plugins.beautiful_prompt.tiny_models import make_model


def home(data_dir: Path, **options: object) -> Home:
    return Home("beautifulprompt", data_dir, data_dir / "own", lambda: options)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "BeautifulPrompt"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("kind", ["bloom", "gpt2", "t5"])
def test_every_layout_writes(tmp_path: Path, shelf: Path, kind: str) -> None:
    make_model(shelf / kind, kind)
    wish = Wish(prompt="a cat", model=kind, count=2, seed=7, max_length=160)
    plugin = Plugin(home(tmp_path))
    found = plugin.written(wish, patient)
    assert len(found["prompts"]) == 2
    assert found["original"] == "a cat"
    assert found["prompts"] == plugin.written(wish, patient)["prompts"]  # the same seed
    assert (
        found["prompts"] != plugin.written(wish.model_copy(update={"seed": 8}), patient)["prompts"]
    )
    for prompt in found["prompts"]:
        assert "Instruction" not in prompt
        assert prompt.startswith("a cat") == (kind == "gpt2")


def test_the_vendors_templates_are_chosen_by_name(shelf: Path) -> None:
    for name, template in (("pai-bloom-1b1-text2prompt-sd", V1), ("pai-bloom-sd-v2", V2)):
        (shelf / name).mkdir()
        (shelf / name / "config.json").write_text('{"model_type": "bloom"}')
        assert manner_of(shelf / name).template == template
    (shelf / "promptgen").mkdir()
    (shelf / "promptgen" / "config.json").write_text('{"model_type": "gpt2"}')
    assert manner_of(shelf / "promptgen").template == PLAIN
    assert manner_of(shelf / "promptgen").question("a {cat}") == "a {cat}"


def test_a_model_may_say_how_it_is_asked(shelf: Path) -> None:
    (shelf / "own").mkdir()
    (shelf / "own" / "config.json").write_text('{"model_type": "bloom"}')
    own = {"template": "Say: {raw_prompt}", "top_k": 12, "negative_prompt": "blurry"}
    (shelf / "own" / "easel-prompt.json").write_text(json.dumps(own))
    manner = manner_of(shelf / "own")
    assert manner.question("a cat") == "Say: a cat"
    assert (manner.top_k, manner.top_p) == (12, 0.95)
    assert manner.asked(Wish(prompt="x", top_p=0.5)).top_p == 0.5
    for wrong in ('{"top_k": 0}', '{"template": "no slot"}', "{", '{"colour": 1}'):
        (shelf / "own" / "easel-prompt.json").write_text(wrong)
        with pytest.raises(ValueError, match=r"own/easel-prompt\.json"):
            manner_of(shelf / "own")


def test_a_broken_folder_is_told(tmp_path: Path, shelf: Path) -> None:
    (shelf / "broken").mkdir()
    (shelf / "broken" / "config.json").write_text('{"model_type": "bloom"}')
    with pytest.raises(ValueError, match="broken"):
        Plugin(home(tmp_path)).written(Wish(prompt="a cat", model="broken"), patient)
    with pytest.raises(ValueError, match=rf"no prompt model 'gone'.*{EMBEDDED}"):
        Plugin(home(tmp_path)).written(Wish(prompt="a cat", model="gone"), patient)


def test_who_does_not_wait_stops_the_writing(shelf: Path) -> None:
    writer = language.load_writer(make_model(shelf / "bloom", "bloom"), "cpu")
    shares: list[float] = []

    def tell(share: float, text: str) -> bool:
        shares.append(share)
        return share < 0.7

    manner = manner_of(shelf / "bloom").model_copy(update={"max_length": 160})
    found = language.write_prompts(writer, "a cat", manner, 8, 1, tell)
    assert len(found) == 5  # those of the first batch
    assert 0.7 <= shares[-1] < 1
    assert shares == sorted(shares)
    assert found == language.write_prompts(writer, "a cat", manner, 5, 1, patient)


def test_folders_without_a_model_are_left_out(shelf: Path, tmp_path: Path) -> None:
    (shelf / "empty").mkdir()
    assert installed(tmp_path / "models") == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": ""},
        {"prompt": "x" * 2001},
        {"prompt": "x", "count": 51},
        {"prompt": "x", "temperature": 0},
        {"prompt": "x", "top_k": 301},
        {"prompt": "x", "max_length": 401},
        {"prompt": "x", "colour": "red"},
    ],
)
def test_numbers_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        Wish.model_validate(wrong)
