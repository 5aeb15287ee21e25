"""A whole web process in the test's own: real queue and registry, and a worker that pretends."""

import json
import math
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.routing import Rule

from generator.models.registry import Folders, Registry
from generator.request import Extras, Generation, Picture
from tests.service_factory import make_services
from webapp.access.credentials import Credentials, build_credentials
from webapp.app import create_app
from webapp.errors import error_answer, json_answer
from webapp.queues.contracts.frame import Answer
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.job_codec import (
    CONVERT_MODEL,
    DETECT,
    DETECTIONS,
    EXTRAS,
    EXTRAS_REQUESTS,
    MERGE_MODELS,
    MODEL_RECIPES,
    QueuedExtras,
    QueuedGeneration,
    decode_job,
)
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId
from webapp.settings.config import Config
from webapp.settings.option_store import OptionStore
from webapp.worker.extras_responses import compose_extras
from webapp.worker.image_writer import save_all
from webapp.worker.responses import compose_answer

if TYPE_CHECKING:
    from tests.parity.service import Service


UNET, TEXT = "model.diffusion_model.", "cond_stage_model.transformer.text_model."
LEAST_CHECKPOINT: Mapping[str, tuple[int, ...]] = {
    f"{UNET}input_blocks.0.0.weight": (8, 4, 3, 3),
    f"{UNET}input_blocks.1.0.out_layers.3.weight": (8, 8, 3, 3),
    f"{UNET}middle_block.1.proj_in.weight": (8, 8, 1, 1),
    f"{UNET}middle_block.1.transformer_blocks.0.attn2.to_k.weight": (8, 16),
    f"{UNET}out.2.weight": (4, 8, 3, 3),
    f"{TEXT}embeddings.token_embedding.weight": (8, 16),
    f"{TEXT}embeddings.position_embedding.weight": (77, 16),
    f"{TEXT}encoder.layers.0.mlp.fc1.weight": (8, 16),
    "first_stage_model.decoder.conv_in.weight": (8, 4, 3, 3),
}
"""What sizes are read from."""


def write_model(
    path: Path,
    metadata: dict[str, str] | None = None,
    name: str = "w",
    shape: tuple[int, ...] = (1,),
) -> Path:
    """A complete safetensors file of one tensor of zeros."""
    return write_tensors(path, {name: shape}, metadata)


def write_checkpoint(path: Path, metadata: dict[str, str] | None = None) -> Path:
    """A safetensors file of zeros whose header is that of a checkpoint, as small as can be."""
    return write_tensors(path, LEAST_CHECKPOINT, metadata)


def write_tensors(
    path: Path, shapes: Mapping[str, tuple[int, ...]], metadata: dict[str, str] | None = None
) -> Path:
    """A complete safetensors file of zeros in fp16."""
    header: dict[str, object] = {"__metadata__": metadata or {}}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))
    return path


def pretend(job: QueuedGeneration) -> Generation:
    """A generation of flat pictures with the seeds that the job asks for."""
    wanted = job.request
    step = 0 if wanted.seeds.variation_strength else 1
    pictures = tuple(
        Picture(
            Image.new("RGB", (wanted.width, wanted.height), (i * 20 % 256, 90, 40)),
            wanted.seeds.seed + step * i,
            wanted.seeds.variation_seed + i,
            wanted.prompt,
            wanted.negative_prompt,
            f"{wanted.prompt}\nSeed: {wanted.seeds.seed + step * i}",
        )
        for i in range(wanted.picture_count)
    )
    return Generation(pictures, "painter", None, None, None, 1, {}, "20260101120000", 0.5, 0.4)


