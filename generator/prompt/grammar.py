"""Prompt grammar: pure functions from text to dataclasses that never raise (contract section 2).

Emphasis ``(a:1.2)``, editing ``[a:b:0.5]``, alternation ``[a|b]``, ``AND``, ``BREAK``, tags
``<lora:name:0.8>`` and comments.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from generator.prompt.edit_syntax import boundaries, parse_edits, render_step

LORA_KINDS = ("lora", "lyco")  # of tags
BREAK = ("BREAK", -1.0)  # how a chunk break looks among segments

_MARKS = re.compile(
    r"\\[()\[\]\\]"  # escaped
    r"|\\"
    r"|\(|\["
    r"|:\s*[+-]?[.\d]+\s*\)"  # weight and closing bracket
    r"|\)|\]"
    r"|[^\\()\[\]:]+"
    r"|:"
)
_BREAK = re.compile(r"\bBREAK\b")
_AND = re.compile(r"\bAND\b")
_PART_WEIGHT = re.compile(r"[-+]?(?:\d+\.?|\d*\.\d+)")
_TAG = re.compile(r"<(\w+):([^>]+)>")
_COMMENT_LINE = re.compile(r"(^|\n)#[^\n]*(\n|$)")
_COMMENT = re.compile(r"#[^\n]*(\n|$)")


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of text with one weight."""

    text: str
    weight: float

    @property
    def is_break(self) -> bool:
        """Whether this segment closes the chunk."""
        return (self.text, self.weight) == BREAK


@dataclass(frozen=True, slots=True)
class ScheduledText:
    """``text`` holds up to and including schedule step ``end``."""

    end: int
    text: str


@dataclass(frozen=True, slots=True)
class PromptPart:
    """One side of an ``AND``."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ExtraNetworkTag:
    """An extra network: ``<kind:argument:argument:key=value>``."""

    kind: str
    arguments: tuple[str, ...]

    @property
    def positional_arguments(self) -> tuple[str, ...]:
        """Arguments without exactly one ``=``; the first is the network's name."""
        return tuple(a for a in self.arguments if a.count("=") != 1)

    @property
    def named_arguments(self) -> dict[str, str]:
        """Arguments of the form ``key=value``."""
        pairs = (a.partition("=") for a in self.arguments if a.count("=") == 1)
        return {key: value for key, _, value in pairs}


@dataclass(frozen=True, slots=True)
class Timing:
    """For how many denoiser calls a schedule is made, and what came before.

    ``first_pass`` is the first pass's count in the hires pass, else None. ``old`` counts as
    AUTOMATIC1111 did before 1.6 (option ``use_old_scheduling``).
    """

    steps: int
    first_pass: int | None = None
    old: bool = False

    def boundary(self, when: str) -> int:
        """The schedule step at which ``[from:to:when]`` switches, at most ``steps``."""
        value = float(when)
        if self.old:
            value = value * self.steps if value < 1 else value
        elif "." in when:
            value = (value - (0.0 if self.first_pass is None else 1.0)) * self.steps
        else:
            value -= self.first_pass or 0
        return int(max(min(value, self.steps), -1))


