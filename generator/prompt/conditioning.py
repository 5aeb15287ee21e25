"""Encodes prompts to conditioning for the U-Net: chunks, weights, schedules and AND.

Contract sections 2.4 to 2.9. Encodes with a transformers ``CLIPTextModel`` (SD1's encoder).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from generator.prompt.chunks import Chunk, Trigger, layout_chunks, layout_chunks_old
from generator.prompt.grammar import Timing, schedule_prompt, split_and
from generator.prompt.limits import check_chunks
from generator.prompt.tokenizer import Tokenizer

if TYPE_CHECKING:  # its import needs generator.models.torchvision_ops first
    from transformers import CLIPTextModel

CHUNKS_PER_CALL = 64  # chunks that the text encoder reads together


@dataclass(frozen=True, slots=True)
class ScheduledContext:
    """What holds up to and including denoiser call ``end`` (the first call is 0)."""

    end: int
    context: Tensor  # (77 * chunks, width)


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
class TextualInversion:
    """A learned word. ``vectors`` (k, width) take k tokens wherever ``name`` stands."""

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


@dataclass
class PromptEncoder:
    """A text encoder with its tokenizer, embeddings and options. ``seconds`` counts its work."""

    model: "CLIPTextModel"
    tokenizer: Tokenizer
    options: EncoderOptions = EncoderOptions()
    inversions: Sequence[TextualInversion] = ()
    seconds: float = 0.0
    learning: bool = False  # gradients reach the inversions' vectors
    used_embeddings: dict[str, None] = field(
        default_factory=dict
    )  # textual inversions met, in order
    pause: Callable[[], None] = lambda: None  # called between pieces of work; may raise to end it

    def encode(self, texts: Sequence[str]) -> Tensor:
        """(texts, 77 * chunks, width): texts of one prompt, padded to the same chunk count.

        Texts of one call share the normalisation of the "Original" emphasis mode. Raises
        :class:`generator.errors.BadRequest` for more chunks than are encoded.
        """
        rows: list[list[Chunk]] = []
        for text in texts:
            self.pause()
            rows.append(list(self._chunks_of(text)))
        longest = max(len(row) for row in rows)
        check_chunks(len(rows), longest)
        for row in rows:
            row.extend(list(self._chunks_of("")) * (longest - len(row)))
        columns = zip(*rows, strict=True)
        return torch.cat([self._encode_chunks(column) for column in columns], dim=1)

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

    def _encode_chunks(self, chunks: Sequence[Chunk]) -> Tensor:
        device = self.model.device
        tokens = torch.tensor([chunk.tokens for chunk in chunks], device=device)  # (n, 77)
        weights = torch.tensor([chunk.weights for chunk in chunks], device=device)
        started = time.perf_counter()
        parts = []
        for start in range(0, len(chunks), CHUNKS_PER_CALL):
            self.pause()
            part = slice(start, start + CHUNKS_PER_CALL)
            with self._insert_embeddings(chunks[part]), torch.set_grad_enabled(self.learning):
                parts.append(self._run_encoder(tokens[part]).float())
        hidden = torch.cat(parts) if len(parts) > 1 else parts[0]
        self.seconds += time.perf_counter() - started
        return apply_emphasis(hidden, weights, self.options.emphasis)

    def _run_encoder(self, tokens: Tensor) -> Tensor:
        skip = min(self.options.clip_skip, self.model.config.num_hidden_layers)
        if skip <= 1:
            return self.model(input_ids=tokens).last_hidden_state  # (n, 77, width)
        states = self.model(input_ids=tokens, output_hidden_states=True).hidden_states
        return self.model.final_layer_norm(states[-skip])

    @contextmanager
    def _insert_embeddings(self, chunks: Sequence[Chunk]) -> Iterator[None]:
        """Put the learned vectors in place of the zeros that the layout left for them."""
        if not any(chunk.embeddings for chunk in chunks):
            yield
            return
        hook = self.model.get_input_embeddings().register_forward_hook(self._embedding_hook(chunks))
        try:
            yield
        finally:
            hook.remove()

    def _embedding_hook(
        self, chunks: Sequence[Chunk]
    ) -> Callable[[nn.Module, object, Tensor], Tensor]:
        by_name = {inversion.name: inversion.vectors for inversion in self.inversions}

        def insert(_module: nn.Module, _inputs: object, embedded: Tensor) -> Tensor:
            result = embedded.clone()  # (n, 77, width)
            for row, chunk in enumerate(chunks):
                for placed in chunk.embeddings:
                    vectors = by_name[placed.name]
                    self.used_embeddings[placed.name] = None
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
) -> Conditioning:
    """Encode the prompts of a batch; equal (sub-)prompts are encoded once.

    ``timing`` counts denoiser calls: twice the steps for second-order samplers. Tags and comments
    must be gone already. The negative prompts are not split at AND (contract section 2.1).
    """
    known: dict[str, tuple[ScheduledContext, ...]] = {}

    def stages(text: str) -> tuple[ScheduledContext, ...]:
        if text not in known:
            entries = schedule_prompt(text, timing)
            contexts = encoder.encode([entry.text for entry in entries])
            known[text] = tuple(
                ScheduledContext(entry.end, context)
                for entry, context in zip(entries, contexts, strict=True)
            )
        return known[text]

    return Conditioning(
        tuple(
            tuple(WeightedPrompt(part.weight, stages(part.text)) for part in split_and(prompt))
            for prompt in positive
        ),
        tuple(stages(prompt) for prompt in negative),
    )
