"""Forms that a plugin declares, drawn by the page: every kind of field, by hand and by keys."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from easel_process import Easel, eventually, running_easel
from form_plugin import bring_former
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def easel(page_and_browser: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    """Easel with a plugin that has forms in every place."""
    data_dir = tmp_path_factory.mktemp("easel") / "data"
    bring_former(data_dir / "extensions")
    with running_easel(data_dir) as running:
        yield running


@pytest.fixture
def form(page: Page) -> Locator:
    """The tab's form."""
    page.get_by_role("navigation").get_by_role("button", name="Forms", exact=True).click()
    return page.locator("form:visible")


def send(form: Locator) -> None:
    form.get_by_role("button", name="Forms").click()


def test_every_kind_of_field_is_sent_as_it_stands(page: Page, form: Locator) -> None:
    send(form)
    said = form.locator(".text")
    expect(said).to_contain_text("('amount', 0.5), ('loud', False), ('times', 3), ('tone', 'kind')")
    form.get_by_role("textbox", name="Your words").fill("two\nlines")
    form.get_by_role("spinbutton", name="Amount").fill("0.25")
    form.get_by_role("spinbutton", name="Any number").fill("-12.5")
    form.locator(".el-switch").click()
    form.locator(".el-select").click()
    page.get_by_role("option", name="short").click()
    send(form)
    expect(said).to_have_text(
        "[('amount', 0.25), ('loud', True), ('times', 3), ('tone', 'short'), "
        "('whole', -12.5), ('words', 'two\\nlines')]"
    )


def test_numbers_out_of_their_range_are_told_and_the_slider_keeps_it(
    page: Page, form: Locator
) -> None:
    times = form.get_by_role("spinbutton", name="Times")
    for typed in ("99", "-4"):
        times.fill(typed)
        times.press("Tab")
        expect(times).to_have_value(typed)
        expect(form.get_by_role("alert")).to_have_text("From 1 to 9")
    slider = form.get_by_role("slider", name="Times")
    slider.focus()
    slider.press("ArrowRight")
    expect(times).to_have_value("3")
    expect(form.get_by_role("alert")).to_have_count(0)


def test_keys_alone_fill_and_send_it(page: Page, form: Locator) -> None:
    form.get_by_role("textbox", name="Your words").focus()
    names = []
    for _ in range(12):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.innerText")
        )
        if names[-1] == "Loud":
            page.keyboard.press("Space")
        if names[-1] == "Forms":
            break
    order = [name for at, name in enumerate(names) if name not in names[:at]]
    assert order == ["Amount", "Times", "Any number", "Loud", "Tone", "Forms"]
    page.keyboard.press("Enter")
    expect(form.locator(".text")).to_contain_text("('loud', True)")


def test_a_fault_stands_at_its_field_and_others_below(page: Page, form: Locator) -> None:
    words = form.get_by_role("textbox", name="Your words")
    words.fill("wrong")
    send(form)
    expect(form.locator(".field.wrong")).to_have_count(1)
    expect(form.locator(".field.wrong .error")).to_have_text("say it otherwise")
    expect(form.locator(".text")).to_have_count(0)
    words.fill("broken")
    send(form)
    expect(form.locator(".problem")).to_contain_text("torn")
    expect(form.locator(".field.wrong")).to_have_count(0)
    words.fill("odd")
    send(form)
    expect(form.locator(".text")).to_contain_text('"anything": 1')
    expect(form.get_by_role("alert")).to_have_count(0)


def test_a_form_on_a_picture_gets_it_and_shows_pictures(page: Page) -> None:
    page.fill("#prompt", "a boat")
    page.fill("#txt2img_steps", "2")
    page.keyboard.press("Tab")
    page.click("#txt2img_generate")
    expect(page.locator("#txt2img_interrupt")).to_be_visible()
    eventually(expect(page.locator("#txt2img_interrupt")).to_be_hidden)
    page.get_by_role("button", name="Measure").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_role("button", name="Measure").click()
    expect(sheet.locator(".text")).to_have_text("Measure: True")
    picture = sheet.get_by_role("img", name="Measure")
    expect(picture).to_be_visible()
    assert picture.evaluate("(image) => image.naturalWidth") > 0
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)


def test_a_folder_of_the_machine_is_brought(page: Page, tmp_path: Path) -> None:
    page.get_by_role("navigation").get_by_role("button", name="Extensions", exact=True).click()
    page.click("#extensions_folder")
    path = page.get_by_label("Its whole path")
    path.fill(str(tmp_path))
    path.press("Enter")
    eventually(expect(page.get_by_role("alert")).to_contain_text, "easel-plugin.toml")
    manifest = 'name = "newcomer"\nversion = "1"\nlicence = "MIT"\n'
    (tmp_path / "easel-plugin.toml").write_text(manifest)
    path.press("Enter")
    eventually(expect(page.locator("article[data-plugin=newcomer]")).to_be_visible)
    expect(page.get_by_role("dialog")).to_have_count(0)
    changed = manifest.replace('"1"', '"2"')
    (tmp_path / "easel-plugin.toml").write_text(changed)
    page.click("#extensions_folder")
    path.fill(str(tmp_path))
    path.press("Enter")
    page.get_by_role("button", name="Replace").click()
    eventually(expect(page.locator("article[data-plugin=newcomer] .version")).to_have_text, "2")
    eventually(expect(page.get_by_role("status").last).to_contain_text, "1 change waits")