@dataclass
class House:
    """The app under test, and what stands around it."""

    app: Flask
    data_dir: Path
    store: QueueStore
    options: OptionStore
    registry: Registry
    draw: Callable[[QueuedGeneration], Generation] = pretend
    jobs: list[QueuedGeneration] = field(default_factory=list)
    enlarged: list[QueuedExtras] = field(default_factory=list)

    def client(self, **headers: str) -> FlaskClient:
        """A client that sends these headers with every request."""
        client = self.app.test_client()
        for name, value in headers.items():
            client.environ_base[f"HTTP_{name.upper()}"] = value
        return client

    def txt2img(self, body: Any, **headers: str) -> Any:
        """Post a request and return Flask's response."""
        return self.client(**headers).post("/sdapi/v1/txt2img", json=body)

    def work(self, stop: threading.Event) -> None:
        """Take frames and answer them until told to stop."""
        while not stop.is_set():
            lease = self.store.take(WorkerId("test"), (), 0.05)
            if lease is None:
                continue
            verbs = {
                EXTRAS: self.enlarge,
                DETECT: self.map,
                MERGE_MODELS: self.write_model,
                CONVERT_MODEL: self.write_model,
            }
            answer = verbs.get(lease.frame.kind, self.answer)
            self.store.answer(lease, answer(lease.frame.body), 0.0)

    def map(self, body: bytes) -> Answer:
        """What a worker would answer to a detection, without its maps."""
        DETECTIONS.validate_json(body)
        return json_answer(200, {"info": "Success", "images": []})

    def write_model(self, body: bytes) -> Answer:
        """What a worker would answer to a merge or a conversion, without a file."""
        MODEL_RECIPES.validate_json(body)
        facts = {"name": "new.safetensors", "size": 8, "seconds": 0.1, "notes": []}
        return json_answer(200, facts | {"interrupted": False})

    def enlarge(self, body: bytes) -> Answer:
        """What a worker would answer to extras, with pictures of 8 x 8 pixels."""
        job = EXTRAS_REQUESTS.validate_json(body)
        self.enlarged.append(job)
        images = tuple(Image.new("RGB", (8, 8)) for _ in job.request.images)
        return compose_extras(job, Extras(images, {}))

    def answer(self, body: bytes) -> Answer:
        """What a worker would answer."""
        try:
            job = decode_job(body)
            self.jobs.append(job)
            generation = self.draw(job)
            saved = save_all(job, generation, self.data_dir, datetime(2026, 1, 2))
            return compose_answer(job, generation, saved)
        except Exception as error:
            return error_answer(error)


def configuration(data_dir: Path, **changes: Any) -> Config:
    """What the flags say, with changes."""
    return replace(Config(data_dir), **changes)


Builder = Callable[..., House]


@pytest.fixture(scope="session", autouse=True)
def routes_compiled_once() -> Iterator[None]:
    """Compile what builds a route's address for the first app alone: a third of its cost."""
    compile_anew, compiled = Rule._compile_builder, dict[tuple[object, ...], Any]()

    def compile_once(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, rule.subdomain, repr(rule.defaults), rule.merge_slashes, append_unknown)
        if key not in compiled:
            compiled[key] = compile_anew(rule, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", compile_once)
        yield


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Builder]:
    """Makes houses: ``build(credentials=..., web_ui=False)``; their workers end with the test."""
    ends: list[Callable[[], None]] = []

    def make(
        credentials: Credentials = Credentials(),  # noqa: B008
        *,
        working: bool = True,
        **changes: Any,
    ) -> House:
        data_dir = tmp_path / f"data{len(ends)}"
        write_checkpoint(data_dir / "models/Stable-diffusion/painter.safetensors")
        write_checkpoint(data_dir / "models/Stable-diffusion/deliberate_v2.safetensors")
        write_model(data_dir / "models/VAE/clear.safetensors")
        write_model(data_dir / "models/Lora/style.safetensors", {"ss_output_name": "brush"})
        config = configuration(data_dir, **changes)
        config.easel_dir.mkdir()
        store = SqliteStore(config.easel_dir / "queue.db")
        registry = Registry(Folders.under(data_dir))
        options = OptionStore(data_dir / "config.json")
        services = make_services(config, store, registry, options, credentials)
        built = tmp_path / "dist"
        (built / "assets").mkdir(parents=True, exist_ok=True)
        (built / "index.html").write_text("<title>Easel</title>")
        (built / "assets/app-1a2b.js").write_text("1")
        house = House(
            create_app(replace(services, built_page=built)), data_dir, store, options, registry
        )
        stop = threading.Event()
        worker = threading.Thread(target=house.work, args=(stop,))
        if working:
            worker.start()

        def end() -> None:
            stop.set()
            if working:
                worker.join()
            services.close()
            store.close()

        ends.append(end)
        return house

    yield make
    for end in ends:
        end()


@pytest.fixture
def house(build: Builder) -> House:
    """A house on loopback without credentials."""
    return build()


@pytest.fixture
def guarded_house(build: Builder) -> House:
    """A house with a token and two users."""
    return build(build_credentials("s3cret-token", (("ann", "pw1"),), (("bob", "pw2"),)))


@pytest.fixture(scope="module")
def service(goldens: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Service"]:
    """A whole Easel that draws with the models of the recordings."""
    from tests.parity.service import run_with_goldens  # brings torch, which few files here need

    with run_with_goldens(goldens, tmp_path_factory.mktemp("easel")) as running:
        yield running
