"""Plugins at work in the engine, with the checkpoint that Easel ships."""

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageChops

from generator.engine import Engine
from generator.request import (
    ExtrasRequest,
    Generation,
    GenerationRequest,
    Progress,
    Sampling,
    ScriptCall,
    Seeds,
    Stop,
)
from plugins.api import Side
from plugins.engine_listener import PluginListener
from plugins.errors import HookFailed, Withheld
from plugins.host import Choice
from tests.image_compare import is_same_drawing
from tests.plugins.plugin_files import load_host, make_plugin
from tests.webapp.easel_server import CHECKPOINT
from webapp.plugins.model_registry import registry_of
from webapp.settings.config import Config

CENSOR = "nsfw-censor"
PAINT = """
    from PIL import Image

    @hook
    def after_decode(image):
        return Image.open({path!r}).convert("RGB").resize(image.size)
"""


@pytest.fixture
def request_() -> GenerationRequest:
    return GenerationRequest(
        "a red ball", Seeds(1), sampling=Sampling("Euler", steps=2), width=64, height=64
    )


@pytest.fixture
def engine_with(tmp_path: Path) -> Callable[..., Engine]:
    """Makes an engine whose plugins are those of the test's folder."""
    torch.set_num_threads(1)
    folder = tmp_path / "models" / "Stable-diffusion"
    folder.mkdir(parents=True)
    (folder / CHECKPOINT.name).symlink_to(CHECKPOINT)

    def make(settings: dict | None = None, **choice: frozenset[str]) -> Engine:
        chosen = {"disabled": frozenset({CENSOR}), **choice}
        host = load_host(tmp_path, Side.WORKER, Choice(**chosen), settings)
        registry = registry_of(Config(tmp_path, hashing=False))
        return Engine(registry, listener=PluginListener(host))

    return make


def draw_with_changes(engine: Engine, request: GenerationRequest, **changes: object) -> Generation:
    return engine.run(replace(request, **changes))


@pytest.mark.parametrize("sampler", ["Euler", "DDIM"])
def test_plugins_that_only_look_change_nothing(
    tmp_path: Path, engine_with: Callable[..., Engine], request_: GenerationRequest, sampler: str
) -> None:
    plain = Engine(registry_of(Config(tmp_path, hashing=False)))
    request = replace(request_, sampling=Sampling(sampler, steps=2))
    engine = engine_with()  # pace looks at each step
    heard = draw_with_changes(engine, request).pictures[0].image
    assert is_same_drawing(heard, plain.run(request).pictures[0].image)


def test_what_a_plugin_remarks_is_told_with_the_picture(
    engine_with: Callable[..., Engine], request_: GenerationRequest
) -> None:
    asked = replace(request_, panels={"detailer": {"enabled": True, "label": "hand"}}, batches=2)
    found = draw_with_changes(engine_with(), asked)
    assert found.comments == ("Detailer: no plugin that is on finds 'hand'.",)


def test_what_is_remarked_of_a_drawing_inside_is_told_too(
    tmp_path: Path, engine_with: Callable[..., Engine], request_: GenerationRequest
) -> None:
    code = """
        from dataclasses import replace
        @hook
        def after_decode(image, request, draw):
            draw(replace(request, prompt="<lora:nobody:1>"))
            draw.remark("Drawn twice.")
    """
    make_plugin(tmp_path, "inside", worker=code, hooks="after_decode")
    comments = draw_with_changes(engine_with(), request_).comments
    assert comments[-1] == "Drawn twice."
    assert any("nobody" in comment for comment in comments[:-1])


def test_a_prompt_is_expanded_and_the_infotext_tells_both(
    tmp_path: Path, engine_with: Callable[..., Engine], request_: GenerationRequest
) -> None:
    code = "@hook\ndef expand_prompt(prompt):\n    return prompt + ', snow'\n"
    make_plugin(tmp_path, "snow", worker=code, hooks="expand_prompt")
    (picture,) = draw_with_changes(engine_with(), request_).pictures
    assert picture.infotext.startswith("a red ball, snow\n")
    assert "Original prompt: a red ball" in picture.infotext


