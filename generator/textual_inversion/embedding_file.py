"""The file of a learned word: its first vectors, and how it is written."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from generator.atomic_file import atomic_file, shared_mode
from generator.errors import BadRequest, CannotSave
from generator.models.index import ModelFile
from generator.models.scan import SETTLE_SECONDS
from generator.prompt.tokenizer import Tokenizer
from generator.reasons import reason_of
from generator.textual_inversion.config import EmbeddingSpec

if TYPE_CHECKING:
    from transformers import CLIPTextModel

ANY_WORD, ANY_TOKEN = "*", 265  # under this word trainers keep their vectors


class WordExists(BadRequest):
    """A file of that name is there, and may not be overwritten."""

    code = "word_exists"


@dataclass(frozen=True, slots=True)
class EmbeddingInfo:
    """What a word's file tells beside its vectors."""

    name: str
    step: int | None = None
    checkpoint: ModelFile | None = None  # that it was trained with


def initial_vectors(
    embedding: EmbeddingSpec, model: "CLIPTextModel", tokenizer: Tokenizer
) -> Tensor:
    """(vectors, width) in fp32: the tokens of the initial text, spread over the vectors in order.

    With more tokens than vectors the first ones are taken.
    """
    table = model.get_input_embeddings().weight  # (tokens, width)
    ids = tokenizer.encode(embedding.init_text)[: embedding.vectors]
    if not ids:
        return torch.zeros(embedding.vectors, table.shape[1])
    rows = [ids[place * len(ids) // embedding.vectors] for place in range(embedding.vectors)]
    return table[rows].detach().float().cpu().clone()


def write_embedding(path: Path, vectors: Tensor, info: EmbeddingInfo, *, overwrite: bool) -> None:
    """Write a word as AUTOMATIC1111 keeps it, in one step.

    Raises :class:`WordExists`, and :class:`CannotSave` for a disk that takes nothing.
    """
    content = {
        "string_to_token": {ANY_WORD: ANY_TOKEN},
        "string_to_param": {ANY_WORD: vectors.detach().float().cpu().clone()},
        "name": info.name,
        "step": info.step,
        "sd_checkpoint": info.checkpoint.shorthash if info.checkpoint else None,
        "sd_checkpoint_name": info.checkpoint.model_name if info.checkpoint else None,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path, shared_mode(0o666), replace=overwrite) as file:
            torch.save(content, file)
            file.flush()
            old_mtime = (
                time.time() - 2 * SETTLE_SECONDS
            )  # it appears whole: the registry need not wait
            os.utime(file.fileno(), (old_mtime, old_mtime))
    except OSError as error:
        # a file that stands where the folder should is no word of that name
        if isinstance(error, FileExistsError) and path.parent.is_dir():
            raise WordExists(
                f"file {path.parent.name}/{path.name} already exists; choose another name, or "
                "allow overwriting",
                "name",
            ) from None
        raise CannotSave(
            f"{path.parent.name}/{path.name} cannot be written: {reason_of(error)}"
        ) from error
