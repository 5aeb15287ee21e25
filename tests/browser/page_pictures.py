"""What the tests see on the page."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page


def shown_picture(page: Page) -> Image.Image:
    """The picture on the canvas, as its download saves it."""
    with page.expect_download() as download:
        page.locator("figure a[download]").click()
    return Image.open(download.value.path())


def send(page: Page, action: str) -> None:
    """Pick an action of the menu "Send to" that the picture in sight has."""
    page.locator(".send:visible").first.click()
    page.get_by_role("menu", name="Send to").get_by_role("menuitem", name=action).click()


def share_of(pixels: NDArray[np.int16], colour: str) -> float:
    """The share (0..1) of pixels (h, w, 3) whose strongest channel is clearly ``colour``."""
    at = ("red", "green", "blue").index(colour)
    others = np.delete(pixels, at, axis=2).max(axis=2)  # (h, w)
    return float((pixels[..., at] > others + 15).mean())