def test_a_request_may_be_changed(
    tmp_path: Path, engine_with: Callable[..., Engine], request_: GenerationRequest
) -> None:
    code = """
        from dataclasses import replace
        @hook
        def before_generate(request):
            return replace(request, batch_size=2)
    """
    make_plugin(tmp_path, "twice", worker=code, hooks="before_generate")
    assert len(draw_with_changes(engine_with(), request_).pictures) == 2


@pytest.mark.parametrize("sampler", ["Euler", "DDIM", "DPM++ 2M"])
def test_latents_may_be_changed_on_the_way(
    tmp_path: Path, engine_with: Callable[..., Engine], request_: GenerationRequest, sampler: str
) -> None:
    code = """
        @hook
        def before_sampling(latent, sigmas):
            assert sigmas[-1] == 0 and (sigmas.diff() < 0).all()
            return latent * 0
        @hook
        def at_step(estimate, progress):
            assert progress.steps == 2
            return estimate * 0
    """
    sampling = Sampling(sampler, steps=2)
    plain = draw_with_changes(engine_with(), request_, sampling=sampling).pictures[0].image
    make_plugin(tmp_path, "zero", worker=code, hooks="before_sampling at_step")
    image = draw_with_changes(engine_with(), request_, sampling=sampling).pictures[0].image
    assert image != plain
    other = (
        draw_with_changes(engine_with(), request_, sampling=sampling, seeds=Seeds(2))
        .pictures[0]
        .image
    )
    assert is_same_drawing(image, other)  # nothing of the seed is left


def test_a_plugin_may_draw_inside_a_job(
    tmp_path: Path, engine_with: Callable[..., Engine], request_: GenerationRequest
) -> None:
    code = """
        from dataclasses import replace
        @hook
        def after_decode(image, request, draw):
            return draw(replace(request, prompt="a blue house")).pictures[0].image
    """
    house = draw_with_changes(engine_with(), request_, prompt="a blue house").pictures[0].image
    make_plugin(tmp_path, "inside", worker=code, hooks="after_decode")
    assert is_same_drawing(draw_with_changes(engine_with(), request_).pictures[0].image, house)


@pytest.fixture
def flagged_painter(tmp_path: Path, flagged_picture: Image.Image) -> None:
    """A plugin that puts what the censor withholds in place of every picture."""
    path = tmp_path / "flagged.png"
    flagged_picture.save(path)
    code = PAINT.format(path=str(path))
    make_plugin(tmp_path, "painter", worker=code, hooks="after_decode")


GUARDED = {"disabled": frozenset(), "required": frozenset({CENSOR})}


@pytest.mark.usefixtures("flagged_painter")
def test_the_censor_withholds_what_a_plugin_painted(
    engine_with: Callable[..., Engine], request_: GenerationRequest
) -> None:
    found = draw_with_changes(engine_with(**GUARDED), request_, width=256, height=256, batch_size=2)
    assert [picture.image.getextrema() for picture in found.pictures] == [((0, 0),) * 3] * 2
    assert [each["number"] for each in found.facts["nsfw_censor"]] == [0, 1]
    assert found.facts["nsfw_censor"][0]["action"] == "black"


@pytest.mark.usefixtures("flagged_painter")
def test_sheets_of_scripts_hold_what_was_let_out(
    engine_with: Callable[..., Engine], request_: GenerationRequest
) -> None:
    script = ScriptCall("prompt matrix", (False, False, "positive", "comma", 0))
    found = draw_with_changes(engine_with(**GUARDED), request_, prompt="a ball|red", script=script)
    assert found.grids
    for picture in found.pictures:
        assert picture.image.getextrema() == ((0, 0),) * 3


@pytest.mark.usefixtures("flagged_painter")
def test_rejecting_fails_the_request(
    engine_with: Callable[..., Engine], request_: GenerationRequest
) -> None:
    with pytest.raises(Withheld):
        draw_with_changes(
            engine_with({CENSOR: {"action": "reject"}}, **GUARDED), request_, width=256
        )


