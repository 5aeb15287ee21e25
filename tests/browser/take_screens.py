"""Screenshots of the page's states for ``docs/screens``: ``make screens``.

Each state in English and light, and in Chinese and dark; some also as a phone shows them. Parts of
``page_states`` may be named as arguments; without, all are taken.
"""

import base64
import io
import sys
import tempfile
from pathlib import Path

import requests
from conftest import CHROMIUM, QUIET
from easel_process import ROOT, Easel, running_easel
from page_states import PARTS, bring_models, in_language, in_light, prepare, states
from PIL import Image
from playwright.sync_api import Error, Page, sync_playwright

from tests.wait import TIMEOUT

SCREENS = ROOT / "docs/screens"
MOST_BYTES = 60 * 1024  # of a picture
SIZE, PHONE = (1440, 900), (390, 844)
SHOTS = {
    "first": "first-visit", "folds": "folds", "script": "script",
    "Styles": "styles", "New style": "styles", "Earlier prompts": "earlier-prompts",
    "palette": "palette", "keys": "keys",
    "cards of #checkpoint": "cards", "cards of #txt2img_extra_networks": "lora-cards",
    "a picture": "picture", "a picture in work": "picture-in-work",
    "image to image, mode 3": "inpaint", "Enlarge": "enlarge",
    "a model": "model", "#tab_models view 1": "models", "#tab_models view 4": "report",
    "gallery": "gallery", "a picture of the gallery": "gallery-picture",
    "gallery, c": "compare", "gallery, g": "grid", "boards": "boards", "a board": "board",
    "files": "files", "settings 1": "settings", "Extensions": "extensions",
}  # fmt: skip
"""States that are taken, and what their files are called."""

ON_A_PHONE = {"first", "folds", "a picture", "gallery", "settings 1"}
PROMPTS = (
    "a red house on green grass at night", "a blue sailboat on the sea at sunset",
    "an orange cat on green grass during the day", "a yellow star on a purple background",
    "a snowman in the snow at night with stars", "a red heart on a pink background",
)  # fmt: skip


def draw_pictures(easel: Easel) -> None:
    """What the gallery shows, drawn with the present weights."""
    folder = easel.data_dir / "outputs/txt2img-images/2026-11-30"
    folder.mkdir(parents=True)
    for number, prompt in enumerate(PROMPTS):
        asked = {"prompt": prompt, "seed": number, "steps": 20, "width": 256, "height": 256}
        answer = requests.post(f"{easel.url}/sdapi/v1/txt2img", json=asked, timeout=4 * TIMEOUT)
        answer.raise_for_status()
        picture = base64.b64decode(answer.json()["images"][0])
        (folder / f"{number:05}-{number}.png").write_bytes(picture)


def take(page: Page, name: str) -> None:
    """Write what the page shows as a small WebP."""
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    for quality in range(85, 20, -10):
        packed = io.BytesIO()
        shown.save(packed, "WEBP", quality=quality, method=6)
        if packed.tell() <= MOST_BYTES:
            break
    (SCREENS / f"{name}.webp").write_bytes(packed.getvalue())


def take_both(page: Page, name: str) -> None:
    for language, light in (("zh", "dark"), ("en", "light")):
        in_language(page, language)
        in_light(page, light)
        take(page, f"{name}-{language}-{light}")


def take_state(page: Page, state: str) -> None:
    """Take it wide, and where a phone's is another also narrow."""
    take_both(page, SHOTS[state])
    if state in ON_A_PHONE:
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        take_both(page, f"{SHOTS[state]}-phone")
        page.set_viewport_size({"width": SIZE[0], "height": SIZE[1]})


def take_part(page: Page, part: str, picture: Path) -> bool:
    """Take the states of a part; false, and a word about it, where the page has it otherwise."""
    try:
        for state in states(page, part, picture):
            if state in SHOTS:
                take_state(page, state)
    except (Error, AssertionError) as error:
        print(f"{part}: {str(error)[:500]}", file=sys.stderr)
        page.reload()
        return False
    return True


def main(parts: list[str]) -> int:
    """Take all; 1 where a part could not be taken to its end."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        data_dir = Path(folder) / "data"
        bring_models(data_dir)
        with running_easel(data_dir) as easel:
            prepare(easel)
            draw_pictures(easel)
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
            page = browser.new_context(
                locale="en-US", viewport={"width": SIZE[0], "height": SIZE[1]}
            ).new_page()
            page.goto(easel.url)
            drawn = next((data_dir / "outputs").rglob("*.png"))
            taken = [take_part(page, part, drawn) for part in parts or PARTS]
            browser.close()
    return 0 if all(taken) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
