"""``easel models``: merges, conversions and the report without a server."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import load_file, save_file

from filebrowser.index.file_index import FileIndex
from webapp import models_command
from webapp.files.caller_rights import roots_of
from webapp.files.file_services import INDEX
from webapp.files.infotexts import read_picture_facts
from webapp.settings.config import Config

CONV = "model.diffusion_model.input_blocks.0.0.weight"
Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command over two checkpoints, of ones and of threes."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "data/models/Stable-diffusion"
    folder.mkdir(parents=True)
    for name, number in (("a", 1.0), ("b", 3.0)):
        save_file({CONV: torch.full((2, 4, 3, 3), number)}, folder / f"{name}.safetensors")
    return lambda *argv: models_command.main([*argv, "--data-dir", str(tmp_path / "data")], {})


def test_models_are_merged_and_converted(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data/models/Stable-diffusion"
    assert run("merge", "a", "b", "--multiplier", "0.5", "-o", "mid", "--precision", "fp16") == 0
    assert str(folder / "mid.safetensors") in capsys.readouterr().out
    merged = load_file(folder / "mid.safetensors")[CONV]
    assert torch.equal(merged, torch.full((2, 4, 3, 3), 2.0, dtype=torch.float16))
    assert run("merge", "a", "b", "mid", "--mode", "add-difference", "--multiplier", "1") == 0
    assert torch.equal(
        load_file(folder / "a + 1.0(b - mid).safetensors")[CONV].unique(), torch.tensor([2.0])
    )
    assert run("convert", "a", "--precision", "bf16") == 0
    assert load_file(folder / "a-bf16.safetensors")[CONV].dtype is torch.bfloat16


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("merge", "a", "none"), "There is no checkpoint 'none'"),
        (("merge", "a"), "takes 2 models"),
        (("merge", "a", "b", "-o", "a"), "is there already"),
        (("convert", "a", "--precision", "fp12"), "precision: 'fp12' is none of"),
        (("convert", "a", "--no-such-flag"), "no-such-flag"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_2(
    run: Run, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    try:
        code = run(*words)
    except SystemExit as end:  # argparse's own
        code = int(str(end.code))
    assert code == 2
    assert told in capsys.readouterr().err


def test_a_file_of_an_unknown_family_is_not_converted(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data/models/Stable-diffusion"
    save_file({"alpha.weight": torch.ones(2, 2)}, folder / "strange.safetensors")
    assert run("convert", "strange", "--precision", "fp16") == 2
    told = capsys.readouterr().err
    assert "strange.safetensors was to be converted as a checkpoint" in told
    assert "called alpha.weight ...)" in told
    assert not (folder / "strange-fp16.safetensors").exists()


def test_a_file_that_breaks_off_is_told_and_interruption_is_130(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data/models/Stable-diffusion/a.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    assert run("convert", "a") == 2
    assert "is there but cannot be used" in capsys.readouterr().err

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(models_command, "check_at_door", interrupt)
    assert run("convert", "b") == 130


def test_the_report_knows_what_pictures_tell(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("report") == 0
    assert "Never used: not known" in capsys.readouterr().out
    config = Config(tmp_path / "data")
    folder = tmp_path / "data/outputs"
    folder.mkdir()
    facts = PngInfo()
    facts.add_text("parameters", "a house\nSteps: 1, Seed: 1, Model: a")
    Image.new("RGB", (8, 8)).save(folder / "1.png", pnginfo=facts)
    index = FileIndex(
        config.easel_dir / INDEX, roots_of(config), read_picture_facts, without_pauses=True
    )
    index.start()
    assert index.wait_until_idle(60)
    index.stop()
    assert run("report", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["pictures"], [model["name"] for model in told["unused"]]) == (1, ["b.safetensors"])
    assert {kind["kind"]: kind["files"] for kind in told["kinds"]} == {"checkpoint": 2}
    assert told["duplicates"] == []
