"""Which file systems are polled."""

from pathlib import Path

import pytest

from filebrowser.watch.mounts import (
    file_system_type,
    folders_without_inotify,
    read_mounts,
    supports_inotify,
)

MOUNTS = {
    Path("/"): "ext4",
    Path("/mnt/nas"): "nfs4",
    Path("/mnt/nas/local"): "xfs",
    Path("/mnt/oss"): "fuse.ossfs",
    Path("/mnt/win"): "fuseblk",
}


@pytest.mark.parametrize(
    ("path", "reporting"),
    [
        ("/data/models", True),
        ("/mnt/nas", False),
        ("/mnt/nas/models/Lora", False),
        ("/mnt/nas/local/models", True),
        ("/mnt/oss/models", False),
        ("/mnt/win/models", True),
        ("/mnt/nasty", True),
    ],
)
def test_the_nearest_mount_decides(path: str, reporting: bool) -> None:
    assert supports_inotify(Path(path), MOUNTS) is reporting


def test_an_unknown_place_is_trusted() -> None:
    assert file_system_type(Path("/somewhere"), {}) == ""
    assert supports_inotify(Path("/somewhere"), {})


def test_the_table_is_read_with_its_escapes_and_later_mounts_win(tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    table.write_text("dev / ext4 rw 0 0\nnas:/x /my\\040models nfs rw 0 0\nover / overlay rw 0 0\n")
    assert read_mounts(table) == {Path("/"): "overlay", Path("/my models"): "nfs"}
    assert read_mounts(tmp_path / "absent") == {}


def test_mounts_inside_a_local_tree_are_found(tmp_path: Path) -> None:
    root, nas = tmp_path / "models", tmp_path / "nas"
    for folder in ("Lora/local", "Lora/mounted/deep", "VAE"):
        (root / folder).mkdir(parents=True)
    nas.mkdir()
    (root / "linked").symlink_to(nas)
    (root / "VAE" / "loop").symlink_to(root)
    mounts = {Path("/"): "ext4", root / "Lora" / "mounted": "nfs", nas: "fuse.ossfs"}
    assert set(folders_without_inotify(root, mounts)) == {
        root / "Lora" / "mounted",
        root / "linked",
    }
    assert folders_without_inotify(root, {Path("/"): "ext4"}) == ()
    assert folders_without_inotify(tmp_path / "absent", mounts) == ()
