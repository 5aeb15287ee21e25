"""A user's jobs are done with the user's models, and their pictures saved in the user's tree."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from generator.errors import BadRequest, GeneratorError, ModelNotFound
from generator.models.registry import Registry
from generator.request import GenerationRequest, Sampling, Seeds
from tests.webapp.conftest import configuration, write_checkpoint, write_model
from tests.webapp.worker.worker_bench import Engine as PretendingEngine
from tests.webapp.worker.worker_bench import WorkerThread
from webapp.plugins.model_registry import folders_of
from webapp.queues.contracts.charges import Charge
from webapp.queues.contracts.frame import Frame
from webapp.queues.job_codec import TREE_TAG, QueuedGeneration, SaveOptions, encode_job
from webapp.settings.config import Config
from webapp.worker import user_workspaces
from webapp.worker.user_workspaces import UnknownUser, UserWorkspaces


class Engine(PretendingEngine):
    """Remembers whose models it was given."""

    folders: tuple[Path, ...] = ()

    def for_user(self, registry: Registry, styles_files: Sequence[Path]) -> "Engine":
        """One that tells of the user's folders and styles."""
        engine = Engine()
        engine.folders = (*registry.folders.all(), *styles_files)
        return engine


def workspaces(config: Config) -> UserWorkspaces[Engine]:
    return UserWorkspaces(config, Registry(folders_of(config)), Engine())


def test_pictures_of_a_user_are_saved_below_the_users_tree(memory_folder: Path) -> None:
    config = configuration(memory_folder, accounts=True)
    bench = WorkerThread(memory_folder, find_workspace=workspaces(config).find)
    try:
        save = SaveOptions("outputs", "outputs")
        job = QueuedGeneration(
            GenerationRequest("boat", Seeds(7), sampling=Sampling(steps=1)),
            "txt2img",
            {},
            save=save,
        )
        for name, tags in (("anns", {TREE_TAG: "ann"}), ("roots", {})):
            bench.store.put(Frame(name, "generate", encode_job(job), tags=tags))
            assert bench.answer(name)[0] == 200
        bench.store.put(Frame("evil", "generate", encode_job(job), tags={TREE_TAG: "../bob"}))
        status, body = bench.answer("evil")
    finally:
        bench.end()
    assert len(list((memory_folder / "users/ann/outputs").rglob("*.png"))) == 1
    assert len(list((memory_folder / "outputs").rglob("*.png"))) == 1
    assert status == 500
    assert "no name of a user's tree" in str(body)


def test_a_worker_without_users_does_no_users_job(memory_folder: Path) -> None:
    bench = WorkerThread(memory_folder)
    try:
        job = QueuedGeneration(GenerationRequest("boat", Seeds(7)), "txt2img", {})
        bench.store.put(Frame("anns", "generate", encode_job(job), tags={TREE_TAG: "ann"}))
        assert bench.answer("anns")[0] == 500
    finally:
        bench.end()
    assert bench.engine.runs == []


def test_a_job_is_charged_with_no_model_that_its_owner_may_not_load(memory_folder: Path) -> None:
    config = configuration(memory_folder, accounts=True)
    write_checkpoint(memory_folder / "users/ann/models/Stable-diffusion/annsecret.safetensors")
    bench = WorkerThread(memory_folder, find_workspace=workspaces(config).find)
    bench.engine.loaded_checkpoints = ("annsecret.safetensors",)  # from an earlier job
    body = encode_job(QueuedGeneration(GenerationRequest("boat", Seeds(7)), "txt2img", {}))
    try:
        for name, tree in (("anns", "ann"), ("bobs", "bob"), ("evil", "../ann")):
            tags = {TREE_TAG: tree}
            bench.store.put(Frame(name, "generate", body, checkpoint="asked", tags=tags))
            bench.answer(name)
        kept = (each.facts for each in bench.store.read_charges(100))
        models = {each.job: each.model for each in kept if isinstance(each, Charge)}
    finally:
        bench.end()
    assert models == {"anns": "annsecret.safetensors", "bobs": "asked", "evil": "asked"}


def test_only_the_latest_users_workspaces_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_workspaces, "MAX_USERS", 2)
    known = workspaces(configuration(tmp_path))
    first = known.find("ann")
    assert known.find("ann") is first
    assert first.data_dir == tmp_path / "users/ann"
    assert tmp_path / "users/ann/styles.csv" in first.engine.folders
    for name in ("bob", "cat"):
        known.find(name)
    assert known.find("ann") is not first
    with pytest.raises(UnknownUser):
        known.find("../ann")


def test_the_real_engine_finds_what_the_users_registry_has_alone(tmp_path: Path) -> None:
    from generator.engine import Engine as RealEngine  # torch

    config = configuration(tmp_path, accounts=True)
    models = tmp_path / "users/ann/models"
    write_checkpoint(models / "Stable-diffusion/mine.safetensors")
    write_model(models / "ESRGAN/sharp.safetensors")
    write_model(tmp_path / "models/Lora/of-the-boss.safetensors")
    shared = Registry(folders_of(config))
    engine = RealEngine(shared)
    spaces = UserWorkspaces(config, shared, engine)
    request = GenerationRequest("boat", Seeds(1), checkpoint="mine.safetensors")
    for other in (engine, spaces.find("bob").engine):
        with pytest.raises(ModelNotFound, match="There is no checkpoint"):
            other.run(request)
        with pytest.raises(BadRequest, match="could not find upscaler"):
            other._upscalers.resolve_name("sharp")
    mine = spaces.find("ann").engine
    assert mine._upscalers.resolve_name("sharp") == "sharp"
    with pytest.raises(GeneratorError) as told:
        mine.run(request)  # it is found, and holds nothing to draw with
    assert not isinstance(told.value, ModelNotFound)
    assert mine._residency is engine._residency
