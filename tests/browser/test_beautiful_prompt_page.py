"""Language models in BeautifulPrompt's section: copied in, at work, cancelled."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from easel_process import Easel, eventually, running_easel
from playwright.sync_api import Page, expect

from tests.plugins.beautiful_prompt.tiny_models import make_model
from tests.wait import TIMEOUT, wait_until

pytestmark = pytest.mark.browser
ROUTE = "plugins/beautifulprompt"


@pytest.fixture(scope="module")
def easel(page_and_browser: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    """Easel without a language model."""
    with running_easel(tmp_path_factory.mktemp("easel") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def shelf(easel: Easel) -> Path:
    """Where language models lie."""
    return easel.data_dir / "models" / "BeautifulPrompt"


def bring(shelf: Path, name: str, kind: str, **manner: object) -> None:
    """A model of random weights, in its place at once; ``manner`` is its easel-prompt.json."""
    made = make_model(shelf.parent / f".{name}", kind)
    if manner:
        (made / "easel-prompt.json").write_text(json.dumps(manner))
    made.rename(shelf / name)


def open_section(page: Page) -> None:
    page.get_by_role("navigation").get_by_role("button", name="BeautifulPrompt").click()
    page.get_by_label("A simple prompt").fill("a cat")


def test_a_copied_model_is_listed_asked_and_says_how(page: Page, shelf: Path) -> None:
    open_section(page)
    models = page.locator("#beautifulprompt_model option")
    expect(models).to_have_count(1)
    page.evaluate("window.notReloaded = true")
    bring(shelf, "own-gpt2", "gpt2", top_k=12, max_length=40, negative_prompt="blurry")
    expect(models).to_have_count(2)
    page.select_option("#beautifulprompt_model", "own-gpt2")
    page.get_by_text("Advanced parameters").click()
    expect(page.get_by_label("Top k")).to_have_attribute("placeholder", "12")
    page.get_by_label("Results").fill("2")
    page.click("#beautifulprompt_generate")
    rows = page.locator(".bp-row")
    eventually(expect(rows).to_have_count, 2)
    expect(page.locator(".bp-by")).to_contain_text("own-gpt2")
    written = rows.first.locator("p").text_content() or ""
    assert written.startswith("a cat")
    rows.first.get_by_role("button", name="to txt2img").click()
    expect(page.locator("#prompt")).to_have_value(written)
    expect(page.locator("#negative")).to_have_value("blurry")
    assert page.evaluate("window.notReloaded")


@pytest.mark.parametrize("name", ["vendor-v1", "vendor-v2"])
def test_the_vendors_models_are_asked_in_their_words(
    page: Page, easel: Easel, shelf: Path, name: str
) -> None:
    bring(shelf, name, "bloom")
    models = requests.get(f"{easel.url}/{ROUTE}/model_list", timeout=TIMEOUT).json()["models"]
    (manner,) = (each["defaults"] for each in models if each["name"] == name)
    assert ("### Input:" in manner["template"]) == name.endswith("v2")
    body = {
        **{"raw_prompt": "a cat", "model": name, "num": 1, "seed": 3, "temperature": 0.9},
        **{"top_k": 50, "top_p": 0.95, "repetition_penalty": 1.1, "max_length": 400},
    }
    told = requests.post(f"{easel.url}/{ROUTE}/generate_prompt", json=body, timeout=300).json()
    assert len(told["prompts"]) == 1
    assert "Input" not in told["prompts"][0]
    assert told["interrupted"] is False


def test_progress_is_seen_and_the_writing_cancelled(page: Page, easel: Easel, shelf: Path) -> None:
    bring(shelf, "slow-t5", "t5", max_length=400)
    open_section(page)
    page.select_option("#beautifulprompt_model", "slow-t5")
    page.get_by_label("Results").fill("50")
    page.click("#beautifulprompt_generate")
    bar = page.locator(".bp-busy progress")
    status = page.locator(".bp-busy").get_by_role("status")
    eventually(expect(status).to_contain_text, "of 50 prompts")
    early = bar.evaluate("(bar) => bar.value")
    wait_until(lambda: bar.evaluate("(bar) => bar.value") > early)
    page.get_by_role("button", name="Cancel").click()
    eventually(expect(page.locator("#beautifulprompt_generate")).to_be_visible)
    expect(page.get_by_role("alert")).to_have_count(0)
    assert page.locator(".bp-row").count() < 50
    pending = f"{easel.url}/internal/pending-tasks"
    wait_until(lambda: requests.get(pending, timeout=TIMEOUT).json()["size"] == 0)
    shown = requests.get(f"{easel.url}/api/plugins", timeout=TIMEOUT).json()["plugins"]
    (own,) = (each for each in shown if each["name"] == "beautifulprompt")
    assert {worker["last_error"] for worker in own["workers"]} == {""}


def test_a_job_that_nobody_waits_for_is_followed_stopped_and_fetched(
    easel: Easel, shelf: Path
) -> None:
    def ask(path: str, body: object) -> Any:
        return requests.post(f"{easel.url}/{path}", json=body, timeout=TIMEOUT)

    bring(shelf, "long-t5", "t5", max_length=400)
    wish = {"prompt": "a cat", "model": "long-t5", "count": 50}
    tasks = [ask(f"{ROUTE}/generate_prompt?async=1", wish).json()["id_task"] for _ in range(2)]
    wait_until(
        lambda: (ask("internal/progress", {"id_task": tasks[0]}).json()["progress"] or 0) > 0.11
    )
    for task in reversed(tasks):  # the second waits in line
        assert ask(f"sdapi/v1/interrupt?id_task={task}", {}).status_code == 200
    first, second = (
        wait_until(lambda task=task: json_of(ask("internal/answer", {"id_task": task})))
        for task in tasks
    )
    assert 5 <= len(first["prompts"]) < 50
    assert first["interrupted"]
    assert second["interrupted"]
    assert "prompts" not in second  # no worker has begun it


def json_of(answer: requests.Response) -> Any:
    """What an answer says, nothing while there is none."""
    return answer.json() if answer.status_code == 200 else None
