"""Reads ``[from:to:when]`` and ``[a|b]`` into a tree, and writes the text of one step.

The language, as the contract describes it (section 2.4):

* text is anything but unescaped ``\\ [ ] ( ) : |``;
* ``(text)``, ``(text:text)`` and ``[text]`` are emphasis and pass through untouched;
* ``[from:to:when]`` and ``[to:when]`` are edits, ``[a|b|...]`` alternations, all nestable;
* at the outermost level brackets and colons that form nothing are text.

Whatever else there is makes the whole prompt literal.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Boundary = Callable[[str], int]

_PLAIN = re.compile(r"(?:[^\\\[\]():|]|\\.)+", re.DOTALL)
_NUMBER = re.compile(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*\]")
_MAX_DEPTH = 60  # nesting beyond this is literal, long before Python's own stack ends


@dataclass(frozen=True, slots=True)
class Edit:
    """``before`` up to and including step ``boundary``, then ``after``."""

    before: "Text"
    after: "Text"
    boundary: int


@dataclass(frozen=True, slots=True)
class Alternation:
    """One option a step, in turn."""

    options: tuple["Text", ...]


Node = str | Edit | Alternation
Text = tuple[Node, ...]


class _NoMatch(Exception):
    """The construct at hand does not parse."""


@dataclass
class _Reader:
    source: str
    boundary: Boundary
    at: int = 0
    depth: int = 0

    def peek(self) -> str:
        return self.source[self.at : self.at + 1]

    def expect(self, character: str) -> str:
        if self.peek() != character:
            raise _NoMatch
        self.at += 1
        return character

    def read_text(self) -> Text:
        """Plain runs and constructs up to a character that can belong to neither."""
        nodes: list[Node] = []
        while True:
            plain = _PLAIN.match(self.source, self.at)
            if plain:
                nodes.append(plain.group())
                self.at = plain.end()
            elif self.peek() in ("(", "["):
                nodes.extend(self.read_construct())
            else:
                return tuple(nodes)

    def read_construct(self) -> Text:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise _NoMatch
        result = self.read_round() if self.peek() == "(" else self.read_square()
        self.depth -= 1
        return result

    def read_round(self) -> Text:
        nodes: list[Node] = [self.expect("("), *self.read_text()]
        if self.peek() == ":":
            nodes += [self.expect(":"), *self.read_text()]
        return (*nodes, self.expect(")"))

    def read_square(self) -> Text:
        self.expect("[")
        first = self.read_text()
        if self.peek() == "]":
            return ("[", *first, self.expect("]"))
        if self.peek() == "|":
            return (self.read_alternation(first),)
        return (self.read_edit(first),)

    def read_alternation(self, first: Text) -> Alternation:
        options = [first]
        while self.peek() == "|":
            self.at += 1
            options.append(self.read_text())
        self.expect("]")
        return Alternation(tuple(options))

    def read_edit(self, first: Text) -> Edit:
        """``first`` is read; what follows is ``:when]`` or ``:to:when]``."""
        self.expect(":")
        before: Text = ()
        after = first
        number = _NUMBER.match(self.source, self.at)
        if number is None:
            before, after = first, self.read_text()
            self.expect(":")
            number = _NUMBER.match(self.source, self.at)
        if number is None:
            raise _NoMatch
        self.at = number.end()
        return Edit(before, after, self.boundary(number.group(1)))


def parse_edits(source: str, boundary: Boundary) -> Text | None:
    """The tree of a prompt, or None when it has to be taken literally.

    ``boundary`` turns the text of a ``when`` into a schedule step.
    """
    reader = _Reader(source, boundary)
    nodes: list[Node] = []
    while reader.at < len(source):
        run = _read_outermost(reader)
        if not run:
            return None
        nodes.extend(run)
    return tuple(nodes)


def _read_outermost(reader: _Reader) -> Text:
    """The next run, construct or loose bracket; empty where there is none of them."""
    plain = _PLAIN.match(reader.source, reader.at)
    if plain:
        reader.at = plain.end()
        return (plain.group(),)
    start, reader.depth = reader.at, 0
    if reader.peek() in ("(", "["):
        try:
            return reader.read_construct()
        except _NoMatch:
            reader.at = start
    loose = reader.peek()
    reader.at += 1
    return (loose,) if loose in "[]():" else ()


def boundaries(text: Text, steps: int) -> Iterator[int]:
    """Steps after which the text may change, from 1 on."""
    if _has_alternation(text):
        yield from range(1, steps + 1)
    else:
        yield from _edit_boundaries(text)


def _has_alternation(text: Text) -> bool:
    """Whether the text changes at every step."""
    return any(
        isinstance(node, Alternation)
        or (
            isinstance(node, Edit)
            and (_has_alternation(node.before) or _has_alternation(node.after))
        )
        for node in text
    )


def _edit_boundaries(text: Text) -> Iterator[int]:
    for node in text:
        if isinstance(node, Edit):
            if node.boundary >= 1:
                yield node.boundary
            yield from _edit_boundaries(node.before)
            yield from _edit_boundaries(node.after)


def render_step(text: Text, step: int) -> str:
    """The text that holds at schedule step ``step`` (from 1)."""
    return "".join(_render_node(node, step) for node in text)


def _render_node(node: Node, step: int) -> str:
    if isinstance(node, Edit):
        return render_step(node.before if step <= node.boundary else node.after, step)
    if isinstance(node, Alternation):
        return render_step(node.options[(step - 1) % len(node.options)], step)
    return node
