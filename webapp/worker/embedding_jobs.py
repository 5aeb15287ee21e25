"""Creation and training of textual-inversion embeddings, in the worker. No Flask."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from filebrowser.access.gate import open_place
from generator.hooks import Watch
from generator.pictures.base64_images import open_picture
from generator.textual_inversion.config import EmbeddingSpec, TrainingConfig
from webapp.errors import json_answer
from webapp.files.output_files import PictureFiles
from webapp.files.roots import data_place, data_root
from webapp.queues.contracts.frame import Answer
from webapp.queues.job_codec import QueuedTraining

if TYPE_CHECKING:
    from collections.abc import Sequence

    from generator.textual_inversion.trainer import Example


class EmbeddingEngine(Protocol):
    """The part of the engine that creates and trains embeddings."""

    def create_embedding(self, embedding: EmbeddingSpec) -> Path: ...

    def train_embedding(
        self, config: TrainingConfig, examples: "Sequence[Example]", watch: Watch = ...
    ) -> Path: ...


def create_embedding(engine: EmbeddingEngine, embedding: EmbeddingSpec) -> Answer:
    """AUTOMATIC1111's answer to creating an embedding; 200 also where it exists already."""
    from generator.textual_inversion.embedding_file import WordExists  # torch: only in the worker

    try:
        path = engine.create_embedding(embedding)
    except WordExists as error:
        return json_answer(200, {"info": f"create embedding error: {error}"})
    return json_answer(200, {"info": f"create embedding filename: {path}"})


def train_embedding(
    engine: EmbeddingEngine, job: QueuedTraining, data_dir: Path, watch: Watch
) -> Answer:
    """AUTOMATIC1111's answer to training an embedding."""
    with copies_folder(job.lesson, data_dir) as config:
        path = engine.train_embedding(config, list(read_examples(job, data_dir)), watch)
    return json_answer(200, {"info": f"train embedding complete: filename: {path} error: None"})


@contextmanager
def copies_folder(config: TrainingConfig, data_dir: Path) -> Iterator[TrainingConfig]:
    """The lesson with its folder of copies held open: what takes its place later gets none."""
    if not config.copies:
        yield config
        return
    with PictureFiles(data_dir).open_folder(Path(config.copies)) as folder:
        yield replace(config, copies=f"/proc/self/fd/{folder}")


def read_examples(job: QueuedTraining, data_dir: Path) -> "Iterator[Example]":
    """The pictures of a training. Raises ``FileError`` and ``BadRequest`` for what is none."""
    from generator.textual_inversion.trainer import Example  # torch: only in the worker

    root = data_root(data_dir)
    for path, caption in job.pictures:
        with open(open_place(data_place(root, path)), "rb") as file:
            yield Example(open_picture(file.read()), caption)
