"""Every state of the page: each label in both languages, nothing that axe finds serious."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from easel_process import ROOT, Easel, running_easel
from page_states import PARTS, bring_files, in_language, in_light, prepare, states
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.wait import TIMEOUT

pytestmark = pytest.mark.browser
AXE = ROOT / "static/node_modules/axe-core/axe.min.js"
SERIOUS = """rules => axe.run(document.querySelector('dialog[open]') ?? document,
    { runOnly: rules, resultTypes: ['violations'] }).then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary}`))"""
ALL = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
WORDS = """() => {
  const skipped = 'script, style, code, kbd, pre, svg, .cm-editor, textarea, .el-message,' +
    '[translate=no]'
  const found = new Set()
  const seen = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true })
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const around = node.parentElement
    if (node.data.trim() && !around.closest(skipped) && seen(around)) found.add(node.data.trim())
  }
  const named = (e) => e.ariaLabel || e.labels?.length || e.textContent.trim()
  for (const e of document.querySelectorAll('[aria-label], [title], [placeholder], [alt]'))
    if (seen(e) && !e.closest('[translate=no], .el-message'))
      for (const name of ['aria-label', 'placeholder', 'alt', ...(named(e) ? [] : ['title'])])
        if (e.getAttribute(name)?.trim()) found.add(e.getAttribute(name).trim())
  return [...found]
}"""
"""What a reader sees, or hears of a screen reader; tooltips are AUTOMATIC1111's words."""

CHINESE = re.compile(r"[\u4e00-\u9fff]")
LATIN = re.compile(r"[A-Za-z]{3,}")
NAMES = {
    "CodeFormer",
    "GFPGAN",
    "BeautifulPrompt",
    "English",
    "Easel",
    "Easel default",
    "API",
    "GPU",
    "cpu",
    "png",
    "Stable Diffusion XL",
}
"""Words that are the same everywhere."""

OWN = re.compile(
    r"easel-|^boat |^house|a red house|a cat|^(fog|red)$|Lakes|^RAM: |^http:|^/|^\w+/[\w/.-]+$|^\d|"
    r"outputs|\.(png|safetensors|pt|txt)\b|^data$|^txt2img-images$|\{prompt\}|^Stable Diffusion|"
    r"^Easel \d|^LoRA · |^v?\d+\.\d+|^(MIT|Apache)|^Draws simple scenes|"
    r"^(an? |the )\w+ \w+ (on|in|at|during) "
)
"""Files, prompts, boards that the walk brought; what models say of themselves; paths, figures."""


def leaves(words: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in words.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{above}{key}.")
        else:
            yield above + key, str(value)


TEXTS = {
    name: dict(leaves(json.loads((ROOT / f"static/locales/{name}.json").read_text("utf-8"))))
    for name in ("en", "zh")
}
SEEN = re.compile(r": list|settings [12]|mode [234]$|script|range")
"""States whose parts axe has seen in others."""

KEY = re.compile(rf"\b({'|'.join(sorted({key.partition('.')[0] for key in TEXTS['en']}))})\.[a-z]")


def names_of(easel: Easel) -> set[str]:
    """Names that nobody translates: of samplers, models, upscalers, preprocessors."""
    found = set(NAMES)
    for path in ("samplers", "schedulers", "upscalers", "sd-models", "face-restorers"):
        for row in requests.get(f"{easel.url}/sdapi/v1/{path}", timeout=TIMEOUT).json():
            found |= {str(row.get(key, "")) for key in ("name", "label", "title", "model_name")}
    for path in ("module_list", "module_list?alias_names=true"):
        found |= set(
            requests.get(f"{easel.url}/controlnet/{path}", timeout=TIMEOUT).json()["module_list"]
        )
    return found


def foreign(words: list[str], language: str, names: set[str]) -> list[str]:
    """What is not in the reader's language."""
    if language == "en":
        return [text for text in words if CHINESE.search(text) and not text.startswith("中文")]
    same = names | set(TEXTS["zh"].values())
    latin = [text for text in words if LATIN.search(text) and not CHINESE.search(text)]
    return [text for text in latin if text not in same and not text.startswith("English")]


@dataclass(frozen=True)
class Walked:
    """A page whose states are looked at."""

    page: Page
    picture: Path
    names: set[str]


@pytest.fixture(scope="module")
def walked(
    browser: Browser, page_and_browser: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Walked]:
    folder = tmp_path_factory.mktemp("easel")
    bring_files(folder / "data")
    Image.new("RGB", (64, 48), "red").save(folder / "picture.png")
    with running_easel(folder / "data") as easel:
        prepare(easel)
        context = browser.new_context(locale="en-US", viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(easel.url)
        yield Walked(page, folder / "picture.png", names_of(easel))
        context.close()


def wrong_words(page: Page, names: set[str]) -> Iterator[str]:
    for language in ("zh", "en"):
        in_language(page, language)
        words = [text for text in page.evaluate(WORDS) if not OWN.search(text)]
        assert words
        yield from (f"{language}: {text}" for text in foreign(words, language, names))
        yield from (f"key: {text}" for text in words if KEY.search(text))


def faults_of_axe(page: Page) -> Iterator[str]:
    page.evaluate(AXE.read_text("utf-8"))
    for light, rules in (("dark", ["color-contrast"]), ("light", ALL)):
        in_light(page, light)
        yield from (f"{light}: {fault}" for fault in page.evaluate(SERIOUS, rules))


@pytest.mark.parametrize("part", PARTS)
def test_every_state_speaks_both_languages_and_is_accessible(walked: Walked, part: str) -> None:
    found = []
    for state in states(walked.page, part, walked.picture):
        found += [f"{state}, {fault}" for fault in wrong_words(walked.page, walked.names)]
        if AXE.is_file() and not SEEN.search(state):
            found += [f"{state}, {fault}" for fault in faults_of_axe(walked.page)]
    assert found == []
