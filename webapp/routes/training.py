"""Creates and trains textual-inversion embeddings (contract section 1.11), by the queue."""

from pathlib import Path
from uuid import uuid4

from flask import Blueprint, Response

from webapp.errors import NotBuilt
from webapp.openapi import Note, described
from webapp.queues.contracts import Frame
from webapp.queues.frames import MAKE_WORD, NEW_WORDS, TRAIN_WORD, TRAININGS
from webapp.requests.teaching import new_word
from webapp.requests.teaching import training as lesson_of
from webapp.requests.training import (
    EmbeddingTraining,
    NewEmbedding,
    NewHypernetwork,
    arguments,
)
from webapp.routes import road
from webapp.routes.context import caller, check_room, json_body, response, services
from webapp.routes.errands import chosen
from webapp.routes.tasks import ROUTE_TAG, TASK_TAG, new_task
from webapp.scopes import Scope, allowed

training = Blueprint("training", __name__, url_prefix="/sdapi/v1")
INFO = {"type": "object", "properties": {"info": {"type": "string"}}}
ROOM = 16 << 20  # bytes that a word and the pictures of its training may take
ARGUMENTS = {"type": "object"}


@training.post("/create/embedding")
@allowed(Scope.USER)
@described(Note("Make a learned word", body=NewEmbedding, answer=INFO))
def create_embedding() -> Response:
    """A word that is there already is told in ``info``, as AUTOMATIC1111 does."""
    body = arguments(NewEmbedding, json_body(), "create_embedding")
    checkpoint = chosen(services())
    word = new_word(body, services(), checkpoint)
    answer = through_queue(MAKE_WORD, NEW_WORDS.dump_json(word), checkpoint, new_task("create"))
    services().registry.refresh(whole=[Path(word.path).resolve()])
    return answer


@training.post("/train/embedding")
@allowed(Scope.USER)
@described(Note("Train a learned word", body=EmbeddingTraining, answer=INFO))
def train_embedding() -> Response:
    """Answered at its end, or when it is interrupted; ``GET progress`` tells how far it is."""
    body = arguments(EmbeddingTraining, json_body(), "train_embedding")
    checkpoint = chosen(services())
    job = lesson_of(body, services(), checkpoint)
    task = body.id_task or new_task("train")
    answer = through_queue(TRAIN_WORD, TRAININGS.dump_json(job), checkpoint, task)
    services().registry.refresh_still()
    return answer


@training.post("/create/hypernetwork")
@allowed(Scope.USER)
@described(Note("Hypernetworks are not made here: 501", body=ARGUMENTS, answer=INFO))
def create_hypernetwork() -> Response:
    """Checked as AUTOMATIC1111 checks it, then refused."""
    arguments(NewHypernetwork, json_body(), "create_hypernetwork")
    raise no_hypernetwork("made")


@training.post("/train/hypernetwork")
@allowed(Scope.USER)
@described(Note("Hypernetworks are not trained here: 501", body=ARGUMENTS, answer=INFO))
def train_hypernetwork() -> Response:
    """Refused."""
    json_body()
    raise no_hypernetwork("trained")


def no_hypernetwork(verb: str) -> NotBuilt:
    """What to do instead."""
    return NotBuilt(
        f"Hypernetworks are not {verb} here, only drawn with (<hypernet:name:1>): train a word "
        "with POST /sdapi/v1/train/embedding, or bring a LoRA."
    )


def through_queue(kind: str, body: bytes, checkpoint: str, task: str) -> Response:
    """Put it into the queue and wait for its answer."""
    check_room(ROOM)
    wanted = Frame(
        id=uuid4().hex,
        kind=kind,
        body=body,
        owner=caller().name,
        checkpoint=checkpoint,
        tags={TASK_TAG: task, ROUTE_TAG: kind},
    )
    return response(road.draw(services(), wanted))
