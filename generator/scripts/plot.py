"""X/Y/Z plot: a sheet of drawings that differ along up to three axes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from PIL import Image

from generator.errors import BadRequest
from generator.pictures.grid import grid
from generator.pictures.infotext import quote
from generator.pictures.legend import Label, with_legend
from generator.request import Generation, GenerationRequest, Picture
from generator.scripts.axes import AXES, IMG2IMG, NOTHING, SEEDS, TXT2IMG, Axis
from generator.scripts.drawing import Draw, another_seed, joined
from generator.scripts.sheets import check_size
from generator.scripts.told import differing

MODELS = frozenset({"Hires upscaler", "VAE", "Refiner checkpoint", "[ControlNet] Model"})
TITLE = "X/Y/Z plot"

Place = tuple[int, int, int]  # of a cell: along x, y, z


@dataclass(frozen=True, slots=True)
class Side:
    """One axis with its values, as they were typed and as they are."""

    name: str  # X | Y | Z
    axis: Axis
    typed: str
    values: tuple[Any, ...]
    fixed: bool  # random seeds were settled once for all cells
    varies_seeds: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plot, before anything is drawn."""

    sides: tuple[Side, Side, Side]
    legend: bool
    lone_pictures: bool
    sub_sheets: bool
    margin: int

    @property
    def places(self) -> Iterator[Place]:
        """All cells, x first."""
        spans = (range(len(side.values)) for side in reversed(self.sides))
        return ((x, y, z) for z, y, x in product(*spans))


def run(request: GenerationRequest, arguments: tuple[Any, ...], draw: Draw) -> Generation:
    """Draw every cell, dear changes outermost, and compose the sheets."""
    plan = read_plan(request, arguments)
    _check_models(request, plan, draw)
    cells = {place: draw.settled(cell(request, plan, place)) for place in plan.places}
    check_size(list(cells.values()))
    draw.expect(list(cells.values()))
    drawn: dict[Place, Generation] = {}
    for place in sorted(cells, key=lambda place: _turn(plan, place)):
        drawn[place] = draw(cells[place])
        if drawn[place].stopped:
            break
    shown = {place: _shown(part) for place, part in drawn.items() if part.pictures}
    whole = joined(list(drawn.values()))
    if not shown:
        return whole
    first = next(iter(drawn))
    pictures = tuple(shown[p] for p in plan.places if p in shown)
    return replace(
        joined(list(drawn.values()), pictures=pictures if plan.lone_pictures else ()),
        grids=_sheets(plan, shown),
        unshown=() if plan.lone_pictures else pictures,
        facts=differing(request, cells[first]) | _facts(plan, cells, shown, drawn[first]),
    )


def read_plan(request: GenerationRequest, arguments: tuple[Any, ...]) -> Plan:
    """The plot that the arguments (contract section 9.6) describe. Raises :class:`BadRequest`."""
    *sides, legend, lone, sub, keep, vary_x, vary_y, vary_z, margin, by_text = arguments
    axes = {axis.label: axis for axis in AXES[IMG2IMG if request.origin else TXT2IMG]}
    found = []
    for name, start, varies in (("X", 0, vary_x), ("Y", 3, vary_y), ("Z", 6, vary_z)):
        label, typed, chosen = sides[start : start + 3]
        axis = axes[label]
        values = axis.read(typed, chosen, by_text=by_text)
        if axis.label in SEEDS and not keep:
            values = _settled(request, values)
        if axis.chosen and not by_text:
            typed = ",".join(chosen)
        fixed = axis.label in SEEDS and not keep
        found.append(Side(name, axis, typed, tuple(values), fixed, varies))
    x, y, z = found
    return Plan((x, y, z), legend, lone, sub, margin)


def _check_models(request: GenerationRequest, plan: Plan, draw: Draw) -> None:
    """See that what the axes name is here. Raises :class:`BadRequest` naming the axis."""
    if draw.check is None:
        return
    for side in (side for side in plan.sides if side.axis.label in MODELS):
        for value in side.values:
            try:
                draw.check(side.axis.change(request, value, side.values))
            except BadRequest as error:
                raise BadRequest(f"{side.axis.label}: {error}", "script_args") from error


def _settled(request: GenerationRequest, values: Sequence[int]) -> list[int]:
    """Seeds with -1 replaced by a random one, once for all cells."""
    return [
        another_seed(request.seeds.seed, 1 + place) if value == -1 else value
        for place, value in enumerate(values)
    ]


def cell(request: GenerationRequest, plan: Plan, place: Place) -> GenerationRequest:
    """The request of one cell."""
    step, offset = 1, 0
    for side, index in zip(plan.sides, place, strict=True):
        request = side.axis.change(request, side.values[index], side.values)
        if side.varies_seeds:
            offset += index * step
            step *= len(side.values)
    seed = request.seeds.seed
    if seed == -1:
        seed = another_seed(hash_of(place), 0)
    return replace(request, seeds=replace(request.seeds, seed=seed + offset))


