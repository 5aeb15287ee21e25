"""Where a node keeps what it can compute anew, while its data directory is a network mount."""

from pathlib import Path

import pytest

from webapp.access.secret import Secret
from webapp.settings import local_cache
from webapp.settings.config import Config
from webapp.settings.local_cache import is_shared_mount, keep_caches_here


@pytest.mark.parametrize(
    ("kind", "queue", "shared"),
    [("nfs4", "redis://queue", True), ("ext4", "redis://queue", False), ("nfs4", None, False)],
)
def test_a_network_mount_is_shared_where_the_queue_is_a_server_s(
    kind: str, queue: str | None, shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_cache, "read_mounts", lambda: {tmp_path: kind})
    config = Config(data_dir=tmp_path, queue_url=Secret(queue) if queue else None)
    assert is_shared_mount(config) is shared


def test_the_cache_is_this_machine_s_own_unless_flags_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = Config(data_dir=tmp_path)
    assert keep_caches_here(config, "id").cache_folder == tmp_path / "cache/easel/id"
    named = Config(data_dir=tmp_path, cache_dir=tmp_path / "own")
    assert keep_caches_here(named, "id").cache_folder == tmp_path / "own"
