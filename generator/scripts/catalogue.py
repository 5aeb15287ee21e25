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
from generator.request import Script
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


class Kind(StrEnum):
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
    kind: Kind
    least: float | None = None
    most: float | None = None
    step: float | None = None
    words: tuple[str, ...] | None = None
    open: bool = False  # whether words beyond the known ones are read elsewhere


@dataclass(frozen=True, slots=True)
class Entry:
    """A script as one route offers it."""

    title: str
    arguments: tuple[Argument, ...]


def _switch(label: str, default: bool = False) -> Argument:
    return Argument(label, default, Kind.SWITCH)


def _hint(text: str) -> Argument:
    return Argument("", text, Kind.HINT)


def _text(label: str) -> Argument:
    return Argument(label, "", Kind.TEXT)


def _whole(label: str, default: int, least: int, most: int, step: int = 1) -> Argument:
    return Argument(label, default, Kind.WHOLE, least, most, step)


def _number(label: str, default: float, least: float, most: float, step: float) -> Argument:
    return Argument(label, default, Kind.NUMBER, least, most, step)


def _word(label: str, default: str, *words: str) -> Argument:
    return Argument(label, default, Kind.WORD, words=words)


def _axis(letter: str, default: str, route: str) -> tuple[Argument, ...]:
    return (
        Argument(
            f"{letter} type", default, Kind.PLACE, words=tuple(axis.label for axis in AXES[route])
        ),
        _text(f"{letter} values"),
        Argument(f"{letter} values", None, Kind.LIST, words=()),
    )


def _xyz(route: str) -> Entry:
    return Entry(
        XYZ_PLOT,
        (
            *_axis("X", "Seed", route),
            *_axis("Y", "Nothing", route),
            *_axis("Z", "Nothing", route),
            _switch("Draw legend", True),
            _switch("Include Sub Images"),
            _switch("Include Sub Grids"),
            _switch("Keep -1 for seeds"),
            _switch("Vary seeds for X"),
            _switch("Vary seeds for Y"),
            _switch("Vary seeds for Z"),
            _whole("Grid margins (px)", 0, 0, 500, 2),
            _switch("Use text inputs instead of dropdowns"),
        ),
    )


_DIRECTIONS = Argument("Outpainting direction", list(DIRECTIONS), Kind.LIST, words=DIRECTIONS)
_MATRIX = Entry(
    PROMPT_MATRIX,
    (
        _switch("Put variable parts at start of prompt"),
        _switch("Use different seed for each picture"),
        _word("Select prompt", "positive", "positive", "negative"),
        _word("Select joining char", "comma", "comma", "space"),
        _whole("Grid margins (px)", 0, 0, 500, 2),
    ),
)
_FILE = Entry(
    PROMPTS_FROM_FILE,
    (
        _switch("Iterate seed every line"),
        _switch("Use same random seed for all lines"),
        _word("Insert prompts at the", "start", "start", "end"),
        _text("List of prompt inputs"),
    ),
)
_ALTERNATIVE = Entry(
    ALTERNATIVE,
    (
        _hint("* `CFG Scale` should be 2 or lower."),
        _switch("Override `Sampling method` to Euler?(this method is built for it)", True),
        _switch(
            "Override `prompt` to the same value as `original prompt`?(and `negative prompt`)",
            True,
        ),
        _text("Original prompt"),
        _text("Original negative prompt"),
        _switch("Override `Sampling Steps` to the same value as `Decode steps`?", True),
        _whole("Decode steps", 50, 1, 150),
        _switch("Override `Denoising strength` to 1?", True),
        _number("Decode CFG scale", 1.0, 0.0, 15.0, 0.1),
        _number("Randomness", 0.0, 0.0, 1.0, 0.01),
        _switch("Sigma adjustment for finding noise for image"),
    ),
)
_LOOPBACK = Entry(
    LOOPBACK,
    (
        _whole("Loops", 4, 1, 32),
        _number("Final denoising strength", 0.5, 0, 1, 0.01),
        _word("Denoising strength curve", "Linear", *CURVES),
        _word("Append interrogated prompt at each iteration", "None", "None", "CLIP", "DeepBooru"),
    ),
)
_OUTPAINTING = Entry(
    OUTPAINTING,
    (
        _hint(OUTPAINTING_HINT),
        _whole("Pixels to expand", 128, 8, 256, 8),
        _whole("Mask blur", 8, 0, 64),
        _DIRECTIONS,
        _number("Fall-off exponent (lower=higher detail)", 1.0, 0.0, 4.0, 0.01),
        _number("Color variation", 0.05, 0.0, 1.0, 0.01),
    ),
)
_POOR_MANS = Entry(
    POOR_MANS_OUTPAINTING,
    (
        _whole("Pixels to expand", 128, 8, 256, 8),
        _whole("Mask blur", 4, 0, 64),
        Argument("Masked content", "fill", Kind.PLACE, words=CONTENTS),
        _DIRECTIONS,
    ),
)
_UPSCALE = Entry(
    SD_UPSCALE,
    (
        _hint(UPSCALE_HINT),
        _whole("Tile overlap", 64, 0, 256, 16),
        Argument("Upscaler", "None", Kind.PLACE, words=PLAIN_UPSCALERS, open=True),
        _number("Scale Factor", 2.0, 1.0, 4.0, 0.05),
    ),
)
SCRIPTS: Mapping[str, tuple[Entry, ...]] = MappingProxyType(
    {
        TXT2IMG: (_MATRIX, _FILE, _xyz(TXT2IMG)),
        IMG2IMG: (
            _ALTERNATIVE,
            _LOOPBACK,
            _OUTPAINTING,
            _POOR_MANS,
            _MATRIX,
            _FILE,
            _UPSCALE,
            _xyz(IMG2IMG),
        ),
    }
)
"""By route, in AUTOMATIC1111's order."""


