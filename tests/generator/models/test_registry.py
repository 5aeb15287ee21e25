"""The registry on a real disk: what it lists, what it leaves out, and how it follows changes."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from filebrowser.watch.watcher import Watcher
from generator.errors import ModelNotFound
from generator.models.registry import Folders, HashCache, ModelKind, Registry, scan
from tests.generator.models.model_files import CHECKPOINTS, names, put, weights
from tests.wait import assert_quick, wait_until


def put_zip(path: Path, age: float = 10.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"x")
    os.utime(path, (time.time() - age,) * 2)
    return path


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(Folders.under(tmp_path), HashCache(tmp_path / ".easel" / "hashes.db"))
    yield registry
    registry.close()


def test_each_kind_is_found_in_its_place(tmp_path: Path, registry: Registry) -> None:
    put(tmp_path / CHECKPOINTS / "sub" / "a.safetensors", weights())
    put(tmp_path / CHECKPOINTS / "a.vae.safetensors", weights())
    put(tmp_path / CHECKPOINTS / "notes.txt", b"x")
    put(tmp_path / CHECKPOINTS / ".trash" / "gone.safetensors", weights())
    put(tmp_path / "models" / "LyCORIS" / "l.safetensors", weights())
    put(tmp_path / "embeddings" / "e.safetensors", weights())
    put_zip(tmp_path / "models" / "hypernetworks" / "h.pt")
    put_zip(tmp_path / "models" / "VAE" / "v.PT")
    assert names(registry) == ["sub/a.safetensors"]
    assert names(registry, ModelKind.VAE) == ["a.vae.safetensors", "v.PT"]
    assert names(registry, ModelKind.LORA) == ["l.safetensors"]
    assert names(registry, ModelKind.EMBEDDING) == ["e.safetensors"]
    assert names(registry, ModelKind.HYPERNETWORK) == ["h.pt"]
    assert registry.index.rejected == {}


def test_extra_folders_come_after_our_own(tmp_path: Path) -> None:
    put(tmp_path / "far" / "b.safetensors", weights())
    put(tmp_path / "data" / CHECKPOINTS / "a.safetensors", weights())
    folders = Folders.under(tmp_path / "data", checkpoint=[tmp_path / "far"])
    assert [f.path.parent.name for f in scan(folders).files_of(ModelKind.CHECKPOINT)] == [
        "Stable-diffusion",
        "far",
    ]
    assert folders.all() == (
        tmp_path / "data" / "models",
        tmp_path / "far",
        tmp_path / "data" / "embeddings",
    )
    with pytest.raises(ValueError, match="nonsense"):
        Folders.under(tmp_path, nonsense=[tmp_path])


def test_a_config_beside_a_checkpoint_belongs_to_it(tmp_path: Path, registry: Registry) -> None:
    file = put(tmp_path / CHECKPOINTS / "a.safetensors", weights())
    assert registry.find_checkpoint("a").config is None
    put(file.with_suffix(".yaml"), b"model: {}")
    registry.refresh()
    assert registry.find_checkpoint("a").config == file.with_suffix(".yaml")


def test_a_changed_config_is_noticed(tmp_path: Path, registry: Registry) -> None:
    file = put(tmp_path / CHECKPOINTS / "a.safetensors", weights())
    config = put(file.with_suffix(".yaml"), b"model: {}")
    registry.refresh()
    before, revision = registry.find_checkpoint("a"), registry.revision
    config.write_bytes(b"model: {params: {}}")
    registry.refresh()
    after = registry.find_checkpoint("a")
    assert registry.revision > revision
    assert after.identity == before.identity
    assert after.state != before.state
    config.unlink()
    config.symlink_to(tmp_path / "nowhere")
    registry.refresh()
    assert registry.find_checkpoint("a").config is None


def test_a_half_copied_file_never_appears(tmp_path: Path, registry: Registry) -> None:
    path, whole = tmp_path / CHECKPOINTS / "a.safetensors", weights()
    for length in range(0, len(whole), 16):
        put(path, whole[:length])
        assert registry.refresh().files_of(ModelKind.CHECKPOINT) == ()
        assert "a.safetensors" in registry.index.rejected[path]
    with pytest.raises(ModelNotFound, match="cannot be used"):
        registry.find_checkpoint("a")
    put(path, whole)
    assert registry.find_checkpoint("a").path == path
    assert registry.index.rejected == {}


def test_a_download_that_fills_holes_is_waited_for(tmp_path: Path, registry: Registry) -> None:
    path = put(tmp_path / CHECKPOINTS / "a.safetensors", weights())
    marker = put(path.with_name("a.safetensors.aria2"), b"")
    assert names(registry) == []
    marker.unlink()
    registry.refresh()
    assert names(registry) == ["a.safetensors"]


def test_a_pickle_is_listed_once_it_is_still(tmp_path: Path, registry: Registry) -> None:
    path = put_zip(tmp_path / CHECKPOINTS / "a.ckpt", age=0.0)
    assert names(registry) == []
    assert registry.index.unsettled == {path}
    registry.start()
    wait_until(lambda: names(registry) == ["a.ckpt"])


def test_what_cannot_be_read_is_left_out_with_its_reason(
    tmp_path: Path, registry: Registry
) -> None:
    put(tmp_path / CHECKPOINTS / "good.safetensors", weights())
    bad = put(tmp_path / CHECKPOINTS / "bad.safetensors", b"rubbish" * 9)
    (tmp_path / CHECKPOINTS / "dangling.safetensors").symlink_to(tmp_path / "nowhere")
    (tmp_path / CHECKPOINTS / "loop").symlink_to(tmp_path / CHECKPOINTS)
    (tmp_path / CHECKPOINTS / "folder.safetensors").mkdir()
    assert names(registry) == ["good.safetensors"]
    told = {path.name: reason for path, reason in registry.index.rejected.items()}
    assert set(told) == {bad.name, "dangling.safetensors", "folder.safetensors"}
    assert "leads nowhere" in told["dangling.safetensors"]
    assert "a folder" in told["folder.safetensors"]


def test_renames_and_deletions_are_followed(tmp_path: Path, registry: Registry) -> None:
    path = put(tmp_path / CHECKPOINTS / "a.safetensors", weights())
    assert names(registry) == ["a.safetensors"]
    path.rename(path.with_name("b.safetensors"))
    assert registry.find_checkpoint("b").name == "b.safetensors"
    path.with_name("b.safetensors").unlink()
    with pytest.raises(ModelNotFound):
        registry.find_checkpoint("b")
    assert names(registry) == []


def test_the_revision_rises_with_changes_only(tmp_path: Path, registry: Registry) -> None:
    heard: list[int] = []
    forget = registry.subscribe(heard.append)
    registry.refresh()
    first = registry.revision
    registry.refresh()
    assert registry.revision == first
    put(tmp_path / CHECKPOINTS / "a.safetensors", weights())
    registry.refresh()
    assert registry.revision == first + 1
    assert heard[-1] == registry.revision
    forget()
    put(tmp_path / CHECKPOINTS / "b.safetensors", weights())
    registry.refresh()
    assert heard[-1] == first + 1


def test_a_replaced_file_is_another_with_another_hash(tmp_path: Path, registry: Registry) -> None:
    path = put(tmp_path / CHECKPOINTS / "a.safetensors", weights(1))
    old = registry.ensure_hashes(registry.find_checkpoint("a"))
    put(tmp_path / CHECKPOINTS / "a.part", weights(2)).replace(path)
    assert not old.is_on_disk
    new = registry.ensure_hashes(registry.find_checkpoint("a"))
    assert new.identity != old.identity
    assert new.sha256 == hashlib.sha256(weights(2)).hexdigest() != old.sha256


def test_hashes_come_in_the_background_and_are_kept(tmp_path: Path, registry: Registry) -> None:
    lora = weights(metadata={"ss_output_name": "x"})
    put(tmp_path / CHECKPOINTS / "a.safetensors", weights())
    put(tmp_path / "models" / "Lora" / "l.safetensors", lora)
    assert registry.find_checkpoint("a").title == "a.safetensors"
    registry.start()
    wait_until(lambda: all(f.sha256 for k in ModelKind for f in registry.index.files_of(k)))
    found = registry.find(ModelKind.LORA, "x")
    assert found.sha256 == hashlib.sha256(lora).hexdigest()
    assert found.network_hash == hashlib.sha256(lora[-64:]).hexdigest()[:12]
    again = Registry(registry.folders, registry.hash_cache)
    assert again.find_checkpoint("a").title.endswith("]")
    assert again.find(ModelKind.LORA, "l").network_hash == found.network_hash


def test_a_hash_is_computed_once(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / CHECKPOINTS / "a.safetensors", weights())
    file = registry.find_checkpoint("a")
    other = Registry(registry.folders, registry.hash_cache)  # a worker beside the web process
    assert other.find_checkpoint("a").sha256 is None
    hashed = registry.ensure_hashes(file)
    monkeypatch.setattr("generator.models.registry.compute_hashes", None)
    assert registry.ensure_hashes(file) == registry.latest_version_of(file) == hashed
    assert other.ensure_hashes(file) == hashed == other.find_checkpoint("a")


def test_without_hashing_nothing_is_hashed(tmp_path: Path) -> None:
    put(tmp_path / CHECKPOINTS / "a.safetensors", weights())
    registry = Registry(Folders.under(tmp_path))
    registry.start()
    registry.close()
    assert registry.ensure_hashes(registry.find_checkpoint("a")).title == "a.safetensors"


def test_an_unusable_hash_cache_costs_no_request(tmp_path: Path) -> None:
    put(tmp_path / CHECKPOINTS / "a.safetensors", weights())
    broken = put(tmp_path / "hashes.db", b"this is no database" * 100)
    registry = Registry(Folders.under(tmp_path), HashCache(broken))
    assert registry.ensure_hashes(registry.find_checkpoint("a")).sha256
    again = Registry(registry.folders, HashCache(broken))
    assert again.find_checkpoint("a").sha256, "the broken file was made anew"


def test_nothing_is_opened_twice(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / CHECKPOINTS / "a.safetensors", weights())
    first = registry.find_checkpoint("a")
    monkeypatch.setattr("generator.models.scan.read_header", None)
    registry.refresh()
    assert registry.find_checkpoint("a") == first


def test_two_thousand_files_are_scanned_quickly(tmp_path: Path) -> None:
    for number in range(2000):
        put(tmp_path / "models" / "Lora" / str(number % 20) / f"{number}.safetensors", weights())
    registries = [Registry(Folders.under(tmp_path)) for _ in range(3)]
    unread = iter(registries)
    assert (
        len(assert_quick(lambda: next(unread).index.files_of(ModelKind.LORA), 5, len(registries)))
        == 2000
    )
    assert len(registries[0].index.files_of(ModelKind.LORA)) == 2000
    assert_quick(registries[0].refresh, 1)


def test_many_threads_may_ask_while_files_change(tmp_path: Path, registry: Registry) -> None:
    put(tmp_path / CHECKPOINTS / "a.safetensors", weights())
    registry.start()
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(40):
                assert registry.find_checkpoint("a").stem == "a"
                registry.refresh()
        except AssertionError as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(20):
        put(tmp_path / CHECKPOINTS / f"b{number}.safetensors", weights())
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(registry.refresh().files_of(ModelKind.CHECKPOINT)) == 21


@pytest.mark.parametrize("mode", ["inotify", "poll"])
def test_models_appear_and_leave(tmp_path: Path, registry: Registry, mode: str) -> None:
    (tmp_path / CHECKPOINTS).mkdir(parents=True)
    registry.start()
    path, whole = tmp_path / CHECKPOINTS / "a.safetensors", weights(size=4096)
    with Watcher(registry.folders.all(), mode, lambda _: registry.refresh()):
        with path.open("wb") as file:
            for start in range(0, len(whole), 1024):
                file.write(whole[start : start + 1024])
                file.flush()
                time.sleep(0.25)
                assert names(registry) == [] or file.tell() == len(whole)
        wait_until(lambda: names(registry) == ["a.safetensors"])
        wait_until(lambda: registry.index.files_of(ModelKind.CHECKPOINT)[0].sha256)
        put(path.with_name("a.part"), weights(7, 4096)).replace(path)
        wait_until(
            lambda: registry.index.files_of(ModelKind.CHECKPOINT)[0].inode == path.stat().st_ino
        )
        for text in (b"model: {}", b"model: {params: {}}"):
            put(path.with_suffix(".yaml"), text)
            size = len(text)
            wait_until(lambda: (registry.find_checkpoint().config_stamp or (0,))[0] == size)  # noqa: B023
        path.unlink()
        wait_until(lambda: names(registry) == [])


def test_the_recorded_answers_agree(goldens: Path, tmp_path: Path) -> None:
    source, target = goldens / "checkpoint", tmp_path / "models"
    for kind, pattern in (("Stable-diffusion", "tinysd15.*"), ("Lora", "tinylo[cr]*")):
        for file in source.glob(pattern):
            put(target / kind / file.name, file.read_bytes())
    registry = Registry(Folders.under(tmp_path), HashCache(tmp_path / "hashes.db"))
    found = registry.ensure_hashes(registry.find_checkpoint())
    told = json.loads((goldens / "get" / "sd-models.json").read_text())[0]
    assert (found.title, found.model_name, found.shorthash, found.sha256) == (
        *(told[key] for key in ("title", "model_name", "hash", "sha256")),
    )
    assert found.config is not None
    loras = {each["name"]: each for each in json.loads((goldens / "get/loras.json").read_text())}
    for file in registry.index.files_of(ModelKind.LORA):
        assert (file.alias, file.facts) == (
            loras[file.stem]["alias"],
            loras[file.stem]["metadata"],
        )
    lora = registry.ensure_hashes(registry.find(ModelKind.LORA, "tinylora"))
    assert lora.network_hash == "633f3c239fa9"  # as in the recorded infotexts


def test_torch_is_not_needed() -> None:
    program = "import sys, generator.models.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
