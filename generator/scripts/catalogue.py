"""The scripts by title, with their arguments; what of it a request may say. No torch.

``GET /sdapi/v1/script-info`` tells :data:`SCRIPTS`; :func:`read_script` reads ``script_name`` and
``script_args``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from generator.errors import BadRequest
from generator.pictures.upscaler_names import PLAIN_UPSCALERS
from generator.request import ScriptCall
from generator.scripts.axes import AXES, IMG2IMG, TXT2IMG

PROMPT_MATRIX = "prompt matrix"
PROMPTS_FROM_FILE = "prompts from file or textbox"
XYZ_PLOT = "x/y/z plot"
ALTERNATIVE = "img2img alternative test"
LOOPBACK = "loopback"
OUTPAINTING = "outpainting mk2"
POOR_MANS_OUTPAINTING = "poor man's outpainting"
SD_UPSCALE = "sd upscale"

DIRECTIONS = ("left", "right", "up", "down")
CONTENTS = ("fill", "original", "latent noise", "latent nothing")
CURVES = ("Aggressive", "Linear", "Lazy")
OUTPAINTING_HINT = (
    '<p style="margin-bottom:0.75em">Recommended settings: Sampling Steps: 80-100, '
    "Sampler: Euler a, Denoising strength: 0.8</p>"
)
UPSCALE_HINT = (
    '<p style="margin-bottom:0.75em">Will upscale the image by the selected scale factor; '
    "use width and height sliders to set tile size</p>"
)


class ArgumentKind(StrEnum):
    """What an argument's value may be."""

    HINT = "a text that is not read"
    SWITCH = "true or false"
    WHOLE = "a whole number"
    NUMBER = "a number"
    TEXT = "text"
    WORD = "one of its words"
    PLACE = "one of its words, or the word's number"
    LIST = "a list of texts"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a script, by position. ``least`` and ``most`` are checked when given."""

    label: str
    default: Any
    kind: ArgumentKind
    least: float | None = None
    most: float | None = None
    step: float | None = None
    words: tuple[str, ...] | None = None
    open: bool = False  # whether words beyond the known ones are read elsewhere


@dataclass(frozen=True, slots=True)
class ScriptEntry:
    """A script as one route offers it."""

    title: str
    arguments: tuple[Argument, ...]


def _switch_argument(label: str, default: bool = False) -> Argument:
    return Argument(label, default, ArgumentKind.SWITCH)


def _hint_argument(text: str) -> Argument:
    return Argument("", text, ArgumentKind.HINT)


def _text_argument(label: str) -> Argument:
    return Argument(label, "", ArgumentKind.TEXT)


def _int_argument(label: str, default: int, least: int, most: int, step: int = 1) -> Argument:
    return Argument(label, default, ArgumentKind.WHOLE, least, most, step)


def _number_argument(
    label: str, default: float, least: float, most: float, step: float
) -> Argument:
    return Argument(label, default, ArgumentKind.NUMBER, least, most, step)


def _choice_argument(label: str, default: str, *words: str) -> Argument:
    return Argument(label, default, ArgumentKind.WORD, words=words)


def _axis_arguments(letter: str, default: str, route: str) -> tuple[Argument, ...]:
    return (
        Argument(
            f"{letter} type",
            default,
            ArgumentKind.PLACE,
            words=tuple(axis.label for axis in AXES[route]),
        ),
        _text_argument(f"{letter} values"),
        Argument(f"{letter} values", None, ArgumentKind.LIST, words=()),
    )


def _xyz_entry(route: str) -> ScriptEntry:
    return ScriptEntry(
        XYZ_PLOT,
        (
            *_axis_arguments("X", "Seed", route),
            *_axis_arguments("Y", "Nothing", route),
            *_axis_arguments("Z", "Nothing", route),
            _switch_argument("Draw legend", True),
            _switch_argument("Include Sub Images"),
            _switch_argument("Include Sub Grids"),
            _switch_argument("Keep -1 for seeds"),
            _switch_argument("Vary seeds for X"),
            _switch_argument("Vary seeds for Y"),
            _switch_argument("Vary seeds for Z"),
            _int_argument("Grid margins (px)", 0, 0, 500, 2),
            _switch_argument("Use text inputs instead of dropdowns"),
        ),
    )


_DIRECTIONS = Argument(
    "Outpainting direction", list(DIRECTIONS), ArgumentKind.LIST, words=DIRECTIONS
)
_MATRIX = ScriptEntry(
    PROMPT_MATRIX,
    (
        _switch_argument("Put variable parts at start of prompt"),
        _switch_argument("Use different seed for each picture"),
        _choice_argument("Select prompt", "positive", "positive", "negative"),
        _choice_argument("Select joining char", "comma", "comma", "space"),
        _int_argument("Grid margins (px)", 0, 0, 500, 2),
    ),
)
_FILE = ScriptEntry(
    PROMPTS_FROM_FILE,
    (
        _switch_argument("Iterate seed every line"),
        _switch_argument("Use same random seed for all lines"),
        _choice_argument("Insert prompts at the", "start", "start", "end"),
        _text_argument("List of prompt inputs"),
    ),
)
_ALTERNATIVE = ScriptEntry(
    ALTERNATIVE,
    (
        _hint_argument("* `CFG Scale` should be 2 or lower."),
        _switch_argument("Override `Sampling method` to Euler?(this method is built for it)", True),
        _switch_argument(
            "Override `prompt` to the same value as `original prompt`?(and `negative prompt`)",
            True,
        ),
        _text_argument("Original prompt"),
        _text_argument("Original negative prompt"),
        _switch_argument("Override `Sampling Steps` to the same value as `Decode steps`?", True),
        _int_argument("Decode steps", 50, 1, 150),
        _switch_argument("Override `Denoising strength` to 1?", True),
        _number_argument("Decode CFG scale", 1.0, 0.0, 15.0, 0.1),
        _number_argument("Randomness", 0.0, 0.0, 1.0, 0.01),
        _switch_argument("Sigma adjustment for finding noise for image"),
    ),
)
_LOOPBACK = ScriptEntry(
    LOOPBACK,
    (
        _int_argument("Loops", 4, 1, 32),
        _number_argument("Final denoising strength", 0.5, 0, 1, 0.01),
        _choice_argument("Denoising strength curve", "Linear", *CURVES),
        _choice_argument(
            "Append interrogated prompt at each iteration", "None", "None", "CLIP", "DeepBooru"
        ),
    ),
)
_OUTPAINTING = ScriptEntry(
    OUTPAINTING,
    (
        _hint_argument(OUTPAINTING_HINT),
        _int_argument("Pixels to expand", 128, 8, 256, 8),
        _int_argument("Mask blur", 8, 0, 64),
        _DIRECTIONS,
        _number_argument("Fall-off exponent (lower=higher detail)", 1.0, 0.0, 4.0, 0.01),
        _number_argument("Color variation", 0.05, 0.0, 1.0, 0.01),
    ),
)
_POOR_MANS = ScriptEntry(
    POOR_MANS_OUTPAINTING,
    (
        _int_argument("Pixels to expand", 128, 8, 256, 8),
        _int_argument("Mask blur", 4, 0, 64),
        Argument("Masked content", "fill", ArgumentKind.PLACE, words=CONTENTS),
        _DIRECTIONS,
    ),
)
_UPSCALE = ScriptEntry(
    SD_UPSCALE,
    (
        _hint_argument(UPSCALE_HINT),
        _int_argument("Tile overlap", 64, 0, 256, 16),
        Argument("Upscaler", "None", ArgumentKind.PLACE, words=PLAIN_UPSCALERS, open=True),
        _number_argument("Scale Factor", 2.0, 1.0, 4.0, 0.05),
    ),
)
SCRIPTS: Mapping[str, tuple[ScriptEntry, ...]] = MappingProxyType(
    {
        TXT2IMG: (_MATRIX, _FILE, _xyz_entry(TXT2IMG)),
        IMG2IMG: (
            _ALTERNATIVE,
            _LOOPBACK,
            _OUTPAINTING,
            _POOR_MANS,
            _MATRIX,
            _FILE,
            _UPSCALE,
            _xyz_entry(IMG2IMG),
        ),
    }
)
"""By route, in AUTOMATIC1111's order."""


