"""A real web process with accounts, a worker beside it, and users who have something to lose."""

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from generator.hooks import Watch
from generator.models.kinds import ModelKind
from generator.models.registry import Registry
from generator.request import Generation, GenerationRequest
from tests.wait import wait_until
from tests.webapp.accounts.conftest import create_schema
from tests.webapp.conftest import write_checkpoint, write_model
from tests.webapp.routes.job_service import JOBS, Gate, JobService, Reply
from tests.webapp.web_process import web_process
from tests.webapp.worker.worker_bench import WorkerThread
from webapp.access.scopes import AccessScope
from webapp.access.secret import Secret
from webapp.accounts.accounts import Accounts, open_accounts
from webapp.accounts.api_tokens import TokenSpec
from webapp.accounts.audit import Actor
from webapp.accounts.roles import Role
from webapp.plugins.model_registry import registry_of
from webapp.settings.config import parse
from webapp.worker.user_workspaces import UserWorkspaces

USERS = {"ann": Role.MEMBER, "bob": Role.MEMBER, "vic": Role.VIEWER, "root": Role.ADMIN}
ROLE_SCOPE = {Role.MEMBER: AccessScope.USER, Role.VIEWER: AccessScope.READ,
              Role.ADMIN: AccessScope.OWNER}  # fmt: skip
MODELS = {
    "models/Stable-diffusion": "checkpoint",
    "models/Lora": "lora",
    "models/VAE": "vae",
    "embeddings": "embedding",
}


@dataclass
class NamingEngine:
    """Draws one picture whose infotext names the files that the words of its prompt mean."""

    gate: Gate
    registry: Registry
    styles_files: Sequence[Path] = ()
    loaded_checkpoints: tuple[str, ...] = ("annsecret.safetensors", "sd.safetensors")

    def for_user(self, registry: Registry, styles_files: Sequence[Path]) -> "NamingEngine":
        """With that user's models."""
        return NamingEngine(self.gate, registry, styles_files)

    def run(self, request: GenerationRequest, watch: Watch) -> Generation:
        """Raises ``ModelNotFound`` as the real one."""
        checkpoint = self.registry.find_checkpoint(request.checkpoint)
        names = [str(checkpoint.path)]
        if request.vae not in ("Automatic", "None"):
            self.registry.find_vae(request.vae)
        for word in request.prompt.split():
            if word.startswith("<lora:"):
                lora = word.split(":")[1]
                names.append(str(self.registry.find(ModelKind.LORA, lora).path))
        drawn = self.gate.draw(request, watch)
        (picture, *_) = drawn.pictures or (None,)
        if picture is None:
            return drawn
        named = type(picture)(Image.new("RGB", (8, 8)), 1, 0, request.prompt, "", " ".join(names))
        return Generation((named,), "sd", None, None, None, 1, {}, "20260101120000", 1.0, 0.5)

    def unload(self) -> None:
        """Nothing is held."""


