"""What tells one state of the models from another, in two processes and after a restart."""

import os
import sqlite3
import time
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from generator.errors import ModelNotFound
from generator.models.registry import Folders, HashCache, ModelKind, Registry, scan
from generator.models.safetensors_cache import cache_key
from tests.generator.models.model_files import CHECKPOINTS, names, put, weights

LORAS = "models/Lora"


def put_over(path: Path, content: bytes) -> None:
    """As ``cp -p`` does: the same file, of the same size and time."""
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (
        before.st_size, before.st_mtime_ns, before.st_ino,
    )  # fmt: skip


def write_pickle(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"x")
    return path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Registry, Registry]:
    """A web process' and a worker's."""
    (tmp_path / CHECKPOINTS).mkdir(parents=True)
    folders, cache = Folders.under(tmp_path), HashCache(tmp_path / ".easel/hashes.db")
    return Registry(folders, cache), Registry(folders, cache)


def test_other_weights_of_the_same_size_and_time_are_another_file(
    tmp_path: Path, pair: tuple[Registry, Registry]
) -> None:
    path = put(tmp_path / CHECKPOINTS / "a.safetensors", weights(1))
    for fill, registry in enumerate(pair, 2):
        old, made_of = registry.ensure_hashes(registry.find_checkpoint("a")), cache_key(path)
        put_over(path, weights(fill))
        assert not old.is_on_disk
        new = registry.ensure_hashes(registry.find_checkpoint("a"))
        assert (new.identity, new.state) != (old.identity, old.state)
        assert new.sha256 != old.sha256
        assert made_of != cache_key(path), "what is converted of it is made anew"
    config = put(path.with_suffix(".yaml"), b"model: {}")
    before = pair[0].refresh()
    put_over(config, b"model: []")
    assert pair[0].refresh().digest != before.digest


def test_hashes_of_before_are_used_once_and_then_held_to_their_file(tmp_path: Path) -> None:
    path = put(tmp_path / CHECKPOINTS / "a.safetensors", weights(1))
    other = put(tmp_path / CHECKPOINTS / "b.safetensors", weights(2))
    base, facts = tmp_path / "hashes.db", path.stat()
    with closing(sqlite3.connect(base)) as rows, rows:
        rows.execute(
            "CREATE TABLE hashes (path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER"
            " NOT NULL, sha256 TEXT NOT NULL, payload TEXT NOT NULL)"
        )
        rows.execute("PRAGMA user_version = 1")
        kept = (str(path), facts.st_size, facts.st_mtime_ns, "a" * 64, "b" * 64)
        rows.execute("INSERT INTO hashes VALUES (?, ?, ?, ?, ?)", kept)
        changed = (str(other), facts.st_size, facts.st_mtime_ns - 1, "c" * 64, "d" * 64)
        rows.execute("INSERT INTO hashes VALUES (?, ?, ?, ?, ?)", changed)
    files = {
        f.stem: f
        for f in scan(Folders.under(tmp_path), HashCache(base)).files_of(ModelKind.CHECKPOINT)
    }
    assert files["a"].sha256 == "a" * 64, "no gigabyte is read again"
    assert files["b"].sha256 is None
    put_over(path, weights(3))
    found = scan(Folders.under(tmp_path), HashCache(base)).find_checkpoint("a")
    assert found.sha256 is None
    assert list(tmp_path.glob("hashes.db.damaged*")) == []


def test_a_worker_looks_again_for_news_only(
    tmp_path: Path, pair: tuple[Registry, Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    web, worker = pair
    vae = tmp_path / CHECKPOINTS / "a.vae.safetensors"
    worker.catch_up(web.version)
    for _ in range(2):  # the same list comes back, at another time
        put(vae, weights())
        web.refresh()
        worker.catch_up(web.version)
        assert names(worker, ModelKind.VAE) == ["a.vae.safetensors"]
        vae.unlink()
        web.refresh()
        worker.catch_up(web.version)
        assert names(worker, ModelKind.VAE) == []
    web.ensure_hashes(
        put(tmp_path / CHECKPOINTS / "a.safetensors", weights()) and web.find_checkpoint()
    )
    worker.catch_up(web.version)
    looks: list[int] = []
    real = worker.refresh
    monkeypatch.setattr(worker, "refresh", lambda: looks.append(1) or real())
    for version in (web.version, web.version, "", "seen.otherwise", "seen.otherwise"):
        worker.catch_up(version)
    assert len(looks) == 1, "what looks otherwise from here is looked at once"


def test_what_was_not_still_is_looked_at_again(
    tmp_path: Path, pair: tuple[Registry, Registry]
) -> None:
    web, worker = pair
    for place in ("ESRGAN/a.pth", "hypernetworks/a.pt", "Stable-diffusion/a.vae.pt"):
        write_pickle(tmp_path / "models" / place)
    kinds = (ModelKind.UPSCALER, ModelKind.HYPERNETWORK, ModelKind.VAE)
    assert worker.refresh().unsettled
    assert [names(web, kind) for kind in kinds] == [[], [], []]
    web.refresh(whole=[(tmp_path / "models/ESRGAN").resolve()])
    assert [len(names(web, kind)) for kind in kinds] == [1, 0, 0], "whole, as who put it there says"
    web.refresh_still()
    assert [len(names(web, kind)) for kind in kinds] == [1, 1, 1]
    worker.catch_up(web.version)
    assert [len(names(worker, kind)) for kind in kinds] == [1, 1, 1]
    fresh = write_pickle(tmp_path / "models/ESRGAN/b.pth")
    worker.refresh()
    os.utime(fresh, (time.time() - 5,) * 2)
    worker.catch_up(worker.version)
    assert len(names(worker, ModelKind.UPSCALER)) == 2, "without news from anybody"


def test_a_file_that_is_named_is_waited_for(
    tmp_path: Path, pair: tuple[Registry, Registry]
) -> None:
    assert pair[0].index.unsettled == frozenset()
    write_pickle(tmp_path / "models/ESRGAN/sharp.pth")
    assert pair[0].find(ModelKind.UPSCALER, "sharp").name == "sharp.pth"
    put(tmp_path / CHECKPOINTS / "a.safetensors", weights())
    assert pair[0].find_chosen("a.safetensors [0123456789]").name == "a.safetensors"
    with pytest.raises(ModelNotFound, match="nowhere"):
        pair[0].find_chosen("nowhere [0123456789]")


def test_what_lies_in_a_tree_goes_by_its_own_name(tmp_path: Path) -> None:
    put(tmp_path / LORAS / "b/x.safetensors", weights())
    (tmp_path / LORAS / "a").symlink_to(tmp_path / LORAS / "b")
    (tmp_path / LORAS / "b/loop").symlink_to(tmp_path / LORAS)
    (tmp_path / LORAS / "self").symlink_to(tmp_path / LORAS / "self")
    found = scan(Folders.under(tmp_path)).files_of(ModelKind.LORA)
    assert [file.name for file in found] == ["b/x.safetensors"]
