"""ADetailer's arguments, for the built-in detailer: what the widespread extension's clients send.

``alwayson_scripts.ADetailer.args`` is ``[on, skip_img2img, {unit}, ...]``; the two switches may be
left out. One unit is done; what of it the detailer cannot do is told.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType

from plugins.api import Input
from plugins.detailer.detailer_options import FACE, NAME
from webapp.errors import Refused
from webapp.requests.context import RequestContext
from webapp.requests.fields import GenerationBody

ADETAILER = "adetailer"
LABELS = ("eyes", FACE, "hand", "person")
"""Words in the names of ADetailer's models -> what the detailer shall find, the first that fits."""

MAX_LABEL_LENGTH = 60  # characters
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

UNSUPPORTED: Mapping[str, tuple[object, ...]] = MappingProxyType(
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
        "ad_restore_face": (False, True),
        "ad_controlnet_model": ("None", ""),
    }
)
"""Fields that the detailer has not, with the values that ask for nothing; and other values of one
that it has."""


def with_detailer(body: GenerationBody, context: RequestContext) -> Mapping[str, object]:
    """``alwayson_scripts`` with ADetailer's arguments as those of the detailer.

    Raises ``Refused`` for arguments that are no list.
    """
    always_on = body.alwayson_scripts
    keys = [key for key in always_on if key.lower() == ADETAILER]
    rest = {key: value for key, value in always_on.items() if key not in keys}
    units = list(units_of(keys[0], always_on[keys[0]], body.route, context)) if keys else []
    if not units:
        return rest
    if NAME not in context.panels:
        context.add_remark("ADetailer: the plugin detailer is off; drawn without it.")
        return rest
    if NAME in rest:
        context.add_remark(
            "ADetailer: the detailer is asked for by its own name too; that alone is done."
        )
        return rest
    if len(units) > 1:
        context.add_remark(f"ADetailer: {len(units)} units are on; the first alone is done.")
    return rest | {NAME: panel_of(units[0], body.prompt or "", context)}


def units_of(
    name: str, argument: object, route: str, context: RequestContext
) -> Iterator[Mapping[str, object]]:
    """The units that are on."""
    args = argument.get("args", []) if isinstance(argument, Mapping) else None
    if not isinstance(args, list):
        raise Refused(
            f'alwayson_scripts.{name}: expected {{"args": [...]}}.',
            "wrong_type",
            f"alwayson_scripts.{name}",
            expected="args",
        )
    switches = [arg for arg in args if isinstance(arg, bool)]
    if switches[:1] == [False]:
        return
    if route == "img2img" and switches[1:2] == [True]:
        context.add_remark(
            "ADetailer: skip_img2img is not done; the picture is drawn before its details."
        )
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
        return classes[:MAX_LABEL_LENGTH]
    model = model_of(unit).lower()
    stem = PurePath(model).stem or model
    return next((label for label in LABELS if label in model), stem[:MAX_LABEL_LENGTH])


def panel_of(unit: Mapping[str, object], prompt: str, context: RequestContext) -> dict[str, object]:
    """The detailer's fields for a unit."""
    form = {field.name: field for field in context.panels[NAME]}
    panel: dict[str, object] = {"enabled": True, "label": label_of(unit)}
    for theirs, ours in NUMBERS.items():
        if unit.get(theirs) is not None:
            panel[ours] = clamp_number(theirs, unit[theirs], form[ours], context)
    most = unit.get("ad_mask_k_largest") or unit.get("ad_mask_k")
    if most:
        panel["most"] = clamp_number("ad_mask_k_largest", most, form["most"], context)
    if unit.get("ad_restore_face") in (True,):
        panel["restore_faces"] = True
    for field in ("prompt", "negative_prompt"):
        text = unit.get(f"ad_{field}")
        if isinstance(text, str) and text:
            panel[field] = text.replace(PROMPT, prompt).split(SEPARATOR)[0].strip()
            if SEPARATOR in text:
                context.add_remark(f"ADetailer: ad_{field}: what follows {SEPARATOR} is not read.")
    note_unsupported(unit, context)
    return panel


def clamp_number(name: str, value: object, field: Input, context: RequestContext) -> object:
    """A number within the range of the detailer's field, its default for what is none."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        context.add_remark(
            f"ADetailer: {name}: {str(value)[:80]!r} is no number; {field.value} was taken."
        )
        return field.value
    least = number if field.least is None else max(number, field.least)
    within = least if field.most is None else min(least, field.most)
    if within != number or number != number:
        context.add_remark(f"ADetailer: {name}: {number:g} is out of range; {within:g} was taken.")
    return int(within) if isinstance(field.value, int) else within


def note_unsupported(unit: Mapping[str, object], context: RequestContext) -> None:
    """Tell which fields ask for what the detailer cannot do."""
    unsupported: Sequence[str] = [
        name
        for name, usual in UNSUPPORTED.items()
        if unit.get(name) is not None and unit[name] not in usual
    ]
    if unsupported:
        context.add_remark(f"ADetailer: not done: {', '.join(unsupported)}.")