@pytest.mark.usefixtures("flagged_painter")
def test_rules_may_differ_by_caller(
    engine_with: Callable[..., Engine], request_: GenerationRequest
) -> None:
    engine = engine_with({CENSOR: {"callers": {"owner": {"off": True}}}}, **GUARDED)
    assert draw_with_changes(engine, request_).pictures[0].image.getextrema() != ((0, 0),) * 3
    found = draw_with_changes(engine, request_, user_name="ann", width=256, height=256)
    assert found.pictures[0].image.getextrema() == ((0, 0),) * 3


@pytest.mark.usefixtures("flagged_painter")
def test_settings_that_cannot_be_meant_let_nothing_out(
    engine_with: Callable[..., Engine], request_: GenerationRequest
) -> None:
    with pytest.raises(HookFailed, match="threshold"):
        draw_with_changes(engine_with({CENSOR: {"threshold": 7}}, **GUARDED), request_)


def test_extras_and_previews_are_judged(
    engine_with: Callable[..., Engine], request_: GenerationRequest, flagged_picture: Image.Image
) -> None:
    engine = engine_with(**GUARDED)
    file = io.BytesIO()
    flagged_picture.save(file, "PNG")
    extras = engine.enlarge(ExtrasRequest((base64.b64encode(file.getvalue()).decode(),)))
    assert extras.images[0].convert("RGB").getextrema() == ((0, 0),) * 3
    assert extras.facts["nsfw_censor"][0]["stage"] == "extras"
    seen: list[Image.Image] = []

    def watch(progress: Progress, preview: Callable[[], Image.Image] | None) -> Stop:
        if preview:
            seen.append(preview())
        return Stop.NO

    everything = {CENSOR: {"classes": ["drawing", "neutral", "sexy", "porn", "hentai"]}}
    engine_with(everything, **GUARDED).run(request_, watch)
    assert seen
    for shown in seen:
        assert shown.getextrema() == ((0, 0),) * 3


def test_each_picture_of_a_preview_is_judged_by_itself(
    tmp_path: Path, engine_with: Callable[..., Engine], request_: GenerationRequest
) -> None:
    code = """
        from generator.hooks import Release, Stage
        left = []
        @hook
        def release(image, stage):
            if stage is not Stage.PREVIEW:
                return None
            left.append(image)
            colours = ["red", "blue"]
            return Release(solid(image, colours[len(left) % 2]))
        def solid(image, colour):
            from PIL import Image
            return Image.new("RGB", image.size, colour)
    """
    make_plugin(tmp_path, "colours", worker=code, hooks="release")
    seen: list[Image.Image] = []

    def watch(progress: Progress, preview: Callable[[], Image.Image] | None) -> Stop:
        if preview and not seen:
            seen.append(preview())
        return Stop.NO

    engine_with().run(replace(request_, batch_size=2), watch)
    (sheet,) = seen
    assert {colour for _, colour in sheet.getcolors()} == {(255, 0, 0), (0, 0, 255)}


def test_no_job_is_drawn_while_the_censor_cannot_run(
    engine_with: Callable[..., Engine], request_: GenerationRequest, monkeypatch
) -> None:
    monkeypatch.setattr("plugins.nsfw_censor.detectors.load_network", lambda: 1 / 0)
    with pytest.raises(HookFailed, match="nsfw-censor"):
        draw_with_changes(engine_with(**GUARDED), request_)


def test_the_detailer_paints_only_what_a_detector_found(
    tmp_path: Path, engine_with: Callable[..., Engine], request_: GenerationRequest
) -> None:
    code = """
        from plugins.api import Box
        @hook
        def find_boxes(image, label):
            return [Box(96, 96, 64, 64, label)] if label == "thing" else None
    """
    make_plugin(tmp_path, "seer", worker=code, hooks="find_boxes")
    engine = engine_with()
    size = {"width": 256, "height": 256}
    plain = draw_with_changes(engine, request_, **size).pictures[0].image
    wish = {"detailer": {"enabled": True, "label": "thing", "strength": 0.8, "blur": 2}}
    (picture,) = draw_with_changes(engine, request_, **size, panels=wish).pictures
    changed = (
        ImageChops.difference(plain, picture.image).convert("L").point(lambda v: v > 8 and 255)
    )
    box = changed.getbbox()
    assert box is not None
    assert min(box[:2]) > 80
    assert max(box[2:]) < 176
    assert "Detailer: thing" in picture.infotext
