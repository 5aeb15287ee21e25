"""What a worker does with a job: one handler for each kind of frame. Imports no torch."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from generator.data_folders import STATE_FOLDER
from generator.errors import GeneratorError
from generator.hires.hires_size import second_pass_size
from generator.hooks import NullListener, Watch
from generator.interrogation.requests import InterrogationRequest
from generator.job.output_filter import OutputFilter
from generator.model_tools.recipes import ModelRecipe, WrittenModel, describe_written
from generator.request import (
    Extras,
    ExtrasRequest,
    Generation,
    GenerationRequest,
    Progress,
    Snapshot,
)
from plugins.engine_listener import PluginListener
from plugins.host import Host
from webapp.errors import json_answer
from webapp.plugins.plugin_jobs import PROGRESS_STEPS, run_task
from webapp.queues import job_codec
from webapp.queues.contracts.charges import JobOutput
from webapp.queues.contracts.frame import Answer, Lease
from webapp.requests.save_options import estimate_bytes
from webapp.worker.detection import MapEngine, detect_maps
from webapp.worker.embedding_jobs import EmbeddingEngine, create_embedding, train_embedding
from webapp.worker.expected_pace import JobPace
from webapp.worker.extras_responses import compose_extras
from webapp.worker.image_writer import SavedPictures, check_free_space, save_all
from webapp.worker.lease_keeper import LeaseKeeper
from webapp.worker.responses import compose_answer
from webapp.worker.save_journal import SaveJournal
from webapp.worker.user_workspaces import Workspace

DRAWN_WITH_CHECKPOINT = frozenset({job_codec.GENERATE, job_codec.TRAIN_EMBEDDING})

KeepLease = Callable[[Lease, Snapshot], LeaseKeeper]
"""A context that keeps the lease alive, publishes progress and checks for stop requests."""


Turn = Callable[[], AbstractContextManager[object]]


class WorkerEngine(EmbeddingEngine, MapEngine, Protocol):
    """The part of the engine that the worker uses; tests pass their own."""

    @property
    def loaded_checkpoints(self) -> tuple[str, ...]: ...

    def run(self, request: GenerationRequest, watch: Watch) -> Generation: ...

    def enlarge(self, request: ExtrasRequest) -> Extras: ...

    def interrogate(self, request: InterrogationRequest) -> str: ...

    def write_model(self, recipe: ModelRecipe, watch: Watch) -> WrittenModel: ...

    def unload(self) -> None: ...


class UnknownWork(GeneratorError):
    """A frame of a kind that this worker has no verb for."""


class JobHandlers:
    """Carries out jobs on one device: ``table`` has the handler of each kind of frame."""

    def __init__(
        self,
        engine: WorkerEngine,
        data_dir: Path,
        host: Host | None,
        pace_of: Callable[[Lease], JobPace],
        keep_lease: KeepLease,
        turn: Turn = nullcontext,
        state_folder: Path | None = None,
    ) -> None:
        """``turn``: a context in which no other job of the engine computes, or calls a plugin."""
        self.engine = engine
        self.data_dir = data_dir
        self.state_folder = state_folder or data_dir / STATE_FOLDER
        self.host = host
        self.pace_of = pace_of
        self.keep_lease = keep_lease
        self.turn = turn
        self.table: dict[str, Callable[[Lease], Answer]] = {
            job_codec.GENERATE: self.generate,
            job_codec.EXTRAS: self.enlarge,
            job_codec.DETECT: self.detect_maps,
            job_codec.CREATE_EMBEDDING: self.create_embedding,
            job_codec.TRAIN_EMBEDDING: self.train_embedding,
            job_codec.INTERROGATE: self.interrogate,
            job_codec.MERGE_MODELS: self.write_model,
            job_codec.CONVERT_MODEL: self.write_model,
            job_codec.PLUGIN: self.run_plugin_task,
        }

    def in_workspace(self, workspace: Workspace[WorkerEngine]) -> "JobHandlers":
        """The same handlers with the models and the folder of one user."""
        terms = (self.host, self.pace_of, self.keep_lease, self.turn, self.state_folder)
        return JobHandlers(workspace.engine, workspace.data_dir, *terms)

    def find(self, kind: str) -> Callable[[Lease], Answer]:
        """The handler of a kind of frame. Raises ``UnknownWork``."""
        handler = self.table.get(kind)
        if handler is None:
            raise UnknownWork(f"This worker cannot do {kind!r}; it knows {', '.join(self.table)}.")
        return handler

    def generate(self, lease: Lease) -> Answer:
        """Decode, draw, save, compose."""
        job = job_codec.decode_job(lease.frame.body)
        with self.keep_lease(lease, job.request.options) as lease_keeper:
            if job.save:
                check_free_space(job, self.data_dir, estimate_bytes(job.request))
            pace = self.pace_of(lease)
            pace.begin(batch_megapixels(job.request))
            generation = self.engine.run(job.request, lease_keeper)
            pace.finish()
            lease_keeper.confirm(pace.finish)
            journal = SaveJournal.for_job(self.state_folder, lease.frame.id)
            output_filter = self.make_output_filter(job.request.user_name)
            saved = save_all(job, generation, self.data_dir, datetime.now(), journal, output_filter)
            generation = replace(generation, facts=output_filter.merge_facts(generation.facts))
            if self.host:
                self.ask_in_turn(self.host, "after_save", paths=saved.paths, request=job.request)
            answer = compose_answer(job, generation, saved, skipped=lease_keeper.skipped)
            done = lease_keeper.share_done if generation.stopped else 1.0
            return replace(answer, output=measure_output(generation, saved, done))

    def enlarge(self, lease: Lease) -> Answer:
        """Run an extras job (upscaling) on pictures sent in the request."""
        job = job_codec.EXTRAS_REQUESTS.validate_json(lease.frame.body)
        with self.keep_lease(lease, Snapshot()) as lease_keeper:
            lease_keeper(Progress("extras", 0, 1, 0, 1), None)
            extras = self.engine.enlarge(job.request)
            lease_keeper.confirm(self.pace_of(lease).finish)
        return replace(compose_extras(job, extras), output=JobOutput(len(extras.images)))

    def detect_maps(self, lease: Lease) -> Answer:
        """Draw ControlNet's maps of pictures."""
        job = job_codec.DETECTIONS.validate_json(lease.frame.body)
        with self.keep_lease(lease, Snapshot()) as lease_keeper:
            lease_keeper(Progress("detect", 0, 1, 0, 1), None)
            return detect_maps(job, self.make_output_filter(job.user_name), self.engine)

    def interrogate(self, lease: Lease) -> Answer:
        """Describe a picture."""
        request = job_codec.INTERROGATIONS.validate_json(lease.frame.body)
        with self.keep_lease(lease, Snapshot()) as lease_keeper:
            lease_keeper(Progress("interrogate", 0, 1, 0, 1), None)
            return json_answer(200, {"caption": self.engine.interrogate(request)})

    def write_model(self, lease: Lease) -> Answer:
        """Merge or convert models."""
        recipe = job_codec.MODEL_RECIPES.validate_json(lease.frame.body)
        with self.keep_lease(lease, Snapshot()) as lease_keeper:
            return json_answer(200, describe_written(self.engine.write_model(recipe, lease_keeper)))

    def create_embedding(self, lease: Lease) -> Answer:
        """Create a textual-inversion embedding."""
        embedding = job_codec.NEW_EMBEDDINGS.validate_json(lease.frame.body)
        with self.keep_lease(lease, Snapshot()) as lease_keeper:
            lease_keeper(Progress("create-embedding", 0, 1, 0, 1), None)
            return create_embedding(self.engine, embedding)

    def train_embedding(self, lease: Lease) -> Answer:
        """Train a textual-inversion embedding."""
        job = job_codec.TRAININGS.validate_json(lease.frame.body)
        with self.keep_lease(lease, Snapshot()) as lease_keeper:
            return train_embedding(self.engine, job, self.data_dir, lease_keeper)

    def run_plugin_task(self, lease: Lease) -> Answer:
        """What a plugin makes of its own task."""
        task = job_codec.PLUGIN_TASKS.validate_json(lease.frame.body)
        with self.keep_lease(lease, Snapshot()) as lease_keeper:
            lease_keeper(Progress(task.plugin, 0, 1, 0, PROGRESS_STEPS), None)
            return run_task(self.host, task, lease_keeper)

    def notify_job_failed(self, lease: Lease, error: Exception) -> None:
        """Call the plugins' ``job_failed`` hook, if the failed request can be decoded."""
        if not self.host or lease.frame.kind != job_codec.GENERATE:
            return
        with suppress(ValidationError):  # that is what failed, and it has been logged
            request = job_codec.decode_job(lease.frame.body).request
            self.ask_in_turn(self.host, "job_failed", error=error, request=request)

    def ask_in_turn(self, host: Host, hook: str, **facts: object) -> None:
        """Call plugins while no other job calls any: they are used to one job at a time."""
        with self.turn() if host.implements(hook) else nullcontext():
            host.ask(hook, **facts)

    def make_output_filter(self, caller: str) -> OutputFilter:
        """The filter for pictures that the engine does not pass through plugins itself."""
        listener = PluginListener(self.host, self.turn) if self.host else NullListener()
        return OutputFilter(listener, caller)


def measure_output(generation: Generation, saved: SavedPictures, done: float) -> JobOutput:
    """What the ledger is told of a drawing."""
    size = sum(map(size_of, saved.paths))
    return JobOutput(
        len(generation.pictures), size, generation.network_seconds, done, generation.stopped
    )


def size_of(path: Path) -> int:
    """Bytes of a saved file; 0 where a plugin has moved it."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def batch_megapixels(request: GenerationRequest) -> float:
    """The size of a batch at the largest that it is drawn."""
    width, height = request.width, request.height
    if request.hires is not None:
        larger = second_pass_size(request.hires, width, height)
        width, height = larger.width, larger.height
    return request.batch_size * width * height / 1e6
