"""The canvas: tools, undo, layers, masks from and to files, pens, fingers, full screen."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from easel_process import (
    JOBS,
    RESULT,
    ROOT,
    WIDTH,
    Easel,
    asked_pictures,
    eventually,
    expect_toast,
    open_sections,
    until,
)
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser
SIDE = 128  # pixels of the picture
CANVAS = ".canvas-editor [role=application]"
SHOWN = f"document.querySelector('{CANVAS} canvas')?.offsetHeight > 50"
AXE = ROOT / "static" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = """axe.run('.canvas-editor').then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`)))"""
TOUCH = """([canvas, type, events]) => {
  const at = document.querySelector(canvas)
  const { left, top, width, height } = at.getBoundingClientRect()
  for (const [name, pointerId, x, y, pressure] of events)
    at.dispatchEvent(new PointerEvent(name, { bubbles: true, pointerType: type, pointerId, pressure,
      clientX: left + x * width, clientY: top + y * height,
      button: name === 'pointermove' ? -1 : 0 }))
}"""  # x and y are shares of the canvas


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (SIDE, SIDE), (120, 120, 120)).save(tmp_path / "grey.png")
    return tmp_path / "grey.png"


@pytest.fixture
def canvas(page: Page, picture: Path) -> Page:
    """The page with a picture on the canvas, to be inpainted; nothing is drawn."""
    page.route(JOBS, lambda route: route.fulfill(status=422, json={"detail": []}))
    open_canvas(page, picture, "Image to image", "Inpaint")
    return page


def open_canvas(page: Page, picture: Path, tab: str, mode: str) -> None:
    page.get_by_role("button", name=tab).click()
    page.set_input_files("#mode_img2img .source input[type=file]", picture)
    page.get_by_role("radio", name=mode, exact=True).click()
    until(page, SHOWN)


def capture_request(page: Page) -> Any:
    with page.expect_request(JOBS) as request:
        page.click("#img2img_generate")
    return asked_pictures(request.value)


def button(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def drag(page: Page, *points: tuple[float, float]) -> None:
    """With the mouse; in shares of the picture, which fills the canvas's height."""
    box = page.locator(f"{CANVAS} canvas").first.bounding_box()
    assert box is not None
    side = min(box["width"], box["height"])
    left, top = box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2
    for at, (x, y) in enumerate(points):
        page.mouse.move(left + x * side, top + y * side, steps=1 if at == 0 else 4)
        if at == 0:
            page.mouse.down()
    page.mouse.up()


def pixels(uri: str) -> NDArray[np.int16]:
    data = base64.b64decode(uri.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.int16)  # (h, w, 3)


def saved_mask(page: Page) -> NDArray[np.int16]:
    """The mask as a file of it has it, (h, w)."""
    with page.expect_download() as download:
        button(page, "Save the mask")
    return np.asarray(Image.open(download.value.path()).convert("L"), dtype=np.int16)


def touch(page: Page, kind: str, *events: tuple[str, int, float, float, float]) -> None:
    """Pointer events (name, id, x, y, pressure); x and y are shares of the canvas."""
    page.evaluate(TOUCH, [CANVAS, kind, [[f"pointer{name}", *rest] for name, *rest in events]])


def paint_rectangle(page: Page) -> NDArray[np.int16]:
    button(page, "Rectangle")
    drag(page, (0.25, 0.25), (0.5, 0.5))
    return saved_mask(page)


def test_each_tool_is_undone_and_done_again(canvas: Page) -> None:
    before = paint_rectangle(canvas)
    assert before[33:63, 33:63].min() == 255
    assert before[:31].max() == before[66:].max() == before[:, 66:].max() == 0

    def act_with(name: str, *points: tuple[float, float]) -> NDArray[np.int16]:
        """The mask after one act, which was undone and done again meanwhile; then it is undone."""
        button(canvas, name)
        if points:
            drag(canvas, *points)
        after = saved_mask(canvas)
        assert (after != before).any(), name
        button(canvas, "Undo")
        assert (saved_mask(canvas) == before).all(), name
        button(canvas, "Redo")
        assert (saved_mask(canvas) == after).all(), name
        canvas.keyboard.press("Control+z")
        return after

    hard = act_with("Brush", (0.2, 0.75), (0.8, 0.75))
    assert hard[96, 32:96].min() == 255
    assert hard[120:].max() == 0
    canvas.get_by_role("slider", name="Softness").press("End")
    soft = act_with("Brush", (0.2, 0.75), (0.8, 0.75))
    assert soft[96, 64] > 200
    assert 0 < soft[101, 64] < 255
    column = soft[80:112, 64]
    assert np.abs(np.diff(column)).max() < 110  # it fades; a hard edge is a step of 255
    lasso = act_with("Lasso", (0.6, 0.6), (0.9, 0.6), (0.9, 0.9), (0.6, 0.6))
    assert lasso[80, 112] == 255
    assert lasso[112, 80] == 0
    inverted = act_with("Invert the mask")
    assert (inverted == 255 - before).all()
    erased = act_with("Eraser", (0.3, 0.3), (0.4, 0.3), (0.4, 0.4), (0.3, 0.3))
    assert erased[41, 50] == 0
    button(canvas, "Clear the mask")
    button(canvas, "Undo")
    assert (saved_mask(canvas) == before).all()


def test_pens_and_fingers(canvas: Page) -> None:
    undo = canvas.get_by_role("button", name="Undo", exact=True)
    fingers = [("down", 1, 0.4, 0.5, 1.0), ("down", 2, 0.6, 0.5, 1.0), ("move", 2, 0.8, 0.5, 1.0)]
    touch(canvas, "touch", *fingers, ("up", 1, 0.4, 0.5, 0.0), ("up", 2, 0.8, 0.5, 0.0))
    expect(undo).to_be_disabled()  # the stroke of the first finger was taken back
    button(canvas, "Show all")

    def width_of(pressure: float) -> int:
        line = [("down", 3, 0.5, 0.3, pressure), ("move", 3, 0.5, 0.6, pressure)]
        touch(canvas, "pen", *line, ("up", 3, 0.5, 0.6, 0.0))
        painted = saved_mask(canvas)
        undo.click()
        return int((painted[60] > 127).sum())

    light, firm = width_of(0.1), width_of(1.0)
    assert 1 <= light <= 5
    assert 12 <= firm <= 18
    button(canvas, "Pen pressure")
    assert width_of(0.1) == firm
    touch(canvas, "touch", ("down", 4, 0.5, 0.5, 1.0), ("up", 4, 0.5, 0.5, 0.0))
    expect(undo).to_be_disabled()  # a hand on the glass, beside the pen


def test_what_is_hidden_is_not_sent(canvas: Page, tmp_path: Path) -> None:
    painted = paint_rectangle(canvas)
    Image.fromarray(painted.astype(np.uint8)).save(tmp_path / "mask.png")
    button(canvas, "Clear the mask")
    canvas.set_input_files(".canvas-editor input[type=file]", tmp_path / "mask.png")
    until(canvas, "!document.querySelector('.canvas-editor [aria-label=Undo]').disabled")
    assert (saved_mask(canvas) == painted).all()

    button(canvas, "Paint")
    canvas.fill(".canvas-editor input[type=color]", "#ff0000")
    drag(canvas, (0.6, 0.6), (0.9, 0.9))
    body = capture_request(canvas)
    assert (pixels(body["mask"])[..., 0] == painted).all()
    sent = pixels(body["init_images"][0])
    assert tuple(sent[96, 96]) == (255, 0, 0)
    assert (sent[:70] == 120).all()
    button(canvas, "Paint: shown and sent")
    assert (pixels(capture_request(canvas)["init_images"][0]) == 120).all()
    button(canvas, "Mask: shown and sent")
    canvas.click("#img2img_generate")
    expect_toast(canvas, "Paint over what shall be drawn anew.")


def test_full_screen_and_keys(canvas: Page) -> None:
    editor = canvas.locator(".canvas-editor")
    canvas.locator(CANVAS).focus()
    canvas.keyboard.press("s")
    expect(editor).to_have_css("position", "fixed")
    box = editor.bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (1280, 860)
    canvas.keyboard.press("Enter")  # a dab in the middle
    canvas.keyboard.press("Shift+ArrowRight")
    canvas.keyboard.press("w")
    canvas.keyboard.press("Escape")
    expect(editor).to_have_css("position", "static")
    expect(canvas.locator(CANVAS)).to_be_focused()
    painted = saved_mask(canvas)
    assert painted[64, 60] == painted[64, 70] == 255
    assert painted[:50].max() == 0
    canvas.evaluate(AXE.read_text(encoding="utf-8"))
    assert canvas.evaluate(SERIOUS) == []


def test_a_phone_in_the_dark(browser: Browser, easel: Easel, picture: Path) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, locale="zh-CN", color_scheme="dark"
    )
    page = context.new_page()
    page.goto(easel.url)
    page.locator("nav.phone").wait_for()
    open_sections(page)
    open_canvas(page, picture, "图生图", "局部重绘")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert page.evaluate(SERIOUS) == []
    assert page.evaluate(WIDTH) <= 390
    page.get_by_role("button", name="全屏", exact=True).tap()
    box = page.locator(CANVAS).bounding_box()
    assert box is not None
    assert box["width"] == 390
    assert box["height"] > 500
    assert page.evaluate(SERIOUS) == []
    context.close()


MIDDLE_RIGHT = """canvas => { const at = document.querySelector(canvas + ' canvas')
  const { data } = at.getContext('2d').getImageData(at.width * 0.75, at.height / 2, 1, 1)
  return [...data].slice(0, 3) }"""  # the colour of a pixel that is in the grown part


def test_a_dragged_frame_is_drawn_and_accepted_in_place(page: Page, picture: Path) -> None:
    open_canvas(page, picture, "Image to image", "Inpaint")
    button(page, "Frame: draw beyond the picture (outpainting)")
    box = page.locator(f"{CANVAS} canvas").first.bounding_box()
    assert box is not None
    side = 0.6 * min(box["width"], box["height"])  # of the picture; the rest is to drag into
    x, y = box["x"] + (box["width"] + side) / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + side / 2, y, steps=3)
    page.mouse.up()
    expect(page.locator("#img2img_width")).to_have_value("192")
    button(page, "Undo")
    expect(page.locator("#img2img_width")).to_have_value(str(SIDE))
    button(page, "Redo")
    expect(page.locator("#img2img_width")).to_have_value("192")
    expect(page.locator("#img2img_height")).to_have_value(str(SIDE))
    mask = saved_mask(page)
    assert mask.shape == (SIDE, 192)
    assert (mask[:, :120].max(), mask[:, 120:].min()) == (0, 255)

    page.fill("#prompt", "a red house")
    for name, value in (("steps", "2"), ("denoising_strength", "1"), ("batch_size", "2")):
        page.fill(f"#img2img_{name}", value)
        page.keyboard.press("Tab")
    with page.expect_response(RESULT) as answer:
        page.click("#img2img_generate")
    bar = page.get_by_role("group", name="What was drawn")
    eventually(expect(bar).to_be_visible)
    drawn = pixels("," + answer.value.json()["images"][-1])
    assert drawn.shape == (SIDE, 192, 3)
    assert np.abs(drawn[:, :100] - 120).max() <= 3  # the old part is as it was
    button(page, "Show all")
    until(page, f"(canvas => ({MIDDLE_RIGHT})(canvas).join() !== '120,120,120')('{CANVAS}')")
    page.locator(CANVAS).focus()
    page.keyboard.down("o")
    until(page, f"(canvas => ({MIDDLE_RIGHT})(canvas).join() === '120,120,120')('{CANVAS}')")
    page.keyboard.up("o")
    thumbs = bar.get_by_role("button", name="Picture")
    expect(thumbs).to_have_count(2)
    button(page, "Throw away")
    expect(thumbs).to_have_count(1)
    button(page, "Undo")
    expect(thumbs).to_have_count(2)
    button(page, "Accept")
    expect(bar).to_have_count(0)
    expect(page.locator(".source .size")).to_have_text(f"192 × {SIDE}")
    button(page, "Undo")
    expect(page.locator(".source .size")).to_have_text(f"{SIDE} × {SIDE}")
    expect(thumbs).to_have_count(2)