def hash_of(place: Place) -> int:
    """A number that no other cell has."""
    return (place[0] << 40) + (place[1] << 20) + place[2]


def _turn(plan: Plan, place: Place) -> tuple[int, ...]:
    """When a cell is drawn: what is dear to change changes last."""
    order = sorted(range(3), key=lambda i: (-plan.sides[i].axis.cost, -i))
    return tuple(place[i] for i in order)


def _shown(part: Generation) -> Picture:
    """A cell's picture; several of them as one."""
    first = part.pictures[0]
    if len(part.pictures) == 1:
        return first
    return replace(first, image=grid([picture.image for picture in part.pictures]))


# --- the sheets ---------------------------------------------------------------------------------


def _sheets(plan: Plan, shown: dict[Place, Picture]) -> tuple[Image.Image, ...]:
    """The whole sheet, and one for each value of z where they are wanted."""
    cell = _largest([picture.image for picture in shown.values()])
    zs = len(plan.sides[2].values)
    layers = [_layer(plan, shown, cell, z) for z in range(zs)]
    if zs == 1:
        return tuple(layers)
    whole = grid(layers, rows=1)
    if plan.legend:
        titles = [[Label(word)] for word in _words(plan.sides[2])]
        whole = with_legend(whole, _largest(layers), titles, [[Label()]])
    return (whole, *(layers if plan.sub_sheets else ()))


def _layer(plan: Plan, shown: dict[Place, Picture], cell: tuple[int, int], z: int) -> Image.Image:
    """The sheet of one value of z; cells that were not drawn are black."""
    x, y, _ = plan.sides
    images = [
        shown[i, j, z].image if (i, j, z) in shown else Image.new("RGB", cell)
        for j in range(len(y.values))
        for i in range(len(x.values))
    ]
    sheet = grid(images, rows=len(y.values))
    if not plan.legend:
        return sheet
    columns, rows = ([[Label(word)] for word in _words(side)] for side in (x, y))
    return with_legend(sheet, cell, columns, rows, plan.margin)


def _words(side: Side) -> list[str]:
    return [side.axis.word(value) for value in side.values]


def _largest(images: Sequence[Image.Image]) -> tuple[int, int]:
    return max(image.width for image in images), max(image.height for image in images)


# --- the texts ----------------------------------------------------------------------------------


def _facts(
    plan: Plan,
    cells: dict[Place, GenerationRequest],
    shown: dict[Place, Picture],
    first: Generation,
) -> dict[str, object]:
    corner = (0, 0, 0)
    texts = [shown[place].infotext if place in shown else "" for place in plan.places]
    prompts = [shown[place].prompt if place in shown else "" for place in plan.places]
    seeds = [cells[place].seeds.seed for place in plan.places]
    layers = range(len(plan.sides[2].values)) if plan.sub_sheets else range(0)
    if len(plan.sides[2].values) == 1:
        layers = range(0)
    starts = [texts[z * len(texts) // len(plan.sides[2].values)] for z in layers]
    opening = _with_script(shown[corner].infotext, plan) if corner in shown else ""
    wanted = cells[corner]
    varied = any(side.axis.label == "Var. strength" for side in plan.sides)
    strength = {"subseed_strength": wanted.seeds.variation_strength} if varied else {}
    return strength | {
        "prompt": first.pictures[0].prompt,
        "all_prompts": [*(prompts[0] for _ in layers), *prompts],
        "all_negative_prompts": [picture.negative_prompt for picture in first.pictures],
        "all_seeds": [*(seeds[0] for _ in layers), *seeds],
        "all_subseeds": [wanted.seeds.variation_seed + i for i in range(wanted.picture_count)],
        "index_of_first_image": 1,
        "infotexts": [opening, *starts, *texts],
    }


def _with_script(text: str, plan: Plan) -> str:
    """An infotext that tells of the plot too, before the version that ends it."""
    entries = [f"Script: {TITLE}"]
    for side in plan.sides:
        if side.axis.label == NOTHING:
            continue
        entries += [
            f"{side.name} Type: {quote(side.axis.label)}",
            f"{side.name} Values: {quote(side.typed)}",
        ]
        if side.fixed:
            values = ", ".join(map(str, side.values))
            entries.append(f"Fixed {side.name} Values: {quote(values)}")
    for end in (", Version: ", ", User: "):
        before, mark, after = text.rpartition(end)
        if mark and "\n" not in after:
            return f"{before}, {', '.join(entries)}{mark}{after}"
    return f"{text}, {', '.join(entries)}"
