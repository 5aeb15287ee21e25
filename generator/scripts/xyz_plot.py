"""X/Y/Z plot: a sheet of drawings that differ along up to three axes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from PIL import Image

from generator.errors import BadRequest
from generator.pictures.grid import compose_grid
from generator.pictures.infotext import quote_value
from generator.pictures.legend import Label, add_legend
from generator.request import Generation, GenerationRequest, Picture
from generator.scripts.axes import AXES, IMG2IMG, NOTHING, SEEDS, TXT2IMG, Axis
from generator.scripts.request_facts import differing_facts
from generator.scripts.script_draw import ScriptDraw, derive_seed, join_generations
from generator.scripts.sheets import check_sheet_size

MODELS = frozenset({"Hires upscaler", "VAE", "Refiner checkpoint", "[ControlNet] Model"})
TITLE = "X/Y/Z plot"

Place = tuple[int, int, int]  # of a cell: along x, y, z


@dataclass(frozen=True, slots=True)
class PlotSide:
    """One axis with its values, as they were typed and as they are."""

    name: str  # X | Y | Z
    axis: Axis
    typed: str
    values: tuple[Any, ...]
    fixed: bool  # random seeds were settled once for all cells
    varies_seeds: bool


@dataclass(frozen=True, slots=True)
class PlotPlan:
    """The whole plot, before anything is drawn."""

    sides: tuple[PlotSide, PlotSide, PlotSide]
    legend: bool
    lone_pictures: bool
    sub_sheets: bool
    margin: int

    @property
    def places(self) -> Iterator[Place]:
        """All cells, x first."""
        spans = (range(len(side.values)) for side in reversed(self.sides))
        return ((x, y, z) for z, y, x in product(*spans))


def run(request: GenerationRequest, arguments: tuple[Any, ...], draw: ScriptDraw) -> Generation:
    """Draw every cell, dear changes outermost, and compose the sheets."""
    plan = read_plan(request, arguments)
    _check_models(request, plan, draw)
    cells = {
        place: draw.resolve_request_names(cell_request(request, plan, place))
        for place in plan.places
    }
    check_sheet_size(list(cells.values()))
    draw.expect(list(cells.values()))
    generations: dict[Place, Generation] = {}
    for place in sorted(cells, key=lambda place: _drawing_order(plan, place)):
        generations[place] = draw(cells[place])
        if generations[place].stopped:
            break
    pictures_by_cell = {
        place: _cell_picture(part) for place, part in generations.items() if part.pictures
    }
    generation = join_generations(list(generations.values()))
    if not pictures_by_cell:
        return generation
    first = next(iter(generations))
    pictures = tuple(pictures_by_cell[p] for p in plan.places if p in pictures_by_cell)
    return replace(
        join_generations(
            list(generations.values()), pictures=pictures if plan.lone_pictures else ()
        ),
        grids=_make_sheets(plan, pictures_by_cell),
        unshown=() if plan.lone_pictures else pictures,
        facts=differing_facts(request, cells[first])
        | _info_facts(plan, cells, pictures_by_cell, generations[first]),
    )


def read_plan(request: GenerationRequest, arguments: tuple[Any, ...]) -> PlotPlan:
    """The plot that the arguments (contract section 9.6) describe. Raises :class:`BadRequest`."""
    *sides, legend, lone, sub, keep, vary_x, vary_y, vary_z, margin, by_text = arguments
    axes = {axis.label: axis for axis in AXES[IMG2IMG if request.origin else TXT2IMG]}
    plot_sides = []
    for name, start, varies in (("X", 0, vary_x), ("Y", 3, vary_y), ("Z", 6, vary_z)):
        label, typed, chosen = sides[start : start + 3]
        axis = axes[label]
        values = axis.read(typed, chosen, by_text=by_text)
        if axis.label in SEEDS and not keep:
            values = _resolve_seeds(request, values)
        if axis.from_list and not by_text:
            typed = ",".join(chosen)
        fixed = axis.label in SEEDS and not keep
        plot_sides.append(PlotSide(name, axis, typed, tuple(values), fixed, varies))
    x, y, z = plot_sides
    return PlotPlan((x, y, z), legend, lone, sub, margin)


def _check_models(request: GenerationRequest, plan: PlotPlan, draw: ScriptDraw) -> None:
    """See that what the axes name is here. Raises :class:`BadRequest` naming the axis."""
    if draw.check_models is None:
        return
    for side in (side for side in plan.sides if side.axis.label in MODELS):
        for value in side.values:
            try:
                draw.check_models(side.axis.change(request, value, side.values))
            except BadRequest as error:
                raise BadRequest(
                    f"{side.axis.label}: {error}",
                    "script_args",
                    error.code,
                    **error.values | {"label": side.axis.label},
                ) from error


def _resolve_seeds(request: GenerationRequest, values: Sequence[int]) -> list[int]:
    """Seeds with -1 replaced by a random one, once for all cells."""
    return [
        derive_seed(request.seeds.seed, 1 + place) if value == -1 else value
        for place, value in enumerate(values)
    ]


def cell_request(request: GenerationRequest, plan: PlotPlan, place: Place) -> GenerationRequest:
    """The request of one cell."""
    step, offset = 1, 0
    for side, index in zip(plan.sides, place, strict=True):
        request = side.axis.change(request, side.values[index], side.values)
        if side.varies_seeds:
            offset += index * step
            step *= len(side.values)
    seed = request.seeds.seed
    if seed == -1:
        seed = derive_seed(cell_number(place), 0)
    return replace(request, seeds=replace(request.seeds, seed=seed + offset))


def cell_number(place: Place) -> int:
    """A number that no other cell has."""
    return (place[0] << 40) + (place[1] << 20) + place[2]


def _drawing_order(plan: PlotPlan, place: Place) -> tuple[int, ...]:
    """When a cell is drawn: what is dear to change changes last."""
    order = sorted(range(3), key=lambda i: (-plan.sides[i].axis.cost, -i))
    return tuple(place[i] for i in order)


def _cell_picture(part: Generation) -> Picture:
    """A cell's picture; several of them as one."""
    first = part.pictures[0]
    if len(part.pictures) == 1:
        return first
    return replace(first, image=compose_grid([picture.image for picture in part.pictures]))


