"""Prompts from language models of every layout, and what is told where one cannot be used."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from plugins.api import Home
from plugins.beautiful_prompt import language
from plugins.beautiful_prompt.prompt_request import (
    EMBEDDED,
    PLAIN_TEMPLATE,
    TEMPLATE_V1,
    TEMPLATE_V2,
    PromptRequest,
    find_models,
    read_settings,
)
from plugins.beautiful_prompt.worker import Plugin, never_stop
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
    wish = PromptRequest(prompt="a cat", model=kind, count=2, seed=7, max_length=160)
    plugin = Plugin(home(tmp_path))
    found = plugin.write_prompts(wish, never_stop)
    assert len(found["prompts"]) == 2
    assert found["original"] == "a cat"
    assert found["prompts"] == plugin.write_prompts(wish, never_stop)["prompts"]  # the same seed
    assert (
        found["prompts"]
        != plugin.write_prompts(wish.model_copy(update={"seed": 8}), never_stop)["prompts"]
    )
    for prompt in found["prompts"]:
        assert "Instruction" not in prompt
        assert prompt.startswith("a cat") == (kind == "gpt2")


def test_the_vendors_templates_are_chosen_by_name(shelf: Path) -> None:
    for name, template in (
        ("pai-bloom-1b1-text2prompt-sd", TEMPLATE_V1),
        ("pai-bloom-sd-v2", TEMPLATE_V2),
    ):
        (shelf / name).mkdir()
        (shelf / name / "config.json").write_text('{"model_type": "bloom"}')
        assert read_settings(shelf / name).template == template
    (shelf / "promptgen").mkdir()
    (shelf / "promptgen" / "config.json").write_text('{"model_type": "gpt2"}')
    assert read_settings(shelf / "promptgen").template == PLAIN_TEMPLATE
    assert read_settings(shelf / "promptgen").format_prompt("a {cat}") == "a {cat}"


def test_a_model_may_say_how_it_is_asked(shelf: Path) -> None:
    (shelf / "own").mkdir()
    (shelf / "own" / "config.json").write_text('{"model_type": "bloom"}')
    own = {"template": "Say: {raw_prompt}", "top_k": 12, "negative_prompt": "blurry"}
    (shelf / "own" / "easel-prompt.json").write_text(json.dumps(own))
    manner = read_settings(shelf / "own")
    assert manner.format_prompt("a cat") == "Say: a cat"
    assert (manner.top_k, manner.top_p) == (12, 0.95)
    assert manner.with_request(PromptRequest(prompt="x", top_p=0.5)).top_p == 0.5
    for wrong in ('{"top_k": 0}', '{"template": "no slot"}', "{", '{"colour": 1}'):
        (shelf / "own" / "easel-prompt.json").write_text(wrong)
        with pytest.raises(ValueError, match=r"own/easel-prompt\.json"):
            read_settings(shelf / "own")


def test_a_broken_folder_is_told(tmp_path: Path, shelf: Path) -> None:
    (shelf / "broken").mkdir()
    (shelf / "broken" / "config.json").write_text('{"model_type": "bloom"}')
    with pytest.raises(ValueError, match="broken"):
        Plugin(home(tmp_path)).write_prompts(
            PromptRequest(prompt="a cat", model="broken"), never_stop
        )
    with pytest.raises(ValueError, match=rf"no prompt model 'gone'.*{EMBEDDED}"):
        Plugin(home(tmp_path)).write_prompts(
            PromptRequest(prompt="a cat", model="gone"), never_stop
        )


def test_who_does_not_wait_stops_the_writing(shelf: Path) -> None:
    writer = language.load_prompt_model(make_model(shelf / "bloom", "bloom"), "cpu")
    shares: list[float] = []

    def tell(share: float, text: str) -> bool:
        shares.append(share)
        return share < 0.7

    manner = read_settings(shelf / "bloom").model_copy(update={"max_length": 160})
    found = language.write_prompts(writer, "a cat", manner, 8, 1, tell)
    assert len(found) == 5  # those of the first batch
    assert 0.7 <= shares[-1] < 1
    assert shares == sorted(shares)
    assert found == language.write_prompts(writer, "a cat", manner, 5, 1, never_stop)


def test_folders_without_a_model_are_left_out(shelf: Path, tmp_path: Path) -> None:
    (shelf / "empty").mkdir()
    assert find_models(tmp_path / "models") == ()


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
        PromptRequest.model_validate(wrong)
