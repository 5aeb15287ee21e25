"""Hashes of files, and their keeping."""

import hashlib
import struct
from pathlib import Path

from generator.models.hashes import HashCache, Hashes, compute_hashes, legacy_hash


def test_the_payload_hash_leaves_out_the_header(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", 5) + b"{   }" + b"payload")
    found = compute_hashes(path)
    assert found is not None
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.payload_sha256 == hashlib.sha256(b"payload").hexdigest()


def test_other_files_have_no_header(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(struct.pack("<Q", 5) + b"{   }" + b"payload")
    found = compute_hashes(path)
    assert found is not None
    assert found.payload_sha256 == found.sha256


def test_a_file_longer_than_one_piece_and_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    for content in (b"", bytes(range(256)) * 12_000):
        path.write_bytes(content)
        found = compute_hashes(path)
        assert found is not None
        assert found.sha256 == hashlib.sha256(content).hexdigest()


def test_hashing_can_be_stopped(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"x")
    assert compute_hashes(path, lambda: True) is None


def test_a_file_that_changes_meanwhile_has_no_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(bytes(3 << 20))

    def grow() -> bool:
        with path.open("ab") as file:
            file.write(b"more")
        return False

    assert compute_hashes(path, grow) is None


def test_the_legacy_hash_looks_at_64_kib_at_one_mib(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    middle = b"\x07" * 0x10000
    path.write_bytes(bytes(0x100000) + middle + b"not looked at")
    assert legacy_hash(path) == hashlib.sha256(middle).hexdigest()[:8]
    path.write_bytes(b"short")
    assert legacy_hash(path) == "e3b0c442"


def test_the_cache_keeps_the_latest(tmp_path: Path) -> None:
    cache, path = HashCache(tmp_path / "deep" / "hashes.db"), tmp_path / "a"
    for size in (1, 2):
        cache.remember(path, Hashes(size, 3, "a" * 64, "b" * 64))
    assert HashCache(cache.path).all_hashes() == {str(path): Hashes(2, 3, "a" * 64, "b" * 64)}


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = HashCache(tmp_path / "file" / "hashes.db")
    cache.remember(tmp_path / "a", Hashes(1, 2, "a", "b"))
    assert cache.all_hashes() == {}