def script_titles(route: str) -> tuple[str, ...]:
    """What ``script_name`` may be on a route, in lower case."""
    return tuple(entry.title for entry in SCRIPTS[route])


def read_script(
    title: str, arguments: Sequence[object], route: str, plugin_scripts: Sequence[ScriptEntry] = ()
) -> ScriptCall:
    """The script of a request, ours or one that a plugin brought.

    Arguments beyond the script's own are dropped; those that X/Y/Z plot lacks are its defaults.

    Raises :class:`BadRequest` for a title that the route does not have, and for arguments that
    are missing or of another kind; it names their place and label.
    """
    known = (*SCRIPTS[route], *plugin_scripts)
    entry = next((each for each in known if each.title == title.lower()), None)
    if entry is None:
        raise BadRequest(
            f"Script '{title}' not found", "script_name", "unknown_script", value=title
        )
    if entry.title == XYZ_PLOT:  # its earlier versions took fewer
        arguments = (*arguments, *(each.default for each in entry.arguments[len(arguments) :]))
    if len(arguments) < len(entry.arguments):
        lacking = entry.arguments[len(arguments)]
        raise BadRequest(
            f"script_args: {title!r} takes {len(entry.arguments)} arguments, {len(arguments)} "
            f"came; the first that is missing is {len(arguments)}, {_argument_name(lacking)}.",
            "script_args",
            "missing",
            label=lacking.label,
        )
    pairs = zip(entry.arguments, arguments, strict=False)
    return ScriptCall(
        entry.title,
        tuple(_read_value(place, wanted, value) for place, (wanted, value) in enumerate(pairs)),
    )


