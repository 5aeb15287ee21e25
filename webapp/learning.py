"""Creation and training of textual-inversion embeddings, in the worker. No Flask."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from filebrowser.gate import open_place
from generator.hooks import Watch
from generator.inversion.lessons import Lesson, NewWord
from generator.pictures.reading import open_picture
from webapp.errors import json_answer
from webapp.picture_files import PictureFiles
from webapp.queues.contracts import Answer
from webapp.queues.frames import TrainingJob
from webapp.roots import data_root, within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from generator.inversion.training import Example


class Teacher(Protocol):
    """The part of the engine that creates and trains embeddings."""

    def make_word(self, word: NewWord) -> Path: ...

    def train_word(
        self, lesson: Lesson, examples: "Sequence[Example]", watch: Watch = ...
    ) -> Path: ...


def made(engine: Teacher, word: NewWord) -> Answer:
    """AUTOMATIC1111's answer to creating an embedding; 200 also where it exists already."""
    from generator.inversion.words import WordExists  # torch: only in the worker

    try:
        path = engine.make_word(word)
    except WordExists as error:
        return json_answer(200, {"info": f"create embedding error: {error}"})
    return json_answer(200, {"info": f"create embedding filename: {path}"})


def trained(engine: Teacher, job: TrainingJob, data_dir: Path, watch: Watch) -> Answer:
    """AUTOMATIC1111's answer to training an embedding."""
    with copies_folder(job.lesson, data_dir) as lesson:
        path = engine.train_word(lesson, list(examples(job, data_dir)), watch)
    return json_answer(200, {"info": f"train embedding complete: filename: {path} error: None"})


@contextmanager
def copies_folder(lesson: Lesson, data_dir: Path) -> Iterator[Lesson]:
    """The lesson with its folder of copies held open: what takes its place later gets none."""
    if not lesson.copies:
        yield lesson
        return
    with PictureFiles(data_dir).folder(Path(lesson.copies)) as folder:
        yield replace(lesson, copies=f"/proc/self/fd/{folder}")


def examples(job: TrainingJob, data_dir: Path) -> "Iterator[Example]":
    """The pictures of a training. Raises ``FileError`` and ``BadRequest`` for what is none."""
    from generator.inversion.training import Example  # torch: only in the worker

    root = data_root(data_dir)
    for path, words in job.pictures:
        with open(open_place(within(root, path)), "rb") as file:
            yield Example(open_picture(file.read()), words)
