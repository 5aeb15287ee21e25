"""Lays out prompt tokens in chunks of 75, without torch (contract sections 2.7 and 2.12)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from generator.prompt.grammar import (
    Segment,
    Timing,
    parse_attention,
    parse_extra_networks,
    schedule_prompt,
    split_and,
    strip_comments,
)
from generator.prompt.tokenizer import END, START, Tokenizer

CHUNK_TOKENS = 75  # tokens of a chunk beside its start and end mark
_COMMA = 267  # ",</w>"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A textual inversion as the layout sees it: where it stands and how many tokens it takes."""

    name: str
    ids: tuple[int, ...]  # its name in tokens
    vectors: int  # tokens it takes in the chunk


@dataclass(frozen=True, slots=True)
class PlacedEmbedding:
    """Trigger ``name`` starts at token ``offset`` (0..74, the start mark not counted)."""

    offset: int
    name: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """77 token ids with a weight each, and the textual inversions among them."""

    tokens: tuple[int, ...]
    weights: tuple[float, ...]
    embeddings: tuple[PlacedEmbedding, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptLayout:
    """The chunks of one text and its token count as the page shows it."""

    chunks: tuple[Chunk, ...]
    count: int


@dataclass
class _ChunkBuilder:
    """The chunk being filled and those already full."""

    backtrack: int
    chunks: list[Chunk] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    embeddings: list[PlacedEmbedding] = field(default_factory=list)
    last_comma: int = -1
    count: int = 0

    def close(self, last: bool = False) -> None:
        self.count += len(self.tokens) if last else CHUNK_TOKENS
        empty = CHUNK_TOKENS - len(self.tokens)
        self.chunks.append(
            Chunk(
                (START, *self.tokens, *[END] * (empty + 1)),
                (1.0, *self.weights, *[1.0] * (empty + 1)),
                tuple(self.embeddings),
            )
        )
        self.tokens, self.weights, self.embeddings, self.last_comma = [], [], [], -1

    def move_after_comma(self) -> None:
        """Close the full chunk at its last comma; what follows it opens the next chunk."""
        cut = self.last_comma + 1
        tokens, weights, embeddings = self.tokens[cut:], self.weights[cut:], self.embeddings
        self.tokens, self.weights = self.tokens[:cut], self.weights[:cut]
        self.embeddings = [p for p in embeddings if p.offset < cut]
        self.close()
        self.tokens, self.weights = tokens, weights
        self.embeddings = [
            PlacedEmbedding(p.offset - cut, p.name) for p in embeddings if p.offset >= cut
        ]

    def is_comma_near(self) -> bool:
        return self.last_comma >= 0 and len(self.tokens) - self.last_comma <= self.backtrack

    def add(self, token: int, weight: float) -> None:
        if token == _COMMA:
            self.last_comma = len(self.tokens)
        elif len(self.tokens) == CHUNK_TOKENS and self.backtrack and self.is_comma_near():
            self.move_after_comma()
        if len(self.tokens) == CHUNK_TOKENS:
            self.close()
        self.tokens.append(token)
        self.weights.append(weight)

    def add_trigger(self, trigger: Trigger, weight: float) -> None:
        if len(self.tokens) + trigger.vectors > CHUNK_TOKENS:
            self.close()
        self.place_trigger(trigger, weight)

    def place_trigger(self, trigger: Trigger, weight: float) -> None:
        self.embeddings.append(PlacedEmbedding(len(self.tokens), trigger.name))
        self.tokens += [0] * trigger.vectors
        self.weights += [weight] * trigger.vectors


def _find_trigger(triggers: Collection[Trigger], ids: Sequence[int], at: int) -> Trigger | None:
    """The longest trigger that stands at ``ids[at:]``."""
    fitting = [t for t in triggers if t.ids and tuple(ids[at : at + len(t.ids)]) == t.ids]
    return max(fitting, key=lambda t: len(t.ids), default=None)


def _add_segment(
    builder: _ChunkBuilder, segment: Segment, ids: Sequence[int], triggers: Collection[Trigger]
) -> None:
    at = 0
    while at < len(ids):
        trigger = _find_trigger(triggers, ids, at) if triggers else None
        if trigger is None:
            builder.add(ids[at], segment.weight)
            at += 1
        else:
            builder.add_trigger(trigger, segment.weight)
            at += len(trigger.ids)


def layout_chunks(
    text: str,
    tokenizer: Tokenizer,
    backtrack: int = 20,
    triggers: Collection[Trigger] = (),
    parse: bool = True,
) -> PromptLayout:
    """Chunks of one text; at least one. ``parse=False`` takes emphasis and BREAK literally.

    ``backtrack`` is the option ``comma_padding_backtrack``: how many tokens may move to the next
    chunk so that it starts after a comma; 0 turns it off.
    """
    builder = _ChunkBuilder(backtrack)
    for segment in parse_attention(text) if parse else (Segment(text, 1.0),):
        if segment.is_break:
            builder.close()
        else:
            _add_segment(builder, segment, tokenizer.encode(segment.text), triggers)
    if builder.tokens or not builder.chunks:
        builder.close(last=True)
    return PromptLayout(tuple(builder.chunks), builder.count)


def layout_chunks_old(
    text: str, tokenizer: Tokenizer, triggers: Collection[Trigger] = (), parse: bool = True
) -> PromptLayout:
    """One chunk as AUTOMATIC1111 made it in 2022: each bracket scales all that follows it.

    For the option ``use_old_emphasis_implementation``; what does not fit in 75 tokens is lost.
    """
    ids, at, weight = tokenizer.encode(text), 0, 1.0
    builder = _ChunkBuilder(0)
    factors = tokenizer.bracket_factors if parse else {}
    while at < len(ids):
        trigger = _find_trigger(triggers, ids, at)
        if ids[at] in factors:
            weight *= factors[ids[at]]
            at += 1
        elif trigger is None:
            builder.tokens.append(ids[at])
            builder.weights.append(weight)
            at += 1
        else:
            builder.place_trigger(trigger, weight)
            at += len(trigger.ids)
    count = len(builder.tokens)
    builder.tokens, builder.weights = builder.tokens[:CHUNK_TOKENS], builder.weights[:CHUNK_TOKENS]
    builder.close(last=True)
    return PromptLayout(tuple(builder.chunks), count)


@dataclass(frozen=True, slots=True)
class TokenCountOptions:
    """How to count tokens: as a pass of ``steps`` steps under these options would read them."""

    steps: int = 20
    backtrack: int = 20  # comma_padding_backtrack
    triggers: tuple[Trigger, ...] = ()
    parse: bool = True  # False: emphasis mode "None"
    comments: bool = True  # taken out
    old_scheduling: bool = False


def token_count(
    prompt: str,
    tokenizer: Tokenizer,
    options: TokenCountOptions = TokenCountOptions(),
    negative: bool = False,
) -> tuple[int, int]:
    """Tokens of the longest variant of ``prompt`` and the room they take, a multiple of 75.

    A negative prompt keeps its tags and is not split at AND (contract section 2.1).
    """
    text = strip_comments(prompt) if options.comments else prompt
    parts = [text] if negative else [part.text for part in split_and(parse_extra_networks(text)[0])]
    timing = Timing(options.steps, old=options.old_scheduling)
    texts = {entry.text for part in parts for entry in schedule_prompt(part, timing)}
    count = max(
        layout_chunks(t, tokenizer, options.backtrack, options.triggers, options.parse).count
        for t in texts
    )
    return count, CHUNK_TOKENS * -(-max(count, 1) // CHUNK_TOKENS)
