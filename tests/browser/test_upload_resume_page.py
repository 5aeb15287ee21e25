"""Uploads of the page that outlast what happens to them: a restart, a second tab, a full disk."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from easel_process import Easel, eventually, free_port, running_easel, until
from playwright.sync_api import Browser, Locator, Page, Route, expect
from test_upload_page import MODEL, SLOW, drop, goto, slow_down

pytestmark = pytest.mark.browser
PATIENCE = 30_000  # milliseconds
PIECES = "**/uploads/*"  # where the page sends them
expect.set_options(timeout=PATIENCE)


class Service:
    """Easel on one port and one data directory, which may be stopped and started again."""

    def __init__(self, data_dir: Path, *flags: str) -> None:
        self.data_dir, self.flags, self.port = data_dir, flags, free_port()
        self.running = ExitStack()
        self.easel = self.start()

    def start(self) -> Easel:
        """Start it, and wait until it answers."""
        return self.running.enter_context(running_easel(self.data_dir, *self.flags, port=self.port))

    def stop(self) -> None:
        """Stop it, and wait until it has ended."""
        self.running.close()


@pytest.fixture(scope="module")
def service(page_and_browser: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("outlasting") / "data")
    yield made
    made.stop()


@pytest.fixture
def model(service: Service, tmp_path: Path) -> Iterator[Path]:
    """A checkpoint on the reader's own disk; it takes some seconds to send. Gone afterwards."""
    default = service.easel.checkpoints / "easel-default.safetensors"
    yield Path(shutil.copy(default, tmp_path / MODEL))
    (service.easel.checkpoints / MODEL).unlink(missing_ok=True)


def open_models_page(browser: Browser, service: Service) -> Page:
    """A reader's page, at the folder of checkpoints."""
    page = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 860}).new_page()
    at_models(page, service)
    return page


def at_models(page: Page, service: Service) -> None:
    """Load the page and open the folder of checkpoints."""
    page.goto(service.easel.url)
    page.wait_for_selector("#txt2img_generate")
    goto(page, "models", "Stable-diffusion")


def wait_for_bytes(page: Page, least: float) -> None:
    """Until the row of the model says that so many bytes went."""
    until(
        page,
        "([name, least]) => "
        "document.querySelector(`[data-upload='${name}'] progress`)?.value > least",
        [MODEL, least],
    )


def choose(page: Page, model: Path) -> None:
    """Name the file with which an unfinished upload goes on."""
    unfinished = page.locator(f"[data-unfinished='{MODEL}']")
    expect(unfinished).to_contain_text("Stopped at")
    unfinished.locator("input[type=file]").set_input_files(model)


def offsets(page: Page) -> list[int]:
    """Grows with each piece that the page sends: where it began."""
    found: list[int] = []
    page.on(
        "request",
        lambda asked: (
            found.append(int(asked.headers["upload-offset"])) if asked.method == "PATCH" else None
        ),
    )
    return found


def hold_pieces(page: Page) -> Callable[[], None]:
    """Keep the page from sending further pieces; returns what lets them go."""
    held: list[Route] = []
    gone = False

    def hold(route: Route) -> None:
        if gone or route.request.method != "PATCH":
            route.continue_()
        else:
            held.append(route)

    def let_go() -> None:
        nonlocal gone
        gone = True
        for route in held:
            route.continue_()

    page.route(PIECES, hold)
    return let_go


def choices(page: Page) -> Locator:
    """What the selector of checkpoints offers, in a page that is not loaded anew."""
    page.get_by_role("button", name="Text to image", exact=True).click()
    page.click("#checkpoint")
    page.wait_for_selector("#cards")
    return page.get_by_role("option", name=MODEL.removesuffix(".safetensors"))


def test_an_upload_goes_on_after_the_server_was_restarted(
    browser: Browser, service: Service, model: Path
) -> None:
    page = open_models_page(browser, service)
    slow_down(page, SLOW)
    drop(page, model)
    row = page.locator(f"[data-upload='{MODEL}']")
    wait_for_bytes(page, 5e6)
    row.get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("Paused")
    service.stop()
    assert not (service.easel.checkpoints / MODEL).exists()
    service.start()

    at_models(page, service)
    slow_down(page, -1)
    expect(choices(page)).to_have_count(0)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Files", exact=True).click()
    sent = offsets(page)
    choose(page, model)
    eventually(expect(row).to_contain_text, "Uploaded")
    assert sent[0] > 0  # what had gone before the restart did not go again
    assert (service.easel.checkpoints / MODEL).read_bytes() == model.read_bytes()
    expect(choices(page).first).to_be_visible()
    page.context.close()


def test_an_upload_goes_on_by_itself_when_the_server_is_back(
    browser: Browser, service: Service, model: Path
) -> None:
    page = open_models_page(browser, service)
    slow_down(page, SLOW)
    drop(page, model)
    wait_for_bytes(page, 5e6)
    service.stop()
    service.start()
    row = page.locator(f"[data-upload='{MODEL}']")
    eventually(expect(row).to_contain_text, "Uploaded")
    assert (service.easel.checkpoints / MODEL).read_bytes() == model.read_bytes()
    page.context.close()


def test_two_tabs_on_one_upload_make_one_whole_file(
    browser: Browser, service: Service, model: Path
) -> None:
    first = open_models_page(browser, service)
    slow_down(first, SLOW)
    drop(first, model)
    wait_for_bytes(first, 5e6)
    let_go = hold_pieces(first)  # or it is done before a busy machine has opened the second
    second = open_models_page(browser, service)
    choose(second, model)
    let_go()
    for page in (first, second):
        row = page.locator(f"[data-upload='{MODEL}']")
        eventually(expect(row).to_contain_text, "Uploaded")
    assert (service.easel.checkpoints / MODEL).read_bytes() == model.read_bytes()
    assert [path.name for path in service.easel.checkpoints.glob("uploaded*")] == [MODEL]
    for page in (first, second):
        page.context.close()


@pytest.fixture
def small(page_and_browser: None, tmp_path: Path) -> Iterator[Service]:
    """Easel on a disk of 128 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk")
    made = Service(place / "data", "--upload-spare=0")
    yield made
    made.stop()
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(path: Path, leave: int = 0) -> None:
    """Write a file until the disk has no more room than ``leave`` bytes."""
    disk = os.statvfs(path.parent)
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - leave)


def test_a_full_disk_is_told_and_the_upload_goes_on_after_room_was_made(
    browser: Browser, small: Service, tmp_path: Path
) -> None:
    model = Path(
        shutil.copy(small.easel.checkpoints / "easel-default.safetensors", tmp_path / MODEL)
    )
    filler = small.data_dir / "filler"
    fill(filler, leave=1 << 20)
    page = open_models_page(browser, small)
    row = page.locator(f"[data-upload='{MODEL}']")
    drop(page, model)
    eventually(expect(row).to_contain_text, "Delete something")  # before a byte was sent
    filler.unlink()
    slow_down(page, SLOW)
    row.get_by_role("button", name="Try again").click()
    wait_for_bytes(page, 5e6)
    fill(filler)
    eventually(expect(row).to_contain_text, "from what is kept")
    assert not (small.easel.checkpoints / MODEL).exists()
    filler.unlink()
    sent = offsets(page)
    row.get_by_role("button", name="Try again").click()
    eventually(expect(row).to_contain_text, "Uploaded")
    assert (small.easel.checkpoints / MODEL).read_bytes() == model.read_bytes()
    assert sent[0] > 0
    page.context.close()