@dataclass
class World:
    """What the tests ask. ``own`` holds what stands in addresses, by user."""

    service: JobService
    accounts: Accounts
    tokens: dict[str, str] = field(default_factory=dict)
    own: dict[str, dict[str, str]] = field(default_factory=dict)

    def ask(self, who: str, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """One request of a user."""
        return self.service.ask(method, path, body, self.tokens[who], **headers)

    def get(self, who: str, path: str) -> Any:
        """The JSON at an address."""
        reply = self.ask(who, "GET", path)
        assert reply.status == 200, (path, reply.body[:300])
        return reply.json

    def upload(self, who: str, folder: str, name: str, data: bytes, length: int = 0) -> Reply:
        """A file, or with a greater ``length`` an upload that goes on."""
        values = {"folder": f"/data/{folder}", "filename": name}
        metadata = ",".join(
            f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items()
        )
        head = {"Authorization": f"Bearer {self.tokens[who]}", "Tus-Resumable": "1.0.0",
                "Upload-Length": str(length or len(data)), "Upload-Metadata": metadata,
                "Content-Type": "application/offset+octet-stream"}  # fmt: skip
        return raw_post(self.service.process.port, "/api/files/uploads", data, head)

    def draw(self, who: str, prompt: str = "a boat", **body: object) -> Reply:
        """A picture, and what the worker says of it."""
        wanted = {"prompt": prompt, "steps": 2, "width": 64, "height": 64, **body}
        return self.ask(who, "POST", "/sdapi/v1/txt2img", wanted)


def add_member(world: World, name: str, role: Role = Role.MEMBER) -> None:
    """A user with a token for all that the role opens."""
    world.accounts.add_user(Actor("test"), name, role, None)
    spec = TokenSpec("test", (ROLE_SCOPE[role],))
    world.tokens[name] = world.accounts.add_token(Actor("test"), name, spec)[0].reveal()


def raw_post(port: int, path: str, data: bytes, head: dict[str, str]) -> Reply:
    """A request whose body is no JSON."""
    import http.client

    line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        line.request("POST", path, data, head)
        answer = line.getresponse()
        return Reply(answer.status, dict(answer.headers.items()), answer.read())
    finally:
        line.close()


def settle_in(world: World, who: str, folder: Path) -> dict[str, str]:
    """Give a user one of everything, all named after them; what stands in addresses for it."""
    mark = f"{who}secret"
    for place, name in MODELS.items():
        write = write_checkpoint if name == "checkpoint" else write_model
        data = write(folder / f"{mark}.safetensors", {"ss_output_name": mark}).read_bytes()
        assert world.upload(who, place, f"{mark}.safetensors", data).status == 201
    drawn = world.draw(who, f"{mark} <lora:{mark}:1>", alwayson_scripts={
        "save_dir": mark, "uid": "someone", "id_task": f"{mark}-done"})  # fmt: skip
    assert drawn.status == 200, drawn.body
    url = drawn.json["parameters"]["image_url"]
    inner = url[url.index(mark):]  # fmt: skip
    assert world.upload(who, "outputs", f"{mark}.txt", b"mine").status == 201
    assert world.upload(who, "outputs", f"{mark}-gone.txt", b"gone").status == 201
    gone = world.ask(
        who, "POST", "/api/files/delete", {"paths": [f"/data/outputs/{mark}-gone.txt"]}
    )
    share = world.ask(who, "POST", "/api/files/shares", {"path": f"/data/outputs/{mark}.txt"})
    board = world.ask(who, "POST", "/api/v1/boards", {"name": mark})
    on_it = {"add": [f"/data/{inner}"], "note": mark}
    assert world.ask(who, "PATCH", f"/api/v1/boards/{board.json['id']}", on_it).status == 200
    form = {"name": mark, "form": {"prompt": mark}}
    preset = world.ask(who, "POST", "/api/v1/presets", form)
    assert preset.status == 200, preset.body
    unfinished = world.upload(who, "outputs", f"{mark}-half.txt", b"ha", 4)
    style = {"name": mark, "prompt": mark}
    assert world.ask(who, "PUT", "/api/styles", style).status == 200
    assert (
        world.ask(who, "POST", "/sdapi/v1/options", {"samples_filename_pattern": mark}).status
        == 200
    )
    ended = world.service.post(mark, world.tokens[who], body={"force_task_id": f"{mark}-ended"})
    assert ended.status == 202, ended.body
    job = ended.json["id"]
    world.service.settle(job)
    signed = world.get(who, f"/api/sign?path={quote(inner)}")["url"]
    return {
        "user": who, "mark": mark, "picture": inner, "url": url, "job": job, "signed": signed,
        "trash": gone.json["trash_id"], "share": share.json["id"],
        "board": board.json["id"], "preset": preset.json["id"],
        "upload": unfinished.headers["Location"].rpartition("/")[2],
        "task": f"{mark}-ended", "tree": str(world.service.process.data_dir / "users" / who),
    }  # fmt: skip


@contextmanager
def isolated_world(folder: Path, *flags: str) -> Iterator[World]:
    """The service, its users with their tokens, and a worker that knows the users' trees."""
    data_dir = folder / "data"
    write_checkpoint(data_dir / "models/Stable-diffusion/sd.safetensors")
    write_model(data_dir / "models/Lora/rootsecret.safetensors")
    (data_dir / ".easel").mkdir(mode=0o700)
    url = Secret(f"sqlite:///{data_dir}/.easel/accounts.db")
    create_schema(url)
    accounts = open_accounts(url, data_dir / ".easel")
    words = ("--accounts", *flags)
    with web_process(data_dir, *words) as process:
        gate = Gate()
        config = parse([*words, "--data-dir", str(data_dir), "--no-hashing"], {})
        registry = registry_of(config)
        engine = NamingEngine(gate, registry)
        bench = WorkerThread(
            data_dir, find_workspace=UserWorkspaces(config, registry, engine).find,
            catch_up=registry.catch_up,
        )  # fmt: skip
        bench.worker.engine = bench.worker.handlers.engine = engine  # type: ignore[assignment]
        bench.thread.start()
        world = World(JobService(process, bench, gate), accounts)
        for name, role in USERS.items():
            add_member(world, name, role)
        # The service's jobs are asked for by the owner.
        world.service.state = lambda job, token="": JobService.state(  # type: ignore[method-assign]
            world.service, job, token or world.tokens["root"]
        )
        try:
            yield world
        finally:
            for _ in range(100):
                gate.places.release()
            bench.end()
            accounts.close()


@contextmanager
def held_job(world: World, who: str, task: str) -> Iterator[str]:
    """A job of a user's that stays in its middle meanwhile."""
    body = {"force_task_id": task}
    job: str = world.service.post("held", world.tokens[who], body=body).json["id"]
    try:
        wait_until(lambda: world.get(who, f"{JOBS}/{job}")["state"] == "running")
        yield job
    finally:
        world.service.gate.places.release()
