"""``easel generate``: what it asks of the engine, where pictures go, and how it fails."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from generator.errors import ModelUnreadable
from generator.pictures.embedded_text import read_infotext
from generator.request import Generation, GenerationRequest, Picture
from tests.plugins.plugin_files import make_plugin
from tests.webapp.conftest import write_checkpoint
from webapp import generate

Run = Callable[..., int]


def grey_generation(request: GenerationRequest) -> Generation:
    """What an engine would answer: grey pictures."""
    pictures = tuple(
        Picture(
            image=Image.new("RGB", (request.width, request.height)),
            seed=request.seeds.seed + number,
            variation_seed=0,
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            infotext=f"{request.prompt}\nSeed: {request.seeds.seed + number}",
        )
        for number in range(request.picture_count)
    )
    return Generation(pictures, "a", None, None, None, 1, {}, "20260101000000", 1.5, 1.0)


@pytest.fixture
def engine_requests(monkeypatch: pytest.MonkeyPatch) -> list[GenerationRequest]:
    """The requests that reached the engine; a stand-in draws them."""
    requests: list[GenerationRequest] = []

    def run(_config: object, _registry: object, request: GenerationRequest) -> Generation:
        requests.append(request)
        return grey_generation(request)

    monkeypatch.setattr(generate, "_run", run)
    return requests


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in a folder of its own, with one checkpoint trained at 64 pixels."""
    models = tmp_path / "data/models/Stable-diffusion"
    write_checkpoint(models / "a.safetensors", {"easel.default_size": "64"})
    monkeypatch.chdir(tmp_path)
    return lambda *argv: generate.main([*argv, "--data-dir", str(tmp_path / "data")], {})


def test_a_picture_is_drawn_into_the_named_file(
    run: Run, engine_requests: list[GenerationRequest], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("a blue boat at night", "-o", "boat.png", "--seed", "7") == 0
    assert (engine_requests[0].prompt, engine_requests[0].seeds.seed) == ("a blue boat at night", 7)
    assert (engine_requests[0].width, engine_requests[0].height) == (64, 64), (
        "the checkpoint's own size"
    )
    assert engine_requests[0].checkpoint in ("", "a.safetensors")
    assert "boat.png (seed 7" in capsys.readouterr().out
    with Image.open("boat.png") as picture:
        assert read_infotext(picture) == "a blue boat at night\nSeed: 7"


def test_every_flag_reaches_the_request(run: Run, engine_requests: list[GenerationRequest]) -> None:
    flags = {
        "--negative": "fog",
        "--steps": "3",
        "--sampler": "Euler a",
        "--schedule": "Karras",
        "--width": "128",
        "--height": "72",
        "--cfg": "4.5",
        "--checkpoint": "a",
    }
    assert run("boat", *(word for pair in flags.items() for word in pair)) == 0
    sampling = engine_requests[0].sampling
    assert (sampling.sampler, sampling.schedule) == ("Euler a", "Karras")
    assert (sampling.steps, sampling.guidance) == (3, 4.5)
    assert (
        engine_requests[0].width,
        engine_requests[0].height,
        engine_requests[0].negative_prompt,
    ) == (128, 72, "fog")
    assert engine_requests[0].checkpoint == "a.safetensors"


def test_several_pictures_are_numbered(run: Run, engine_requests: list[GenerationRequest]) -> None:
    assert run("boat", "-o", "deep/boat.jpg", "--batch", "3", "--seed", "5") == 0
    assert sorted(path.name for path in Path("deep").iterdir()) == [
        "boat-1.jpg",
        "boat-2.jpg",
        "boat-3.jpg",
    ]


def test_without_a_seed_one_is_chosen_and_named(
    run: Run, engine_requests: list[GenerationRequest]
) -> None:
    assert run("boat") == 0
    assert engine_requests[0].seeds.seed >= 0
    assert Path(f"easel-{engine_requests[0].seeds.seed}.png").is_file()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--steps", "0"), "steps"),
        (("--width", "99999"), "width"),
        (("--checkpoint", "gone"), "a.safetensors"),
        (("--sampler", "Oiler"), "Euler"),
        (("--schedule", "Caras"), "Karras"),
        (("--batch", "0"), "n_iter"),
    ],
)
def test_a_wrong_wish_is_told(
    run: Run,
    engine_requests: list[GenerationRequest],
    capsys: pytest.CaptureFixture[str],
    flags: tuple[str, str],
    told: str,
) -> None:
    assert run("boat", *flags) == 2
    assert told in capsys.readouterr().err
    assert engine_requests == []


