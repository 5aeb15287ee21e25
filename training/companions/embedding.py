"""The companion embedding, trained as the service trains embeddings."""

from collections.abc import Sequence
from pathlib import Path

from generator.hooks import ignore_progress
from generator.models.checkpoint import Checkpoint
from generator.prompt.tokenizer import Tokenizer
from generator.textual_inversion.config import EmbeddingSpec, StepSchedule, TrainingConfig
from generator.textual_inversion.embedding_file import (
    EmbeddingInfo,
    initial_vectors,
    write_embedding,
)
from generator.textual_inversion.trainer import Example, TrainingState, train
from training.companions.subjects import CaptionedImage
from training.configs import PICTURE

VECTORS = 3
_BEGUN = "at the sea"  # anything but what it is to mean
_RATE = StepSchedule(((2e-2, None),))
_TEMPLATES = ("[filewords], [name]", "[filewords] [name]", "[name], [filewords]")


def train_embedding(
    path: Path,
    checkpoint: Checkpoint,
    tokenizer: Tokenizer,
    shown: Sequence[CaptionedImage],
    steps: int,
) -> None:
    """Train the word that ``path`` is named by for ``steps`` steps, and write it."""
    name = path.stem
    new = EmbeddingSpec(name, str(path), VECTORS, _BEGUN)
    begun = initial_vectors(new, checkpoint.text_encoders[0].model, tokenizer)  # (VECTORS, width)
    lesson = TrainingConfig(
        name, steps, _RATE, _TEMPLATES, batch_size=8, width=PICTURE, height=PICTURE, seed=1
    )
    pupil = TrainingState(begun, checkpoint, checkpoint.vae, tokenizer)
    examples = [Example(each.image, each.caption) for each in shown]
    vectors, done = train(lesson, pupil, examples, ignore_progress, lambda _vectors, _step: None)
    write_embedding(path, vectors, EmbeddingInfo(name, done, checkpoint.file), overwrite=True)
