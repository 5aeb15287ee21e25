"""The gallery in Chromium over a history of 50,000 pictures: how soon it is full, what blocks.

``python -m benchmarks.gallery`` (``--pictures`` for fewer). Chromium and Playwright are those of
the browser tests. Nothing else should run meanwhile.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, machine
from benchmarks.files_search import write_pictures
from benchmarks.gallery_pages import PICTURES
from benchmarks.service import Service, run_easel

SHOWN = 200  # pictures that are to be there
REAL = 1_000  # of the latest: whole pictures, the others are a header
SIZE = 512  # pixels a side
SCREEN = {"width": 3840, "height": 2160}  # 200 pictures and more fit on it
MAX_FILL_MS = 1_000
MAX_BLOCKED_MS = 100
INDEXED = 3_600  # seconds that reading all may take
TURNS = 60  # of the wheel

WATCH = """
window.blocked = []
new PerformanceObserver((list) => list.getEntries().forEach((one) =>
  blocked.push([one.startTime, one.duration]))).observe({ type: 'longtask', buffered: true })
"""
FILL = """(wanted) => new Promise((done) => {
  const begun = performance.now()
  const full = () => [...document.querySelectorAll('#tab_gallery .cell img')]
    .filter((one) => one.complete && one.naturalWidth).length >= wanted
  const look = () => full() ? done(performance.now() - begun) : requestAnimationFrame(look)
  document.querySelector('[data-bench]').click()
  look()
})"""
"""Milliseconds from the press on Gallery until so many pictures are decoded."""

BLOCKED = "() => Math.max(0, ...blocked.splice(0).map(([, duration]) => duration))"


def write_history(outputs: Path, count: int) -> None:
    """Pictures of which the latest can be decoded."""
    from PIL import Image

    from generator.pictures.picture_files import encode_picture

    write_pictures(outputs, count)
    latest = sorted(outputs.rglob("*.png"), key=lambda path: path.stat().st_mtime_ns)[-REAL:]
    for number, path in enumerate(latest):
        with Image.open(path) as image:
            infotext = str(image.text["parameters"])  # type: ignore[attr-defined]
        colour = (number % 256, number * 7 % 256, number * 31 % 256)
        path.write_bytes(encode_picture(Image.new("RGB", (SIZE, SIZE), colour), "png", infotext))


def wait_until_indexed(service: Service, count: int) -> float:
    """Seconds until the history knows all of them."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < INDEXED:
        page = service.get("/api/v1/pictures?limit=1")
        if page["complete"] and page["total"] >= count:
            return time.perf_counter() - begun
        time.sleep(0.5)
    raise TimeoutError(f"{count:,} pictures were not indexed within an hour")


def open_gallery(browser: Any, address: str) -> tuple[Any, float]:
    """The page with the gallery open, and the milliseconds until it was full."""
    page = browser.new_context(locale="en-US", viewport=SCREEN).new_page()
    page.set_default_timeout(120_000)
    page.add_init_script(WATCH)
    page.goto(address)
    page.wait_for_selector("#gallery .cell img")
    button = page.get_by_role("button", name="Gallery", exact=True)
    button.evaluate("(one) => one.setAttribute('data-bench', '')")
    page.evaluate(BLOCKED)  # what the start of the page blocked is another figure
    return page, float(page.evaluate(FILL, SHOWN))


def use_gallery(page: Any) -> Iterator[tuple[str, float]]:
    """What blocked longest at each thing that one does, in milliseconds."""
    grid = page.locator("#tab_gallery").get_by_role("listbox")
    yield "opening", float(page.evaluate(BLOCKED))
    grid.focus()
    for key in ("End", "Home", *["PageDown"] * 10):
        page.keyboard.press(key)
    yield "keys", float(page.evaluate(BLOCKED))
    grid.hover()
    for _ in range(TURNS):
        page.mouse.wheel(0, 1500)
    yield "wheel", float(page.evaluate(BLOCKED))
    page.locator("#tab_gallery").get_by_role("searchbox").fill("cat castle")
    page.wait_for_timeout(2_000)
    yield "search", float(page.evaluate(BLOCKED))
    grid.get_by_role("option").first.click()
    page.locator("#tab_gallery .detail dl").wait_for()
    yield "a picture", float(page.evaluate(BLOCKED))


def measure(count: int) -> Iterator[tuple[str, float, float]]:
    """Name, milliseconds, and the most that is promised."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="easel-gallery-") as name:
        data_dir = Path(name) / "data"
        write_history(data_dir, count)
        with run_easel(data_dir) as service, sync_playwright() as driver:
            service.wait_for_ping()
            print(f"indexed in {wait_until_indexed(service, count):.1f} s", flush=True)
            browser = driver.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--headless", "--no-sandbox", "--disable-gpu"],
            )
            page, first = open_gallery(browser, service.address)
            yield f"{SHOWN} pictures, thumbnails made on the way", first, 0
            page.context.close()
            page, again = open_gallery(browser, service.address)
            yield f"{SHOWN} pictures", again, MAX_FILL_MS
            for what, blocked in use_gallery(page):
                yield f"longest block: {what}", blocked, MAX_BLOCKED_MS
            browser.close()


def figures(count: int = PICTURES) -> Iterator[Figure]:
    """The lines of the table."""
    for name, took, most in measure(count):
        bar = f"≤ {most:.0f}" if most else ""
        yield Figure(
            f"gallery of {count:,}: {name}, ms", f"{took:.0f}", bar, took <= most if most else None
        )


def main() -> None:
    """Print each figure as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    print(machine())
    for one in figures(parser.parse_args().pictures):
        print(f"{one.name:70} {one.value:>7}  {one.bar:8} {one.met}", flush=True)


if __name__ == "__main__":
    main()