def _argument_name(argument: Argument) -> str:
    return repr(argument.label) if argument.label else "a text that is not read"


MAX_NUMBER = 1e300


def _read_value(place: int, wanted: Argument, value: object) -> Any:
    """A value as its script takes it: words as words, null as the default."""
    if value is None and wanted.kind is not ArgumentKind.LIST:
        return wanted.default
    fits = _FITS[wanted.kind]
    if not fits(wanted, value):
        raise BadRequest(
            f"script_args[{place}], {_argument_name(wanted)}: {str(value)[:80]!r} is not "
            f"{wanted.kind}{_range_text(wanted)}.",
            "script_args",
            _misfit_code(wanted, value),
            **_misfit_values(wanted, value),
        )
    if wanted.kind is ArgumentKind.LIST:
        return tuple(str(each) for each in value) if isinstance(value, list | tuple) else ()
    if (
        wanted.kind is ArgumentKind.PLACE
        and isinstance(value, int)
        and wanted.words
        and not wanted.open
    ):
        return wanted.words[value]
    return int(value) if wanted.kind is ArgumentKind.WHOLE and isinstance(value, float) else value


def _misfit_code(wanted: Argument, value: object) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if wanted.least is not None and is_number:
        return "out_of_range"
    return "unknown_name" if wanted.words and not wanted.open else "wrong_type"


def _misfit_values(wanted: Argument, value: object) -> dict[str, object]:
    told: dict[str, object] = {"value": value, "label": wanted.label}
    if wanted.words and not wanted.open:
        return told | {"known": wanted.words}
    if wanted.least is not None:
        return told | {"least": wanted.least, "most": wanted.most}
    return told | {"expected": str(wanted.kind)}


def _range_text(wanted: Argument) -> str:
    if wanted.words and not wanted.open:
        listed = ", ".join(wanted.words[:12])
        return f" ({listed}{', ...' if len(wanted.words) > 12 else ''})"
    if wanted.least is not None:
        return f" from {wanted.least:g} to {wanted.most:g}"
    return ""


def _is_number(wanted: Argument, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if not -MAX_NUMBER <= value <= MAX_NUMBER:  # NaN and integers that no float holds are not
        return False
    return wanted.least is None or wanted.most is None or wanted.least <= value <= wanted.most


def _is_whole(wanted: Argument, value: object) -> bool:
    return _is_number(wanted, value) and value == int(value)  # type: ignore[call-overload]


def _is_place(wanted: Argument, value: object) -> bool:
    words = wanted.words or ()
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return value >= 0 and (wanted.open or value < len(words))
    return isinstance(value, str) and (wanted.open or value in words)


def _is_list(wanted: Argument, value: object) -> bool:
    if value in (None, ""):
        return True
    if not isinstance(value, list | tuple):
        return False
    return not wanted.words or all(each in wanted.words for each in value)


_FITS: Mapping[ArgumentKind, Any] = MappingProxyType(
    {
        ArgumentKind.HINT: lambda wanted, value: True,
        ArgumentKind.SWITCH: lambda wanted, value: isinstance(value, bool) or value in (0, 1),
        ArgumentKind.WHOLE: _is_whole,
        ArgumentKind.NUMBER: _is_number,
        ArgumentKind.TEXT: lambda wanted, value: isinstance(value, str),
        ArgumentKind.WORD: lambda wanted, value: value in (wanted.words or ()),
        ArgumentKind.PLACE: _is_place,
        ArgumentKind.LIST: _is_list,
    }
)
