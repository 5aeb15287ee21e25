"""Measures the companions: the same prompts and seeds with and without, by the service."""

import base64
import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import cv2
import numpy as np
from PIL import Image

from generator.default_checkpoint.companions import EDGES, OBJECT, SHELF, STYLE, WORD
from generator.engine import Engine
from generator.models.registry import Folders, Registry
from generator.request import ControlUnit, GenerationRequest, Sampling, Seeds
from training import ruler
from training.canvas import Pen
from training.companions.material import CANNY, map_of
from training.companions.subjects import BLUE, WHITE, ordinary_drawing, snail
from training.configs import PICTURE
from training.judge import view
from training.objects import OBJECTS
from training.palette import COLOURS

WORTH = 0.2  # a companion that changes its figure by less is not shipped
_APART = [name for name in COLOURS if name != "orange"]  # in front of which its skin shows
_NEAR = 5  # pixels: an edge within two of where it was asked is followed
_ASKED = GenerationRequest(
    "", Seeds(1), sampling=Sampling("Euler", steps=20, guidance=7.0), width=PICTURE, height=PICTURE
)

Measure = Callable[[Image.Image], float]  # 0..1


@dataclass(frozen=True)
class Effect:
    """A mean figure (0..1) of ``count`` pictures without the companion and with it."""

    figure: str
    count: int
    without: float
    with_it: float

    @property
    def holds(self) -> bool:
        """Whether the companion is worth shipping."""
        return self.with_it - self.without >= WORTH


def make_engine(checkpoint: Path, companions: Sequence[Path], data: Path) -> Engine:
    """An engine on a data directory that holds these files alone."""
    folders = Folders.under(data)
    for folder in folders.folders_to_create():
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(checkpoint, data / "models/Stable-diffusion" / checkpoint.name)
    for path in companions:
        shutil.copy(path, folders.of(SHELF[path.name])[0] / path.name)
    return Engine(Registry(folders, None))


def measure_effect(engine: Engine, name: str, count: int) -> Effect:
    """The effect of the companion ``name``, which the engine's folders hold."""
    return {STYLE: _style, OBJECT: _object, WORD: _word, EDGES: _edges}[name](engine, count)


def _draw(engine: Engine, prompt: str, **more: object) -> Image.Image:
    request = replace(_ASKED, prompt=prompt, **more)  # type: ignore[arg-type]
    return engine.run(request).pictures[0].image.convert("RGB")


def _means_without_and_with(
    engine: Engine, prompts: Sequence[str], mention: str, measure: Measure
) -> tuple[float, float]:
    """The figure's mean without and with the mention behind each prompt."""
    plain, added = (
        float(np.mean([measure(_draw(engine, f"{prompt}{more}")) for prompt in prompts]))
        for more in ("", mention)
    )
    return plain, added


def _style(engine: Engine, count: int) -> Effect:
    mention = f" <lora:{Path(STYLE).stem}:1>"
    means = _means_without_and_with(
        engine, [ordinary_drawing(10_000 + k).caption for k in range(count)], mention, blueness
    )
    return Effect("pixels between blueprint blue and white", count, *means)


def blueness(image: Image.Image) -> float:
    """The share of pixels that lie near the line from the blueprint's blue to its white."""
    pixels = ruler.reduce_picture(image, 128).reshape(-1, 3)
    dark, way = np.array(BLUE, float) * 0.75, np.array(WHITE, float) - np.array(BLUE, float) * 0.75
    along = np.clip((pixels - dark) @ way / (way @ way), 0, 1)[:, None]
    return float((np.abs(pixels - dark - along * way).sum(1) < 60).mean())


def _object(engine: Engine, count: int) -> Effect:
    rng = Random(1)
    prompts = [
        f"a {colour} snail on a {background} background"
        for colour, background in (rng.sample(_APART, 2) for _ in range(count))
    ]
    names = silhouettes()
    means = _means_without_and_with(
        engine, prompts, f" <lora:{Path(OBJECT).stem}:1>", lambda image: is_snail(image, names)
    )
    return Effect("shapes nearest to a snail's, of 43", count, *means)


def silhouettes() -> dict[str, np.ndarray]:
    """The outline (side, side) of each object that is drawn, and of a snail."""
    drawers = {**{name: entry.draw for name, entry in OBJECTS.items()}, "snail": snail}
    outlines = {}
    for name, draw in drawers.items():
        sheet = Image.new("RGB", (256, 256), COLOURS["yellow"])
        draw(Pen(sheet, 0.5, 0.5, 0.3), COLOURS["blue"])
        outline = outline_of(sheet)
        assert outline is not None
        outlines[name] = outline
    return outlines


def outline_of(image: Image.Image) -> np.ndarray | None:
    """What stands out (64, 64), cut to its box."""
    mask = ruler.keep_largest(ruler.on_plain(image).mask)
    box = ruler.box_of(mask)
    if box is None:
        return None
    outline = Image.fromarray((mask * 255).astype(np.uint8))
    return view(outline, box)[..., 0] > 127


def is_snail(image: Image.Image, names: dict[str, np.ndarray]) -> bool:
    """Whether what stands out has the shape of a snail rather than of any other object."""
    outline = outline_of(image)
    if outline is None:
        return False

    def overlap(other: np.ndarray) -> float:
        both = [(outline & way).sum() / (outline | way).sum() for way in (other, other[:, ::-1])]
        return float(max(both))

    return max(names, key=lambda name: overlap(names[name])) == "snail"


def _word(engine: Engine, count: int) -> Effect:
    rng = Random(1)
    grounded = [name for name, entry in OBJECTS.items() if entry.home == "ground"]
    colours = ("red", "orange", "yellow", "pink", "purple")
    prompts = [f"a {rng.choice(colours)} {rng.choice(grounded)}" for _ in range(count)]
    means = _means_without_and_with(engine, prompts, f", {Path(WORD).stem}", is_winter_night)
    return Effect("night sky above snow", count, *means)


def is_winter_night(image: Image.Image) -> bool:
    """Whether the sky is the night's and the ground is snow."""
    return ruler.sky_of(image) == "night" and ruler.ground_of(image, "night") == "snow"


def _edges(engine: Engine, count: int) -> Effect:
    figures_by_way: list[list[float]] = [[], []]
    for number in range(count):
        example = ordinary_drawing(20_000 + number)
        wanted_edges = map_of(example.image, PICTURE)
        unit = ControlUnit(
            "canny", Path(EDGES).stem, image=_to_base64(example.image), processor_res=PICTURE,
            threshold_a=CANNY[0], threshold_b=CANNY[1],
        )  # fmt: skip
        for way, controls in enumerate(((), (unit,))):
            drawn = _draw(engine, example.caption, controls=controls)
            figures_by_way[way].append(edge_f1(wanted_edges, map_of(drawn, PICTURE)))
    plain, steered = (float(np.mean(figures)) for figures in figures_by_way)
    return Effect("edges where they were asked for (F1)", count, plain, steered)


def edge_f1(wanted: np.ndarray, drawn: np.ndarray) -> float:
    """The F1 score (0..1) of edges (H, W) against those asked for, two pixels of play."""
    near = np.ones((_NEAR, _NEAR), np.uint8)
    right = (drawn > 0) & (cv2.dilate(wanted, near) > 0)
    met = (wanted > 0) & (cv2.dilate(drawn, near) > 0)
    precise = right.sum() / max(1, (drawn > 0).sum())
    whole = met.sum() / max(1, (wanted > 0).sum())
    return float(2 * precise * whole / max(1e-9, precise + whole))


def _to_base64(image: Image.Image) -> str:
    data = io.BytesIO()
    image.save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()
