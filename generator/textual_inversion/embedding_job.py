"""Trains an existing textual inversion file in place."""

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from generator.errors import BadRequest, WrongArchitecture
from generator.hooks import Watch
from generator.models.embeddings import read_embedding
from generator.models.kinds import ModelKind
from generator.models.registry import Registry
from generator.textual_inversion.config import TrainingConfig
from generator.textual_inversion.embedding_file import EmbeddingInfo, write_embedding
from generator.textual_inversion.trainer import Example, TrainingState, train

LoadTrainingState = Callable[[TrainingConfig, Tensor, int], TrainingState]


def train_embedding(
    config: TrainingConfig,
    examples: Sequence[Example],
    registry: Registry,
    load_state: LoadTrainingState,
    watch: Watch,
) -> Path:
    """Train the word that the lesson names and write it; its file.

    ``load_state`` has the networks in memory. Raises :class:`BadRequest` for a word that had its
    steps already, or is no ``.pt``, :class:`WrongArchitecture` for one of another width, and as
    :func:`generator.textual_inversion.trainer.train` does.
    """
    file = registry.find(ModelKind.EMBEDDING, config.name)
    if file.path.suffix != ".pt":
        raise BadRequest(
            f"{file.name} is no .pt, and only those are trained: make a word with "
            "POST /sdapi/v1/create/embedding.",
            "embedding_name",
        )
    steps_done = file.embedding.step or 0
    if steps_done >= config.steps:
        raise BadRequest(f"{file.name} has had {steps_done} steps already; ask for more.", "steps")
    state = load_state(config, read_embedding(file), steps_done)
    width = state.checkpoint.text_width
    if state.vectors.shape[1] != width:
        raise WrongArchitecture(
            f"{file.name} is {state.vectors.shape[1]} wide, and the text of "
            f"{state.checkpoint.file.name} {width}; make a word with this checkpoint."
        )

    def write(vectors: Tensor, step: int, path: Path) -> None:
        info = EmbeddingInfo(config.name, step, state.checkpoint.file)
        write_embedding(path, vectors, info, overwrite=True)

    def keep(vectors: Tensor, step: int) -> None:
        write(vectors, step, Path(config.copies) / f"{config.name}-{step}.pt")

    vectors, step = train(config, state, examples, watch, keep)
    write(vectors, step, file.path)
    return file.path
