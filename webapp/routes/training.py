"""Creates and trains textual-inversion embeddings (contract section 1.11), by the queue."""

from pathlib import Path
from uuid import uuid4

from flask import Blueprint, Response
from typing_extensions import TypedDict

from webapp.access.scopes import AccessScope, requires
from webapp.errors import NotBuilt
from webapp.http.openapi import RouteNote, with_note
from webapp.queues.contracts.frame import Frame
from webapp.queues.job_codec import CREATE_EMBEDDING, NEW_EMBEDDINGS, TRAIN_EMBEDDING, TRAININGS
from webapp.requests.embedding_training import read_new_embedding, training_workload
from webapp.requests.embedding_training import read_training as lesson_of
from webapp.requests.training import (
    CreateEmbeddingBody,
    CreateHypernetworkBody,
    TrainEmbeddingBody,
    read_arguments,
)
from webapp.routes import submission
from webapp.routes.context import caller, check_free_space, read_json_body, to_response
from webapp.routes.tasks import ROUTE_TAG, TASK_TAG, new_task
from webapp.routes.worker_commands import selected_checkpoint
from webapp.services import Services

RESERVED_BYTES = 16 << 20  # bytes that a word and the pictures of its training may take


class TrainingInfo(TypedDict):
    """What became of it, in a sentence."""

    info: str


def blueprint(services: Services) -> Blueprint:
    """The routes."""
    routes = Blueprint("training", __name__, url_prefix="/sdapi/v1")
    add_embeddings(routes, services)
    add_hypernetworks(routes)
    return routes


def add_embeddings(routes: Blueprint, services: Services) -> None:
    """Learned words."""

    @routes.post("/create/embedding")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Make a learned word", body=CreateEmbeddingBody, answer=TrainingInfo))
    def create_embedding() -> Response:
        """A word that is there already is told in ``info``, as AUTOMATIC1111 does."""
        body = read_arguments(CreateEmbeddingBody, read_json_body(), "create_embedding")
        checkpoint = selected_checkpoint(services)
        embedding_request = read_new_embedding(body, services, checkpoint)
        answer = submit(
            services,
            CREATE_EMBEDDING,
            NEW_EMBEDDINGS.dump_json(embedding_request),
            checkpoint,
            new_task("create"),
        )
        services.registry.refresh(whole=[Path(embedding_request.path).resolve()])
        return answer

    @routes.post("/train/embedding")
    @requires(AccessScope.USER)
    @with_note(RouteNote("Train a learned word", body=TrainEmbeddingBody, answer=TrainingInfo))
    def train_embedding() -> Response:
        """Answered at its end, or when it is interrupted; ``GET progress`` tells how far it is."""
        body = read_arguments(TrainEmbeddingBody, read_json_body(), "train_embedding")
        checkpoint = selected_checkpoint(services)
        job = lesson_of(body, services, checkpoint)
        task = body.id_task or new_task("train")
        work = training_workload(job.lesson)
        answer = submit(services, TRAIN_EMBEDDING, TRAININGS.dump_json(job), checkpoint, task, work)
        services.registry.refresh_still()
        return answer


def add_hypernetworks(routes: Blueprint) -> None:
    """Hypernetworks: refused."""

    @routes.post("/create/hypernetwork")
    @requires(AccessScope.USER)
    @with_note(
        RouteNote(
            "Hypernetworks are not made here: 501", body=CreateHypernetworkBody, answer=TrainingInfo
        )
    )
    def create_hypernetwork() -> Response:
        """Checked as AUTOMATIC1111 checks it, then refused."""
        read_arguments(CreateHypernetworkBody, read_json_body(), "create_hypernetwork")
        raise hypernetwork_error("made")

    @routes.post("/train/hypernetwork")
    @requires(AccessScope.USER)
    @with_note(
        RouteNote(
            "Hypernetworks are not trained here: 501", body=dict[str, object], answer=TrainingInfo
        )
    )
    def train_hypernetwork() -> Response:
        """Refused."""
        read_json_body()
        raise hypernetwork_error("trained")


def hypernetwork_error(verb: str) -> NotBuilt:
    """What to do instead."""
    return NotBuilt(
        f"Hypernetworks are not {verb} here, only drawn with (<hypernet:name:1>): train a word "
        "with POST /sdapi/v1/train/embedding, or bring a LoRA."
    )


def submit(
    services: Services, kind: str, body: bytes, checkpoint: str, task: str, work: float = 0.0
) -> Response:
    """Put it into the queue and wait for its answer."""
    check_free_space(services, RESERVED_BYTES)
    frame = Frame(
        id=uuid4().hex,
        kind=kind,
        body=body,
        owner=caller().name,
        checkpoint=checkpoint,
        tags={TASK_TAG: task, ROUTE_TAG: kind},
        work=work,
    )
    return to_response(submission.submit_and_wait(services, frame))
