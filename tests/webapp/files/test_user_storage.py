"""How many bytes a user's own files take."""

from pathlib import Path

from webapp.files.user_storage import KEPT_SECONDS, UserStorage


def test_files_of_a_user_are_summed_once_in_a_while(tmp_path: Path) -> None:
    now = [0.0]
    storage = UserStorage(tmp_path, lambda: now[0])
    (tmp_path / "ann/outputs").mkdir(parents=True)
    (tmp_path / "ann/outputs/a.png").write_bytes(bytes(700))
    (tmp_path / "ann/styles.csv").write_bytes(bytes(30))
    (tmp_path / "ann/elsewhere").symlink_to("/usr")
    (tmp_path / "bob").mkdir()
    sizes = [storage.size(name) for name in ("ann", "bob", "nobody")]
    assert 730 <= sizes[0] < 800  # a link counts as the few bytes that it is
    assert sizes[1:] == [0, 0]
    (tmp_path / "ann/outputs/a.png").unlink()
    assert storage.size("ann") == sizes[0]
    now[0] = KEPT_SECONDS
    assert storage.size("ann") == sizes[0] - 700
