"""A watch that takes pictures gets each as soon as it is drawn, as far as listeners let it."""

import shutil
from dataclasses import replace
from typing import Any

import pytest
import torch
from PIL import Image

from generator.engine import Engine
from generator.hooks import NullListener, Redraw, Release, Stage
from generator.models.registry import Folders, Registry
from generator.request import GenerationRequest, Progress, Sampling, ScriptCall, Seeds, Stop
from tests.conftest import ROOT

CHECKPOINT = ROOT / "generator/default_checkpoint/easel-default.safetensors"
REQUEST = GenerationRequest(
    "a cat", Seeds(7), sampling=Sampling(steps=1), width=64, height=64, batch_size=2, batches=2
)


class Censor(NullListener):
    """Withholds previews, and draws each finished picture again."""

    def release(
        self, image: Image.Image, stage: Stage, request: GenerationRequest | None, caller: str
    ) -> Release:
        """Previews become white."""
        return Release(Image.new("RGB", image.size, "white") if stage is Stage.PREVIEW else image)

    def after_decode(
        self, image: Image.Image, number: int, request: GenerationRequest, draw: Redraw
    ) -> Image.Image:
        """As a detailer does."""
        draw(replace(request, batch_size=1, batches=1))
        return image


class Taker:
    """A watch that notes what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.images: list[Image.Image] = []

    def __call__(self, progress: Progress, preview: Any) -> Stop:
        self.told.append(f"batch {progress.batch}")
        return Stop.NO

    def take_picture(self, number: int, image: Image.Image) -> None:
        """One that is drawn."""
        self.told.append(number)
        self.images.append(image)

    @property
    def numbers(self) -> list[object]:
        """Of the pictures that came."""
        return [each for each in self.told if isinstance(each, int)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("data")
    models = folder / "models/Stable-diffusion"
    models.mkdir(parents=True)
    shutil.copy2(CHECKPOINT, models)
    return Engine(Registry(Folders.under(folder)), listener=Censor())


def test_pictures_come_before_the_next_batch_begins(engine: Engine) -> None:
    taker = Taker()
    generation = engine.run(REQUEST, taker)
    assert taker.numbers == [0, 1, 2, 3]  # and none of what was drawn again
    assert taker.told.index(1) < taker.told.index("batch 1") < taker.told.index(2)
    assert all(image.getextrema() == ((255, 255),) * 3 for image in taker.images)
    assert generation.pictures[0].image.getextrema() != ((255, 255),) * 3


def test_a_script_tells_none_and_a_plain_watch_is_asked_nothing(engine: Engine) -> None:
    taker = Taker()
    script = ScriptCall("prompt matrix", (False, False, "positive", "comma", 0))
    engine.run(replace(REQUEST, prompt="a|b", batch_size=1, batches=1, script=script), taker)
    assert taker.numbers == []
    assert len(engine.run(REQUEST, taker.__call__).pictures) == 4
    assert taker.numbers == []
