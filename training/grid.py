"""Draws the grid of fixed prompts, not picked by hand."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

GRID_PROMPTS = (
    "a red house on green grass at night",
    "a blue boat at night",
    "an orange cat on green grass",
    "a white house in the snow",
    "a red car on the road at sunset",
    "a yellow balloon under a blue sky with clouds",
    "a purple flower on green grass",
    "a green pine tree in the snow at night with stars",
    "a blue circle on a white background",
    "a yellow star in the top right corner on a purple background",
    "a red heart on a pink background",
    "a black cat on the left on a yellow background",
    "a white rabbit in the bottom right corner on a blue background",
    "a red boat on the sea at sunset",
    "a pink castle in a green field",
    "a brown dog on the beach",
    "a green triangle to the left of a red square on a white background",
    "three yellow stars on a blue background",
    "a red apple on a white background",
    "a teal butterfly on an orange background",
    "a robot in the desert",
    "a large green tree on a light blue background",
    "a woman in a red dress on green grass",
    "masterpiece, best quality, a blue house on the grass at dawn",
)


def sheet(pictures: Sequence[Image.Image], prompts: Sequence[str], columns: int = 6) -> Image.Image:
    """The pictures in rows, each prompt below its picture."""
    side, text = 256, 28
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * side, rows * (side + text)), "white")
    pen = ImageDraw.Draw(page)
    for index, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True)):
        x, y = index % columns * side, index // columns * (side + text)
        page.paste(picture.resize((side, side)), (x, y))
        pen.text((x + 3, y + side), f"{prompt[:40]}\n{prompt[40:80]}", fill="black", font_size=11)
    return page
