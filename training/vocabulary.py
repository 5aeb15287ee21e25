"""Words of the training as CLIP token ids, and captions as rows of ids.

CLIP's vocabulary has 49408 tokens, the drawing program speaks some 200. Training holds a row of the
embedding for each of those and one, always zero, for all others; export spreads them out. So an
unknown word adds nothing but its position, and training meets such words on purpose.
"""

from collections.abc import Sequence
from random import Random

import torch
from torch import Tensor

from generator.prompt.tokenizer import END, START, Tokenizer
from training.caption import write_caption
from training.composition import compose
from training.configs import TOKENS

UNKNOWN = 0  # the compact row of every token that no caption holds


def known_tokens(tokenizer: Tokenizer, captions: int = 20_000) -> tuple[int, ...]:
    """The token ids that captions hold, ascending: compact row ``k`` is entry ``k - 1``."""
    spoken: set[str] = set()
    for seed in range(captions):
        rng = Random(seed)
        spoken.update(write_caption(compose(rng), rng).replace(",", " , ").split())
    return tuple(sorted({START, END, *tokenizer.encode(" ".join(spoken))}))


def compact_rows(captions: Sequence[str], tokenizer: Tokenizer, known: Sequence[int]) -> Tensor:
    """Captions as compact rows (B, 77) int64, between start and end, padded with the end's row."""
    rows = {token: row for row, token in enumerate(known, start=1)}
    ids = torch.full((len(captions), TOKENS), rows[END])
    ids[:, 0] = rows[START]
    for index, caption in enumerate(captions):
        ids_of_caption = [rows.get(token, UNKNOWN) for token in tokenizer.encode(caption)][
            : TOKENS - 2
        ]
        ids[index, 1 : 1 + len(ids_of_caption)] = torch.tensor(ids_of_caption, dtype=torch.long)
    return ids


def with_unknown_words(ids: Tensor, rng: Random) -> Tensor:
    """One row (77,) with one to three unknown words put in anywhere."""
    spread = ids.clone()
    length = int((ids != ids[-1]).sum())
    for _ in range(rng.randint(1, 3)):
        if length < TOKENS - 2:
            at = rng.randint(1, length)
            spread[at + 1 :] = spread[at:-1].clone()
            spread[at] = UNKNOWN
            length += 1
    return spread
