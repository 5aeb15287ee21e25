"""What lies beside weights goes where they go, and never another model's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LORA = "models/Lora/mine"
BESIDE = (
    *("a.yaml", "a.json", "a.preview.png", "a.civitai.info", "a.png", "a.JPG", "a.txt"),
    *("a.description.txt", "a.preview.webp", "a.metadata.json"),
)
OTHERS = ("a.b.png", "a.b.safetensors", "ab.png", "a", "A.png", "a.png.bak", "a.b.preview.png")
Ask = Callable[..., Any]


def fill(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(f"{folder.name}/{name}")


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


@pytest.fixture
def data(house: Any) -> Path:
    folder: Path = house.data_dir
    fill(folder / LORA, "a.safetensors", *BESIDE, *OTHERS)
    fill(folder / LORA / "deep")
    return folder


@pytest.fixture
def ask(house: Any, data: Path) -> Ask:
    client = house.client()

    def ask_verb(verb: str, status: int = 200, **body: Any) -> Any:
        answer = client.post(f"/api/files/{verb}", json=body)
        assert answer.status_code == status, answer.get_json()
        if status == 200:
            assert {each["status"] for each in answer.get_json()["results"]} <= {"done", "skipped"}
        return answer.get_json()

    return ask_verb


FILE = f"/data/{LORA}/a.safetensors"


def test_they_move_to_another_folder(ask: Ask, data: Path) -> None:
    told = ask("move", paths=[FILE], to=f"/data/{LORA}/deep")
    assert told["results"][0]["to"] == f"/data/{LORA}/deep/a.safetensors"
    assert names_in(data / LORA / "deep") == {"a.safetensors", *BESIDE}
    assert names_in(data / LORA) == {*OTHERS, "deep"}


def test_they_are_renamed(ask: Ask, data: Path) -> None:
    ask("rename", path=FILE, name="new.v2.safetensors")
    renamed = {f"new.v2{name[1:]}" for name in ("a.safetensors", *BESIDE)}
    assert names_in(data / LORA) == {*renamed, *OTHERS, "deep"}
    assert (data / LORA / "new.v2.yaml").read_text() == "mine/a.yaml"


def test_they_are_copied_with_one_number_for_all(ask: Ask, data: Path) -> None:
    fill(data / LORA / "deep", "a.png")  # of somebody's that is gone
    ask("copy", paths=[FILE], to=f"/data/{LORA}/deep", conflict="rename")
    numbered = {f"a (1){name[1:]}" for name in ("a.safetensors", *BESIDE)}
    assert names_in(data / LORA / "deep") == {*numbered, "a.png"}
    assert names_in(data / LORA) == {"a.safetensors", *BESIDE, *OTHERS, "deep"}


def test_they_are_deleted_and_come_back(ask: Ask, data: Path) -> None:
    told = ask("delete", paths=[FILE])
    assert names_in(data / LORA) == {*OTHERS, "deep"}
    ask("restore", trash_id=told["trash_id"])
    assert names_in(data / LORA) == {"a.safetensors", *BESIDE, *OTHERS, "deep"}


@pytest.mark.parametrize("also", [(), ("a.png", "a.json")])
def test_the_page_may_choose_them_too(ask: Ask, data: Path, also: tuple[str, ...]) -> None:
    paths = [*(f"/data/{LORA}/{name}" for name in also), FILE]
    told = ask("move", paths=paths, to=f"/data/{LORA}/deep")
    assert len(told["results"]) == 1 + len(BESIDE)
    assert names_in(data / LORA / "deep") == {"a.safetensors", *BESIDE}


def test_what_is_taken_is_asked_about_before_anything_moves(ask: Ask, data: Path) -> None:
    fill(data / LORA / "deep", "a.png")
    told = ask("move", 409, paths=[FILE], to=f"/data/{LORA}/deep")
    assert f"/data/{LORA}/deep/a.png" in told["detail"]
    assert names_in(data / LORA / "deep") == {"a.png"}
    fill(data / LORA / "deep", "a.safetensors")
    ask("move", paths=[FILE], to=f"/data/{LORA}/deep", conflict="skip")
    assert names_in(data / LORA / "deep") == {"a.png", "a.safetensors"}
    ask("move", paths=[FILE], to=f"/data/{LORA}/deep", conflict="overwrite")
    assert names_in(data / LORA / "deep") == {"a.safetensors", *BESIDE}
    assert (data / LORA / "deep/a.png").read_text() == "mine/a.png"


def test_two_weights_of_one_name_share_what_lies_beside_them(ask: Ask, data: Path) -> None:
    fill(data / LORA, "a.pt")
    ask("delete", paths=[FILE])
    assert names_in(data / LORA) == {"a.pt", *BESIDE, *OTHERS, "deep"}
    ask("move", paths=[f"/data/{LORA}/a.pt"], to=f"/data/{LORA}/deep")
    assert names_in(data / LORA / "deep") == {"a.pt", *BESIDE}


def test_a_model_that_is_called_preview_keeps_its_own(ask: Ask, data: Path) -> None:
    fill(data / LORA, "a.preview.safetensors")
    ask("move", paths=[FILE], to=f"/data/{LORA}/deep")
    kept = {"a.preview.safetensors", "a.preview.png", "a.preview.webp"}
    assert kept <= names_in(data / LORA)
    assert names_in(data / LORA / "deep") == {"a.safetensors", *BESIDE} - kept


def test_a_checkpoint_takes_its_vae_along(ask: Ask, data: Path) -> None:
    place = "models/Stable-diffusion/mine"
    whole = ("c.ckpt", "c.yaml", "c.vae.pt", "c.vae.png")
    fill(data / place, *whole, "c.other.vae.pt")
    fill(data / "models/VAE/mine", "c.pt", "c.vae.pt", "c.png")
    ask("rename", path=f"/data/{place}/c.ckpt", name="d.ckpt")
    assert names_in(data / place) == {"d.ckpt", "d.yaml", "d.vae.pt", "d.vae.png", "c.other.vae.pt"}
    ask("delete", paths=["/data/models/VAE/mine/c.pt"])
    assert names_in(data / "models/VAE/mine") == {"c.vae.pt"}


def test_files_that_are_no_weights_of_a_model_go_alone(ask: Ask, data: Path) -> None:
    fill(data / "outputs", "a.pt", "a.png", "b.png", "b.txt")
    paths = ["/data/outputs/a.pt", "/data/outputs/b.png", f"/data/{LORA}/a.png"]
    ask("delete", paths=paths)
    assert names_in(data / "outputs") == {"a.png", "b.txt"}
    assert names_in(data / LORA) == {"a.safetensors", *BESIDE, *OTHERS, "deep"} - {"a.png"}


def test_links_beside_weights_hinder_no_copy(ask: Ask, data: Path) -> None:
    (data / LORA / "a.gif").symlink_to("a.png")
    (data / LORA / "a.webp").mkdir()
    ask("copy", paths=[FILE], to=f"/data/{LORA}/deep")
    assert names_in(data / LORA / "deep") == {"a.safetensors", *BESIDE}
