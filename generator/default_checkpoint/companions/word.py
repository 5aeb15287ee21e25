"""A learned word, trained as the service trains words for its users."""

from collections.abc import Sequence
from pathlib import Path

from generator.default_checkpoint.companions.subjects import Shown
from generator.default_checkpoint.configs import PICTURE
from generator.hooks import unwatched
from generator.inversion.lessons import Lesson, NewWord, Pace
from generator.inversion.training import Example, Pupil, train
from generator.inversion.words import Written, first_vectors, write_word
from generator.models.checkpoint import Checkpoint
from generator.prompt.tokenizer import Tokenizer

VECTORS = 3
_BEGUN = "at the sea"  # anything but what it is to mean
_RATE = Pace(((2e-2, None),))
_TEMPLATES = ("[filewords], [name]", "[filewords] [name]", "[name], [filewords]")


def teach(
    path: Path, checkpoint: Checkpoint, tokenizer: Tokenizer, shown: Sequence[Shown], steps: int
) -> None:
    """Train the word that ``path`` is named by for ``steps`` steps, and write it."""
    name = path.stem
    new = NewWord(name, str(path), VECTORS, _BEGUN)
    begun = first_vectors(new, checkpoint.text_encoder, tokenizer)  # (VECTORS, width)
    lesson = Lesson(
        name, steps, _RATE, _TEMPLATES, batch_size=8, width=PICTURE, height=PICTURE, seed=1
    )
    pupil = Pupil(begun, checkpoint, checkpoint.vae, tokenizer)
    examples = [Example(each.image, each.caption) for each in shown]
    vectors, done = train(lesson, pupil, examples, unwatched, lambda _vectors, _step: None)
    write_word(path, vectors, Written(name, done, checkpoint.file), overwrite=True)
