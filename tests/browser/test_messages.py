"""Messages stand at the foot of the window: they cover no control and never catch the pointer."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from running import Easel, started

from tests.waiting import wait_until

pytestmark = pytest.mark.browser

COVERED = """() => {
  const controls = 'button, a, input, textarea, select, [role=option]'
  const points = [...document.querySelectorAll('.el-message')].flatMap((message) => {
    const { left, top, width, height } = message.getBoundingClientRect()
    return [...Array(60).keys()].map((at) => [
      left + (at % 20) * width / 20, top + at * height / 60,
    ])
  })
  return points.flatMap(([x, y]) => document.elementsFromPoint(x, y))
    .filter((each) => each.matches(controls) && !each.closest('.el-message'))
    .map((each) => each.outerHTML.slice(0, 120))
}"""
STILL = "() => document.getAnimations().every((each) => each.playState !== 'running')"
CAUGHT = """() => [...document.querySelectorAll('.el-message')].filter((each) => {
  const text = each.querySelector('.el-message__content').getBoundingClientRect()
  return each.contains(document.elementFromPoint(text.left + 4, text.top + text.height / 2))
}).length"""


@pytest.fixture(scope="module")
def easel(needed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    """Easel with a folder longer than any window."""
    with started(tmp_path_factory.mktemp("easel") / "data") as running:
        for number in range(60):
            (running.data_dir / "outputs" / f"note {number}.txt").write_text("note")
        yield running


@pytest.mark.parametrize(("width", "first"), [(1280, 10), (390, 12)], ids=["desk", "phone"])
def test_messages_cover_no_control_and_go_by_themselves(
    browser: Browser, easel: Easel, width: int, first: int
) -> None:
    context = browser.new_context(locale="en-US", viewport={"width": width, "height": 800})
    page = context.new_page()
    page.clock.install()
    page.goto(easel.url)
    section(page, "Files")
    page.get_by_role("option", name="outputs, folder", exact=True).click()
    page.keyboard.press("Enter")
    for number in (first, first + 1):
        entry = page.get_by_role("option", name=f"note {number}.txt", exact=True)
        entry.click()
        page.keyboard.press("Delete")
        expect(entry).to_have_count(0)
    expect(page.locator(".el-message")).to_have_count(2)
    wait_until(lambda: page.evaluate(STILL))
    assert page.evaluate(COVERED) == []
    assert page.evaluate(CAUGHT) == 0
    page.locator(".el-message").last.get_by_role("button", name="Undo").hover()
    page.clock.run_for(11_000)  # the pointer stays on it
    expect(page.locator(".el-message")).to_have_count(0)
    section(page, "PNG info")
    expect(page.locator("#tab_pnginfo")).to_be_visible()
    context.close()


def section(page: Page, name: str) -> None:
    """Go to a section by the bar."""
    page.get_by_role("button", name=name, exact=True).click()