@pytest.mark.parametrize("output", ["boat.gif", "boat", "data/"])
def test_an_output_that_is_no_picture_is_told(
    run: Run, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        run("boat", "-o", output)
    assert ended.value.code == 2
    assert "--output" in capsys.readouterr().err


def test_a_checkpoint_that_breaks_is_told_and_nothing_is_left(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def raise_unreadable(*_: object) -> Generation:
        raise ModelUnreadable("a.safetensors cannot be read")

    monkeypatch.setattr(generate, "_run", raise_unreadable)
    assert run("boat", "-o", "boat.png") == 1
    assert "a.safetensors cannot be read" in capsys.readouterr().err
    assert not Path("boat.png").exists()


def test_a_file_that_cannot_be_written_is_told(
    run: Run, engine_requests: list[GenerationRequest], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("wall").write_bytes(b"")
    assert run("boat", "-o", "wall/boat.png") == 1
    assert "boat.png could not be saved" in capsys.readouterr().err


def test_a_broken_off_run_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_interrupt(*_: object) -> Generation:
        raise KeyboardInterrupt

    monkeypatch.setattr(generate, "_run", raise_interrupt)
    assert run("boat", "-o", "boat.png") == 130
    assert not Path("boat.png").exists()


def test_the_services_flags_are_accepted_anywhere(
    run: Run, engine_requests: list[GenerationRequest], tmp_path: Path
) -> None:
    assert (
        run("--no-hashing", "--ckpt-dir", str(tmp_path), "--device=cpu", "a boat", "-o", "x.png")
        == 0
    )
    assert engine_requests[0].prompt == "a boat"


@pytest.mark.parametrize("flag", ["--nonsense", "--stepz=3"])
def test_an_unknown_flag_is_told(run: Run, capsys: pytest.CaptureFixture[str], flag: str) -> None:
    with pytest.raises(SystemExit) as ended:
        run("boat", flag)
    assert ended.value.code == 2
    assert flag in capsys.readouterr().err


def test_a_wrong_value_of_a_service_flag_is_told(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("boat", "--device", "toaster") == 2
    assert "toaster" in capsys.readouterr().err


def test_torch_waits_until_the_wish_is_checked() -> None:
    program = "import sys, webapp.generate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_real_picture_comes_out(goldens: Path, tmp_path: Path) -> None:
    models = tmp_path / "models" / "Stable-diffusion"
    models.mkdir(parents=True)
    for suffix in ("safetensors", "yaml"):
        shutil.copy(goldens / "checkpoint" / f"tinysd15.{suffix}", models)
    size = ("--width", "64", "--height", "64", "--steps", "2", "--seed", "1")
    flags = ("-o", str(tmp_path / "boat.png"), "--data-dir", str(tmp_path), "--device", "cpu")
    assert generate.main(["a boat", *size, *flags], {}) == 0
    with Image.open(tmp_path / "boat.png") as picture:
        assert picture.size == (64, 64)
        assert "Seed: 1" in read_infotext(picture)
        assert len(set(picture.get_flattened_data())) > 100


def test_samplers_and_schedules_of_plugins_are_taken(
    run: Run,
    engine_requests: list[GenerationRequest],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    web = '@hook\ndef choices(): return {"samplers": ["Leap"], "schedules": ["Straight"]}\n'
    folder = make_plugin(tmp_path / "data", "leap", web=web, hooks="choices")
    assert run("boat", "--sampler", "Leap", "--schedule", "Straight") == 0
    assert (engine_requests[0].sampling.sampler, engine_requests[0].sampling.schedule) == (
        "Leap",
        "Straight",
    )
    assert run("boat", "--sampler", "Leap", "--schedule", "Karras") == 0
    assert (engine_requests[1].sampling.sampler, engine_requests[1].sampling.schedule) == (
        "Leap",
        "Karras",
    )
    shutil.rmtree(folder)
    assert run("boat", "--sampler", "Leap") == 2
    assert "belongs to the plugin 'leap'" in capsys.readouterr().err
