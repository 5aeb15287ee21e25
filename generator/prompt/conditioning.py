"""Encodes prompts to conditioning for the U-Net: chunks, weights, schedules and AND.

Contract sections 2.4 to 2.11. A family's text encoders read the same chunks; what they say of a
token stands side by side.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import torch
from torch import Tensor, nn

from generator.models.offload import device_of
from generator.prompt.chunks import Chunk, Trigger, layout_chunks, layout_chunks_old
from generator.prompt.grammar import ScheduledText, Timing, schedule_prompt, split_and
from generator.prompt.limits import check_chunks
from generator.prompt.text_cache import KeptTexts, TextShelf
from generator.prompt.text_encoder import EncodedTokens, TextEncoder, encode_tokens
from generator.prompt.tokenizer import Tokenizer

CHUNKS_PER_CALL = 64  # chunks that the text encoder reads together


@dataclass(frozen=True, slots=True)
class ScheduledContext:
    """What holds up to and including denoiser call ``end`` (the first call is 0)."""

    end: int
    context: Tensor  # (77 * chunks, width)
    vector: Tensor | None = None  # (pooled width + added numbers,), where the U-Net reads one


@dataclass(frozen=True, slots=True)
class WeightedPrompt:
    """One side of an ``AND``: its weight, and its encoded texts over the steps."""

    weight: float
    stages: tuple[ScheduledContext, ...]


@dataclass(frozen=True, slots=True)
class Conditioning:
    """Encoded prompts of a batch: for each picture its positive strands and negative stages."""

    positive: tuple[tuple[WeightedPrompt, ...], ...]
    negative: tuple[tuple[ScheduledContext, ...], ...]


@dataclass(frozen=True, slots=True)
class AddedNumbers:
    """The numbers that follow the pooled vector: of positive prompts, and of negative ones."""

    positive: tuple[float, ...] = ()
    negative: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class EncodedTexts:
    """What the text encoders say of some texts."""

    contexts: Tensor  # (texts, 77 * chunks, width)
    pooled: Tensor | None  # (texts, pooled width), of the first chunk; None: nothing is pooled

    def to_zeros(self) -> "EncodedTexts":
        """The same with zeros for all numbers."""
        pooled = None if self.pooled is None else torch.zeros_like(self.pooled)
        return EncodedTexts(torch.zeros_like(self.contexts), pooled)


@dataclass(frozen=True, slots=True)
class TextualInversion:
    """A learned word. ``vectors`` (k, width) take k tokens wherever ``name`` stands.

    With several text encoders their vectors stand side by side, in the encoders' order.
    """

    name: str
    vectors: Tensor


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """Options that shape an encoding; names and defaults of contract section 7.3."""

    clip_skip: int = 1
    emphasis: str = "Original"  # Original | No norm | Ignore | None
    comma_padding_backtrack: int = 20
    use_old_scheduling: bool = False
    use_old_emphasis_implementation: bool = False
    sdxl_clip_l_skip: bool = False  # clip skip acts on SDXL's first text encoder


@dataclass
class PromptEncoder:
    """Text encoders with their tokenizer, embeddings and options. ``seconds`` counts their work."""

    encoders: Sequence[TextEncoder]
    tokenizer: Tokenizer
    options: EncoderOptions = EncoderOptions()
    inversions: Sequence[TextualInversion] = ()
    seconds: float = 0.0
    learning: bool = False  # gradients reach the inversions' vectors
    used_embeddings: dict[str, None] = field(
        default_factory=dict
    )  # textual inversions met, in order
    pause: Callable[[], None] = lambda: None  # called between pieces of work; may raise to end it
    shelf: TextShelf | None = None  # where encodings are kept for other jobs

    def encode(self, texts: Sequence[str]) -> EncodedTexts:
        """Encode texts of one prompt, padded to the same chunk count.

        Texts of one call share the normalisation of the "Original" emphasis mode. Raises
        :class:`generator.errors.BadRequest` for more chunks than are encoded.
        """
        shelf = None if self.learning else self.shelf
        kept = shelf.find(texts) if shelf else None
        if kept is None:
            kept = self._encode(texts)
            if shelf:
                shelf.keep(texts, kept)
        self.used_embeddings |= dict.fromkeys(kept.inversions)
        return kept.encoded

    def _encode(self, texts: Sequence[str]) -> KeptTexts:
        rows: list[list[Chunk]] = []
        for text in texts:
            self.pause()
            rows.append(list(self._chunks_of(text)))
        longest = max(len(row) for row in rows)
        check_chunks(len(rows), longest)
        for row in rows:
            row.extend(list(self._chunks_of("")) * (longest - len(row)))
        columns_of_chunks = [*zip(*rows, strict=True)]
        columns = [self._encode_chunks(column) for column in columns_of_chunks]
        contexts = torch.cat([column.contexts for column in columns], dim=1)
        chunks = chain.from_iterable(columns_of_chunks)
        names = dict.fromkeys(placed.name for chunk in chunks for placed in chunk.embeddings)
        return KeptTexts(EncodedTexts(contexts, columns[0].pooled), tuple(names))

    def _chunks_of(self, text: str) -> tuple[Chunk, ...]:
        parse = self.options.emphasis != "None"
        if self.options.use_old_emphasis_implementation:
            return layout_chunks_old(text, self.tokenizer, self._triggers, parse).chunks
        backtrack = self.options.comma_padding_backtrack
        return layout_chunks(text, self.tokenizer, backtrack, self._triggers, parse).chunks

    @cached_property
    def _triggers(self) -> tuple[Trigger, ...]:
        return tuple(
            Trigger(i.name, tuple(self.tokenizer.encode(i.name)), len(i.vectors))
            for i in self.inversions
        )

    def _encode_chunks(self, chunks: Sequence[Chunk]) -> EncodedTexts:
        """One chunk of each text, by all encoders: (texts, 77, sum of widths)."""
        device = device_of(self.encoders[0].model)
        tokens = torch.tensor([chunk.tokens for chunk in chunks], device=device)  # (n, 77)
        weights = torch.tensor([chunk.weights for chunk in chunks], device=device)
        started = time.perf_counter()
        hidden, pooled, place = [], [], 0
        for encoder in self.encoders:
            columns = slice(place, place + encoder.width)
            encoded = self._run_encoder(encoder, chunks, tokens, columns)
            hidden.append(apply_emphasis(encoded.hidden, weights, self.options.emphasis))
            if encoded.pooled is not None:
                pooled.append(encoded.pooled)
            place += encoder.width
        self.seconds += time.perf_counter() - started
        return EncodedTexts(
            torch.cat(hidden, dim=-1), torch.cat(pooled, dim=-1) if pooled else None
        )

    def _run_encoder(
        self, encoder: TextEncoder, chunks: Sequence[Chunk], tokens: Tensor, columns: slice
    ) -> EncodedTokens:
        """``columns`` are those of an inversion's vectors that are this encoder's."""
        options, hidden, pooled = self.options, [], []
        for start in range(0, len(chunks), CHUNKS_PER_CALL):
            self.pause()
            part = slice(start, start + CHUNKS_PER_CALL)
            with (
                self._insert_embeddings(encoder, chunks[part], columns),
                torch.set_grad_enabled(self.learning),
            ):
                encoded = encode_tokens(
                    encoder,
                    tokens[part],
                    options.clip_skip,
                    sdxl_clip_l_skip=options.sdxl_clip_l_skip,
                )
            hidden.append(encoded.hidden.float())
            if encoded.pooled is not None:
                pooled.append(encoded.pooled.float())
        return EncodedTokens(torch.cat(hidden), torch.cat(pooled) if pooled else None)

    @contextmanager
    def _insert_embeddings(
        self, encoder: TextEncoder, chunks: Sequence[Chunk], columns: slice
    ) -> Iterator[None]:
        """Put the learned vectors in place of the zeros that the layout left for them."""
        if not any(chunk.embeddings for chunk in chunks):
            yield
            return
        table = encoder.model.get_input_embeddings()
        hook = table.register_forward_hook(self._embedding_hook(chunks, columns))
        try:
            yield
        finally:
            hook.remove()

    def _embedding_hook(
        self, chunks: Sequence[Chunk], columns: slice
    ) -> Callable[[nn.Module, object, Tensor], Tensor]:
        by_name = {inversion.name: inversion.vectors[:, columns] for inversion in self.inversions}

        def insert(_module: nn.Module, _inputs: object, embedded: Tensor) -> Tensor:
            result = embedded.clone()  # (n, 77, width)
            for row, chunk in enumerate(chunks):
                for placed in chunk.embeddings:
                    vectors = by_name[placed.name]
                    start = placed.offset + 1  # after the start mark
                    result[row, start : start + len(vectors)] = vectors.to(result)
            return result

        return insert


def apply_emphasis(hidden: Tensor, weights: Tensor, mode: str) -> Tensor:
    """Weigh each token's vector: ``hidden`` (n, 77, width), ``weights`` (n, 77).

    "Original" restores the mean of the whole tensor afterwards (contract section 2.8).
    """
    if mode in ("Ignore", "None") or bool((weights == 1).all()):
        return hidden
    weighted = hidden * weights.to(hidden).unsqueeze(-1)
    if mode == "No norm":
        return weighted
    return weighted * (hidden.mean() / weighted.mean())


def encode_prompts(
    encoder: PromptEncoder,
    positive: Sequence[str],
    negative: Sequence[str],
    timing: Timing,
    added: AddedNumbers = AddedNumbers(),
    *,
    zeroes_empty_negative: bool = False,
) -> Conditioning:
    """Encode the prompts of a batch; equal (sub-)prompts are encoded once.

    ``timing`` counts denoiser calls: twice the steps for second-order samplers. Tags and comments
    must be gone already. The negative prompts are not split at AND (contract section 2.1). With
    ``zeroes_empty_negative`` one that is "" at all steps is encoded as zeros.
    """
    known: dict[str, tuple[tuple[ScheduledText, ...], EncodedTexts]] = {}

    def stages(text: str, numbers: tuple[float, ...], zeroes: bool) -> tuple[ScheduledContext, ...]:
        if text not in known:
            entries = schedule_prompt(text, timing)
            known[text] = entries, encoder.encode([entry.text for entry in entries])
        entries, encoded = known[text]
        if zeroes and not any(entry.text for entry in entries):
            encoded = encoded.to_zeros()
        return tuple(
            ScheduledContext(entry.end, context, _vector(encoded.pooled, row, numbers))
            for row, (entry, context) in enumerate(zip(entries, encoded.contexts, strict=True))
        )

    return Conditioning(
        tuple(
            tuple(
                WeightedPrompt(part.weight, stages(part.text, added.positive, False))
                for part in split_and(prompt)
            )
            for prompt in positive
        ),
        tuple(stages(prompt, added.negative, zeroes_empty_negative) for prompt in negative),
    )


def _vector(pooled: Tensor | None, row: int, numbers: tuple[float, ...]) -> Tensor | None:
    if pooled is None or not numbers:
        return None
    return torch.cat([pooled[row], pooled.new_tensor(numbers)])
