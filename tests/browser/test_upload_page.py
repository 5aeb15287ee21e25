"""Files brought by hand: dropped, paused, taken up again after a reload."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from easel_process import Easel, entry_name
from playwright.sync_api import Browser, Page, expect
from test_files_tab import safetensors

pytestmark = pytest.mark.browser
SLOW = 5_000_000  # bytes a second
MODEL = "uploaded-by-hand.safetensors"


@pytest.fixture
def model(easel: Easel, tmp_path: Path) -> Path:
    """A checkpoint on the reader's own disk; it takes some seconds to send."""
    return Path(shutil.copy(easel.checkpoints / "easel-default.safetensors", tmp_path / MODEL))


@pytest.fixture(scope="module")
def tab(browser: Browser, easel: Easel) -> Iterator[Page]:
    """The page of a reader who looked at txt2img first, then at the folder of models."""
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 860})
    page = context.new_page()
    page.goto(easel.url)
    page.wait_for_selector("#txt2img_generate")
    goto(page, "models", "Stable-diffusion")
    yield page
    context.close()


def goto(page: Page, *names: str) -> None:
    """Open a folder of the data directory."""
    page.get_by_role("button", name="Files", exact=True).click()
    page.get_by_role("button", name="data", exact=True).first.click()
    for name in names:
        page.get_by_role("option", name=entry_name(name, folder=True)).dblclick()
    expect(page.get_by_role("listbox", name=names[-1], exact=True)).to_be_visible()


def drop(page: Page, *files: Path) -> None:
    """Drop files of the disk on the middle of the list, as a hand does."""
    box = page.locator("[role=listbox].list").bounding_box()
    assert box is not None
    devtools = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {
            "type": kind,
            "x": box["x"] + 300,
            "y": box["y"] + box["height"] - 80,
            "data": data,
        }
        devtools.send("Input.dispatchDragEvent", event)
    devtools.detach()


def slow_down(page: Page, speed: int) -> None:
    """Let the page send so many bytes a second; -1 for as many as it can."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    line = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": speed}
    devtools.send("Network.emulateNetworkConditions", line)


def test_an_upload_is_paused_and_goes_on_after_a_reload(
    tab: Page, easel: Easel, model: Path
) -> None:
    slow_down(tab, SLOW)
    drop(tab, model)
    row = tab.locator(f"[data-upload='{MODEL}']")
    progress = row.locator("progress")
    tab.wait_for_function(
        "name => document.querySelector(`[data-upload='${name}'] progress`)?.value > 5e6", arg=MODEL
    )
    row.get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("Paused")
    assert not (easel.checkpoints / MODEL).exists()
    stood = float(progress.get_attribute("value") or 0)
    assert stood < model.stat().st_size

    tab.reload()
    expect(tab.get_by_role("listbox", name="Stable-diffusion", exact=True)).to_be_visible()
    goto(tab, "models", "Stable-diffusion")
    unfinished = tab.locator(f"[data-unfinished='{MODEL}']")
    expect(unfinished).to_contain_text("Stopped at")
    other = model.with_name("other.safetensors")
    shutil.copy(model, other)
    unfinished.locator("input[type=file]").set_input_files(other)
    expect(tab.get_by_text("That is another file.")).to_be_visible()

    first: list[int] = []
    tab.on(
        "request",
        lambda asked: (
            first.append(int(asked.headers["upload-offset"])) if asked.method == "PATCH" else None
        ),
    )
    unfinished.locator("input[type=file]").set_input_files(model)
    expect(row).to_contain_text("Uploaded")
    assert first[0] > 0  # what had gone before did not go again
    assert (easel.checkpoints / MODEL).read_bytes() == model.read_bytes()

    tab.get_by_role("button", name="Text to image", exact=True).click()
    tab.click("#checkpoint")
    tab.get_by_role("option", name="uploaded-by-hand").click()
    expect(tab.locator("#checkpoint")).to_contain_text("uploaded-by-hand")


def test_each_piece_carries_its_checksum(tab: Page, tmp_path: Path) -> None:
    file = tmp_path / "checked.txt"
    file.write_text("abc")
    goto(tab, "outputs")
    with tab.expect_request(lambda asked: asked.method == "PATCH") as sent:
        drop(tab, file)
    digest = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="  # FIPS 180-2, of "abc"
    assert sent.value.headers["upload-checksum"] == f"sha256 {digest}"


def test_a_folder_is_uploaded_with_what_it_holds(tab: Page, easel: Easel, tmp_path: Path) -> None:
    (tmp_path / "set" / "deep").mkdir(parents=True)
    (tmp_path / "set" / "one.txt").write_text("1")
    (tmp_path / "set" / "deep" / "two.txt").write_text("2")
    goto(tab, "outputs")
    drop(tab, tmp_path / "set")
    expect(tab.locator("[data-upload='two.txt']")).to_contain_text("Uploaded")
    expect(tab.get_by_role("option", name=entry_name("set", folder=True))).to_be_visible()
    assert (easel.data_dir / "outputs" / "set" / "deep" / "two.txt").read_text() == "2"


def test_a_taken_name_is_asked_about(tab: Page, easel: Easel, tmp_path: Path) -> None:
    here = easel.data_dir / "outputs"
    (here / "taken.txt").write_text("old")
    (tmp_path / "taken.txt").write_text("new")
    goto(tab, "outputs")
    drop(tab, tmp_path / "taken.txt")
    sheet = tab.get_by_role("dialog", name="These names are taken")
    expect(sheet).to_contain_text("taken.txt")
    sheet.get_by_role("button", name="Keep both").click()
    expect(tab.get_by_role("option", name=entry_name("taken (1).txt"))).to_be_visible()
    assert (here / "taken.txt").read_text() == "old"
    assert (here / "taken (1).txt").read_text() == "new"


def test_a_lora_is_offered_its_own_folder(tab: Page, easel: Easel, tmp_path: Path) -> None:
    safetensors(tmp_path / "style.safetensors", {"ss_network_module": "networks.lora"})
    goto(tab, "outputs")
    drop(tab, tmp_path / "style.safetensors")
    sheet = tab.get_by_role("dialog", name="A better place?")
    expect(sheet).to_contain_text("Put style.safetensors into /data/models/Lora")
    sheet.get_by_role("button", name="Put them there").click()
    expect(tab.locator("[data-upload='style.safetensors']")).to_contain_text("Uploaded")
    assert (easel.data_dir / "models" / "Lora" / "style.safetensors").is_file()