class _Segments:
    """Text runs under construction, with the brackets still open above them."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.weights: list[float] = []
        self.round: list[int] = []
        self.square: list[int] = []

    def add(self, text: str, weight: float = 1.0) -> None:
        self.texts.append(text)
        self.weights.append(weight)

    def multiply(self, start: int, factor: float) -> None:
        for index in range(start, len(self.weights)):
            self.weights[index] *= factor

    def add_plain(self, text: str) -> None:
        for index, run in enumerate(split_at_breaks(text)):
            if index:
                self.add(*BREAK)
            self.add(run)

    def close_all(self) -> None:
        for start in self.round:
            self.multiply(start, 1.1)
        for start in self.square:
            self.multiply(start, 1 / 1.1)

    def merge(self) -> Iterator[Segment]:
        """Neighbours of one weight as one run."""
        runs = zip(self.weights, self.texts, strict=True)
        for weight, alike in groupby(runs, key=itemgetter(0)):
            yield Segment("".join(text for _, text in alike), weight)
        if not self.texts:
            yield Segment("", 1.0)


def split_at_breaks(text: str) -> list[str]:
    """The runs between ``BREAK``, without the white space beside it; a match of that is linear."""
    runs = _BREAK.split(text)
    last = len(runs) - 1
    for index, run in enumerate(runs):
        run = run.lstrip() if index > 0 else run
        runs[index] = run.rstrip() if index < last else run
    return runs


def parse_attention(text: str) -> tuple[Segment, ...]:
    """Emphasis and chunk breaks: ``"a (b:1.2)"`` -> ``("a ", 1), ("b", 1.2)``; never empty.

    ``(x)`` multiplies by 1.1, ``[x]`` divides by it, ``(x:w)`` multiplies by w; brackets left
    open reach to the end (contract section 2.2).
    """
    segments = _Segments()
    for match in _MARKS.finditer(text):
        _read_mark(match.group(), segments)
    segments.close_all()
    return tuple(segments.merge())


def _read_mark(mark: str, segments: _Segments) -> None:
    if mark[0] == "\\":
        segments.add(mark[1:])  # a lone backslash vanishes
    elif mark == "(":
        segments.round.append(len(segments.texts))
    elif mark == "[":
        segments.square.append(len(segments.texts))
    elif mark[0] == ":" and mark[-1] == ")" and segments.round:
        _apply_weight(mark, segments)
    elif mark == ")" and segments.round:
        segments.multiply(segments.round.pop(), 1.1)
    elif mark == "]" and segments.square:
        segments.multiply(segments.square.pop(), 1 / 1.1)
    else:
        segments.add_plain(mark)


def _apply_weight(mark: str, segments: _Segments) -> None:
    try:
        weight = float(mark[1:-1])
    except ValueError:  # "(a:1.2.3)": no number, so the text stands as written
        segments.add_plain(mark[:-1])
        segments.multiply(segments.round.pop(), 1.1)
        return
    segments.multiply(segments.round.pop(), weight)


def schedule_prompt(text: str, timing: Timing) -> tuple[ScheduledText, ...]:
    """Prompt editing and alternation spelled out; the last entry ends at ``timing.steps``.

    A text that does not parse is used literally for all steps (contract section 2.4).
    """
    tree = parse_edits(text, timing.boundary)
    if tree is None:
        return (ScheduledText(timing.steps, text),)
    ends = sorted({timing.steps, *boundaries(tree, timing.steps)})
    return tuple(ScheduledText(end, render_step(tree, end)) for end in ends)


def split_and(prompt: str) -> tuple[PromptPart, ...]:
    """The sides of ``AND`` with their weights; one part of weight 1 for most prompts.

    A number after a last colon is a weight even without ``AND``: ``"time 10:30"`` weighs 30, as
    in AUTOMATIC1111 (contract section 2.5).
    """
    return tuple(_parse_part(side) for side in _AND.split(prompt))


def _parse_part(side: str) -> PromptPart:
    text, colon, number = side.rpartition(":")
    if not colon or not _PART_WEIGHT.fullmatch(number.strip()):
        return PromptPart(side.rstrip())
    return PromptPart(text.rstrip(), float(number))


def parse_extra_networks(prompt: str) -> tuple[str, tuple[ExtraNetworkTag, ...]]:
    """The prompt without its ``<kind:...>`` tags, and the tags in order."""
    end = prompt.rfind(">") + 1  # a "<" behind it begins no tag, and costs no search for an end
    head = prompt[:end]
    tags = tuple(
        ExtraNetworkTag(m.group(1), tuple(m.group(2).split(":"))) for m in _TAG.finditer(head)
    )
    return _TAG.sub("", head) + prompt[end:], tags


def strip_comments(prompt: str) -> str:
    """The prompt without what stands between ``#`` and the end of a line."""
    return _COMMENT.sub("\n", _COMMENT_LINE.sub("\n", prompt))