# --- the sheets ---------------------------------------------------------------------------------


def _make_sheets(plan: PlotPlan, pictures_by_cell: dict[Place, Picture]) -> tuple[Image.Image, ...]:
    """The whole sheet, and one for each value of z where they are wanted."""
    cell = _largest_size([picture.image for picture in pictures_by_cell.values()])
    zs = len(plan.sides[2].values)
    layers = [_make_layer(plan, pictures_by_cell, cell, z) for z in range(zs)]
    if zs == 1:
        return tuple(layers)
    sheet = compose_grid(layers, rows=1)
    if plan.legend:
        titles = [[Label(word)] for word in _legend_texts(plan.sides[2])]
        sheet = add_legend(sheet, _largest_size(layers), titles, [[Label()]])
    return (sheet, *(layers if plan.sub_sheets else ()))


def _make_layer(
    plan: PlotPlan, pictures_by_cell: dict[Place, Picture], cell: tuple[int, int], z: int
) -> Image.Image:
    """The sheet of one value of z; cells that were not drawn are black."""
    x, y, _ = plan.sides
    images = [
        pictures_by_cell[i, j, z].image if (i, j, z) in pictures_by_cell else Image.new("RGB", cell)
        for j in range(len(y.values))
        for i in range(len(x.values))
    ]
    sheet = compose_grid(images, rows=len(y.values))
    if not plan.legend:
        return sheet
    columns, rows = ([[Label(word)] for word in _legend_texts(side)] for side in (x, y))
    return add_legend(sheet, cell, columns, rows, plan.margin)


def _legend_texts(side: PlotSide) -> list[str]:
    return [side.axis.legend_text(value) for value in side.values]


def _largest_size(images: Sequence[Image.Image]) -> tuple[int, int]:
    return max(image.width for image in images), max(image.height for image in images)


# --- the texts ----------------------------------------------------------------------------------


def _info_facts(
    plan: PlotPlan,
    cells: dict[Place, GenerationRequest],
    pictures_by_cell: dict[Place, Picture],
    first: Generation,
) -> dict[str, object]:
    corner = (0, 0, 0)
    texts = [
        pictures_by_cell[place].infotext if place in pictures_by_cell else ""
        for place in plan.places
    ]
    prompts = [
        pictures_by_cell[place].prompt if place in pictures_by_cell else "" for place in plan.places
    ]
    seeds = [cells[place].seeds.seed for place in plan.places]
    layers = range(len(plan.sides[2].values)) if plan.sub_sheets else range(0)
    if len(plan.sides[2].values) == 1:
        layers = range(0)
    starts = [texts[z * len(texts) // len(plan.sides[2].values)] for z in layers]
    opening = (
        _add_script_entries(pictures_by_cell[corner].infotext, plan)
        if corner in pictures_by_cell
        else ""
    )
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


def _add_script_entries(text: str, plan: PlotPlan) -> str:
    """An infotext that tells of the plot too, before the version that ends it."""
    entries = [f"Script: {TITLE}"]
    for side in plan.sides:
        if side.axis.label == NOTHING:
            continue
        entries += [
            f"{side.name} Type: {quote_value(side.axis.label)}",
            f"{side.name} Values: {quote_value(side.typed)}",
        ]
        if side.fixed:
            values = ", ".join(map(str, side.values))
            entries.append(f"Fixed {side.name} Values: {quote_value(values)}")
    for end in (", Version: ", ", User: "):
        before, mark, after = text.rpartition(end)
        if mark and "\n" not in after:
            return f"{before}, {', '.join(entries)}{mark}{after}"
    return f"{text}, {', '.join(entries)}"
