"""Options: types, limits, atomic storage, snapshots."""

import json
from pathlib import Path

import pytest

from generator.errors import BadRequest
from webapp.settings.option_store import DEFAULTS, OptionStore, to_snapshot


@pytest.fixture
def options(tmp_path: Path) -> OptionStore:
    return OptionStore(tmp_path / "config.json")


def test_defaults_can_be_posted_back(options: OptionStore) -> None:
    options.update(options.get())
    assert options.get() == dict(DEFAULTS)


def test_a_recorded_answer_can_be_posted_back(options: OptionStore, goldens: Path) -> None:
    recorded = json.loads((goldens / "get" / "options.json").read_text())
    options.update(recorded)
    assert options.get()["jpeg_quality"] == 80


def test_changes_survive_a_new_process(tmp_path: Path) -> None:
    OptionStore(tmp_path / "config.json").update({"jpeg_quality": "70", "tiling": "true"})
    again = OptionStore(tmp_path / "config.json").get()
    assert again["jpeg_quality"] == 70
    assert again["tiling"] is True


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tiling", "perhaps"),
        ("jpeg_quality", "fine"),
        ("jpeg_quality", 1000),
        ("jpeg_quality", 80.5),
        ("jpeg_quality", None),
        ("sd_vae", 3),
        ("jpeg_quality", float("nan")),
        ("CLIP_stop_at_last_layers", 0),
        ("samples_format", 3),
        ("randn_source", "dice"),
        ("quicksettings_list", "not a list"),
        ("no_such_option", 1),
    ],
)
def test_what_does_not_fit_changes_nothing(options: OptionStore, name: str, value: object) -> None:
    with pytest.raises(BadRequest) as refused:
        options.update({"eta_ddim": 0.5, name: value})
    assert refused.value.field == name
    assert name in str(refused.value)
    assert options.get() == dict(DEFAULTS)


@pytest.mark.parametrize("content", [b"{half", b"[1]", b"\xff\xfe\x00", b"[" * 100_000, b""])
def test_a_damaged_file_is_put_aside(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    assert OptionStore(path).get()["jpeg_quality"] == 80
    (aside,) = tmp_path.glob("config.json.damaged-*")
    assert aside.read_bytes() == content
    assert aside.name in caplog.text


def test_a_folder_in_its_place_is_put_aside_and_options_are_stored(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    (path / "inner").mkdir(parents=True)
    options = OptionStore(path)
    assert options.get()["jpeg_quality"] == 80
    options.update({"jpeg_quality": 33})
    assert OptionStore(path).get()["jpeg_quality"] == 33
    (aside,) = tmp_path.glob("config.json.damaged-*")
    assert (aside / "inner").is_dir()


def test_a_wrong_value_in_the_file_gives_way_to_the_default(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"jpeg_quality": "many", "tiling": True, "of_an_extension": 1}))
    options = OptionStore(path)
    assert options.get()["jpeg_quality"] == 80
    assert options.get()["tiling"] is True
    options.update({"eta_ddim": 0.5})
    assert json.loads(path.read_text())["of_an_extension"] == 1


def test_an_edit_by_hand_is_seen(options: OptionStore, tmp_path: Path) -> None:
    options.get()
    (tmp_path / "config.json").write_text('{"jpeg_quality": 33}')
    assert options.get()["jpeg_quality"] == 33


def test_nothing_half_written_when_the_folder_cannot_be_written(tmp_path: Path) -> None:
    options = OptionStore(tmp_path / "gone" / "config.json")
    with pytest.raises(OSError, match="gone"):
        options.update({"tiling": True})
    assert options.get()["tiling"] is False


def test_snapshot_takes_overrides_and_refuses_misfits() -> None:
    taken = to_snapshot(DEFAULTS, {"CLIP_stop_at_last_layers": 2.0, "randn_source": "NV"})
    assert (taken.CLIP_stop_at_last_layers, taken.randn_source) == (2, "NV")
    with pytest.raises(BadRequest, match="CLIP_stop_at_last_layers"):
        to_snapshot(DEFAULTS, {"CLIP_stop_at_last_layers": 99})


def test_a_flag_holds_until_somebody_chooses(tmp_path: Path) -> None:
    options = OptionStore(tmp_path / "config.json", {"sd_model_checkpoint": "a.safetensors"})
    assert options.get()["sd_model_checkpoint"] == "a.safetensors"
    options.update({"sd_model_checkpoint": "b.safetensors"})
    assert options.get()["sd_model_checkpoint"] == "b.safetensors"
    options.update({"sd_model_checkpoint": None})
    assert options.get()["sd_model_checkpoint"] == "a.safetensors"


def test_what_is_reset_follows_the_default_again(tmp_path: Path) -> None:
    shared = {"jpeg_quality": 70}
    mine = OptionStore(
        tmp_path / "config.json", read_shared=lambda: shared, enforced=frozenset({"n_rows"})
    )
    mine.update({"jpeg_quality": 90, "tiling": True})
    assert mine.own_names() == {"jpeg_quality", "tiling"}
    mine.reset(["jpeg_quality"])
    assert (mine.get()["jpeg_quality"], mine.own_names()) == (70, {"tiling"})
    shared["jpeg_quality"] = 60
    assert mine.get()["jpeg_quality"] == mine.inherited()["jpeg_quality"] == 60
    with pytest.raises(BadRequest, match="no_such_option"):
        mine.reset(["tiling", "no_such_option"])
    assert mine.get()["tiling"] is True
