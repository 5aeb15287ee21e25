"""Trains an existing textual inversion file in place."""

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from generator.errors import BadRequest, WrongArchitecture
from generator.hooks import Watch
from generator.inversion.lessons import Lesson
from generator.inversion.training import Example, Pupil, train
from generator.inversion.words import Written, write_word
from generator.models.embeddings import read_embedding
from generator.models.kinds import Kind
from generator.models.registry import Registry

Ready = Callable[[Lesson, Tensor, int], Pupil]


def train_word(
    lesson: Lesson,
    examples: Sequence[Example],
    registry: Registry,
    ready: Ready,
    watch: Watch,
) -> Path:
    """Train the word that the lesson names and write it; its file.

    ``load_state`` has the networks in memory. Raises :class:`BadRequest` for a word that had its steps
    already, or is no ``.pt``, :class:`WrongArchitecture` for one of another width, and as
    :func:`generator.inversion.training.train` does.
    """
    file = registry.find(Kind.EMBEDDING, lesson.name)
    if file.path.suffix != ".pt":
        raise BadRequest(
            f"{file.name} is no .pt, and only those are trained: make a word with "
            "POST /sdapi/v1/create/embedding.",
            "embedding_name",
        )
    had = file.embedding.step or 0
    if had >= lesson.steps:
        raise BadRequest(f"{file.name} has had {had} steps already; ask for more.", "steps")
    pupil = ready(lesson, read_embedding(file), had)
    width = pupil.checkpoint.text_encoder.config.hidden_size
    if pupil.vectors.shape[1] != width:
        raise WrongArchitecture(
            f"{file.name} is {pupil.vectors.shape[1]} wide, and the text of "
            f"{pupil.checkpoint.file.name} {width}; make a word with this checkpoint."
        )

    def write(vectors: Tensor, step: int, path: Path) -> None:
        told = Written(lesson.name, step, pupil.checkpoint.file)
        write_word(path, vectors, told, overwrite=True)

    def keep(vectors: Tensor, step: int) -> None:
        write(vectors, step, Path(lesson.copies) / f"{lesson.name}-{step}.pt")

    vectors, step = train(lesson, pupil, examples, watch, keep)
    write(vectors, step, file.path)
    return file.path
