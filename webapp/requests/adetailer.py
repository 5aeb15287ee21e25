"""ADetailer's arguments, for the built-in detailer: what the widespread extension's clients send.

``alwayson_scripts.ADetailer.args`` is ``[on, skip_img2img, {unit}, ...]``; the two switches may be
left out. One unit is done; what of it the detailer cannot do is told.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType

from plugins.detailer.wishes import FACE, NAME
from plugins.nouns import Input
from webapp.errors import Refused
from webapp.requests.fields import DrawingBody
from webapp.requests.given import Given

ADETAILER = "adetailer"
LABELS = ("eyes", FACE, "hand", "person")
"""Words in the names of ADetailer's models -> what the detailer shall find, the first that fits."""

LONGEST_LABEL = 60  # characters
PROMPT, SEPARATOR = "[PROMPT]", "[SEP]"
NUMBERS: Mapping[str, str] = MappingProxyType(
    {
        "ad_denoising_strength": "strength",
        "ad_inpaint_only_masked_padding": "padding",
        "ad_dilate_erode": "grow",
        "ad_mask_blur": "blur",
        "ad_confidence": "least_score",
    }
)
"""Numbers that both have."""

UNDONE: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "ad_x_offset": (0,),
        "ad_y_offset": (0,),
        "ad_mask_merge_invert": ("None", ""),
        "ad_mask_min_ratio": (0,),
        "ad_mask_max_ratio": (1,),
        "ad_inpaint_only_masked": (True,),
        "ad_use_inpaint_width_height": (False,),
        "ad_use_steps": (False,),
        "ad_use_cfg_scale": (False,),
        "ad_use_checkpoint": (False,),
        "ad_use_vae": (False,),
        "ad_use_sampler": (False,),
        "ad_use_noise_multiplier": (False,),
        "ad_use_clip_skip": (False,),
        "ad_restore_face": (False,),
        "ad_controlnet_model": ("None", ""),
    }
)
"""Fields that the detailer has not, with the values that ask for nothing."""


def with_detailer(body: DrawingBody, given: Given) -> Mapping[str, object]:
    """``alwayson_scripts`` with ADetailer's arguments as those of the detailer.

    Raises ``Refused`` for arguments that are no list.
    """
    own = body.alwayson_scripts
    named = [key for key in own if key.lower() == ADETAILER]
    rest = {key: value for key, value in own.items() if key not in named}
    units = list(units_of(named[0], own[named[0]], body.route, given)) if named else []
    if not units:
        return rest
    if NAME not in given.panels:
        given.tell("ADetailer: the plugin detailer is off; drawn without it.")
        return rest
    if NAME in rest:
        given.tell("ADetailer: the detailer is asked for by its own name too; that alone is done.")
        return rest
    if len(units) > 1:
        given.tell(f"ADetailer: {len(units)} units are on; the first alone is done.")
    return rest | {NAME: panel_of(units[0], body.prompt or "", given)}


def units_of(name: str, told: object, route: str, given: Given) -> Iterator[Mapping[str, object]]:
    """The units that are on."""
    args = told.get("args", []) if isinstance(told, Mapping) else None
    if not isinstance(args, list):
        raise Refused(f'alwayson_scripts.{name}: expected {{"args": [...]}}.')
    switches = [arg for arg in args if isinstance(arg, bool)]
    if switches[:1] == [False]:
        return
    if route == "img2img" and switches[1:2] == [True]:
        given.tell("ADetailer: skip_img2img is not done; the picture is drawn before its details.")
    for arg in args:
        if isinstance(arg, Mapping) and arg.get("ad_tab_enable", True) and model_of(arg):
            yield arg


def model_of(unit: Mapping[str, object]) -> str:
    """The name of a unit's detector; "" for none."""
    name = unit.get("ad_model")
    return "" if name in (None, "None") else str(name)


def label_of(unit: Mapping[str, object]) -> str:
    """What a unit's detector finds."""
    classes = str(unit.get("ad_model_classes") or "").split(",")[0].strip()
    if classes:
        return classes[:LONGEST_LABEL]
    model = model_of(unit).lower()
    stem = PurePath(model).stem or model
    return next((label for label in LABELS if label in model), stem[:LONGEST_LABEL])


def panel_of(unit: Mapping[str, object], prompt: str, given: Given) -> dict[str, object]:
    """The detailer's fields for a unit."""
    form = {field.name: field for field in given.panels[NAME]}
    panel: dict[str, object] = {"enabled": True, "label": label_of(unit)}
    for theirs, ours in NUMBERS.items():
        if unit.get(theirs) is not None:
            panel[ours] = fitting(theirs, unit[theirs], form[ours], given)
    most = unit.get("ad_mask_k_largest") or unit.get("ad_mask_k")
    if most:
        panel["most"] = fitting("ad_mask_k_largest", most, form["most"], given)
    for field in ("prompt", "negative_prompt"):
        text = unit.get(f"ad_{field}")
        if isinstance(text, str) and text:
            panel[field] = text.replace(PROMPT, prompt).split(SEPARATOR)[0].strip()
            if SEPARATOR in text:
                given.tell(f"ADetailer: ad_{field}: what follows {SEPARATOR} is not read.")
    tell_undone(unit, given)
    return panel


def fitting(name: str, value: object, field: Input, given: Given) -> object:
    """A number within the range of the detailer's field, its default for what is none."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        given.tell(f"ADetailer: {name}: {str(value)[:80]!r} is no number; {field.value} was taken.")
        return field.value
    least = number if field.least is None else max(number, field.least)
    within = least if field.most is None else min(least, field.most)
    if within != number or number != number:
        given.tell(f"ADetailer: {name}: {number:g} is out of range; {within:g} was taken.")
    return int(within) if isinstance(field.value, int) else within


def tell_undone(unit: Mapping[str, object], given: Given) -> None:
    """Tell which fields ask for what the detailer cannot do."""
    asked: Sequence[str] = [
        name
        for name, usual in UNDONE.items()
        if unit.get(name) is not None and unit[name] not in usual
    ]
    if asked:
        given.tell(f"ADetailer: not done: {', '.join(asked)}.")