def titles(route: str) -> tuple[str, ...]:
    """What ``script_name`` may be on a route, in lower case."""
    return tuple(entry.title for entry in SCRIPTS[route])


def check(
    title: str, arguments: Sequence[object], route: str, brought: Sequence[Entry] = ()
) -> Script:
    """The script of a request, ours or one that a plugin brought.

    Arguments beyond the script's own are dropped; those that X/Y/Z plot lacks are its defaults.

    Raises :class:`BadRequest` for a title that the route does not have, and for arguments that
    are missing or of another kind; it names their place and label.
    """
    known = (*SCRIPTS[route], *brought)
    entry = next((each for each in known if each.title == title.lower()), None)
    if entry is None:
        raise BadRequest(f"Script '{title}' not found", "script_name")
    if entry.title == XYZ_PLOT:  # its earlier versions took fewer
        arguments = (*arguments, *(each.default for each in entry.arguments[len(arguments) :]))
    if len(arguments) < len(entry.arguments):
        lacking = entry.arguments[len(arguments)]
        raise BadRequest(
            f"script_args: {title!r} takes {len(entry.arguments)} arguments, {len(arguments)} "
            f"came; the first that is missing is {len(arguments)}, {_called(lacking)}.",
            "script_args",
        )
    pairs = zip(entry.arguments, arguments, strict=False)
    return Script(
        entry.title,
        tuple(_read(place, wanted, value) for place, (wanted, value) in enumerate(pairs)),
    )


def _called(argument: Argument) -> str:
    return repr(argument.label) if argument.label else "a text that is not read"


LARGEST = 1e300


def _read(place: int, wanted: Argument, value: object) -> Any:
    """A value as its script takes it: words as words, null as the default."""
    if value is None and wanted.kind is not Kind.LIST:
        return wanted.default
    fits = _FITS[wanted.kind]
    if not fits(wanted, value):
        raise BadRequest(
            f"script_args[{place}], {_called(wanted)}: {str(value)[:80]!r} is not "
            f"{wanted.kind}{_range(wanted)}.",
            "script_args",
        )
    if wanted.kind is Kind.LIST:
        return tuple(str(each) for each in value) if isinstance(value, list | tuple) else ()
    if wanted.kind is Kind.PLACE and isinstance(value, int) and wanted.words and not wanted.open:
        return wanted.words[value]
    return int(value) if wanted.kind is Kind.WHOLE and isinstance(value, float) else value


def _range(wanted: Argument) -> str:
    if wanted.words and not wanted.open:
        shown = ", ".join(wanted.words[:12])
        return f" ({shown}{', ...' if len(wanted.words) > 12 else ''})"
    if wanted.least is not None:
        return f" from {wanted.least:g} to {wanted.most:g}"
    return ""


def _is_number(wanted: Argument, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if not -LARGEST <= value <= LARGEST:  # NaN and integers that no float holds are not
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


_FITS: Mapping[Kind, Any] = MappingProxyType(
    {
        Kind.HINT: lambda wanted, value: True,
        Kind.SWITCH: lambda wanted, value: isinstance(value, bool) or value in (0, 1),
        Kind.WHOLE: _is_whole,
        Kind.NUMBER: _is_number,
        Kind.TEXT: lambda wanted, value: isinstance(value, str),
        Kind.WORD: lambda wanted, value: value in (wanted.words or ()),
        Kind.PLACE: _is_place,
        Kind.LIST: _is_list,
    }
)
