"""What a user's visit shows and allows: their own tree, the models of all, limited folders."""

import os
from pathlib import Path
from typing import Any

import pytest

from filebrowser.access.file_access import FileAccess, Right, may_download, resolve_path
from filebrowser.access.gate import open_place
from filebrowser.archive import make_archive
from filebrowser.errors import NotAllowed, NotHere
from filebrowser.operations.move import plan_steps
from tests.webapp.conftest import configuration
from webapp.access.credentials import OWNER_CALLER, Caller
from webapp.access.scopes import AccessScope
from webapp.files.caller_rights import access_of, all_roots
from webapp.settings.browse_roots import BadRoot, parse_folder_rights
from webapp.settings.user_config import user_config

FILES = (
    "models/Stable-diffusion/sd.safetensors", "models/Lora/secret.safetensors", "config.json",
    "outputs/boss.png", "users/ann/outputs/a.png", "users/ann/config.json",
    "users/bob/outputs/b.png", "users/bob/.trash/x", ".easel/token",
)  # fmt: skip


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with two users, in a folder with more."""
    for name in FILES:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/s.txt").write_text("s")
    return tmp_path / "data"


def access(data_dir: Path, who: str = "ann", **changes: Any) -> FileAccess:
    """The visit of a user, or of the owner."""
    config = configuration(data_dir, accounts=True, **changes)
    if who == "owner":
        return access_of(OWNER_CALLER, config)
    return access_of(Caller(who, AccessScope.USER), user_config(config, who))


def is_there(visit: FileAccess, path: str) -> bool:
    try:
        os.close(open_place(resolve_path(visit, path, Right.VIEW)))
    except NotHere:
        return False
    return True


def test_a_user_sees_their_tree_as_data_and_the_models_of_all(data_dir: Path) -> None:
    visit = access(data_dir)
    assert [root.name for root in visit.roots] == ["data", "public"]
    assert is_there(visit, "/data/outputs/a.png")
    assert is_there(visit, "/public/Stable-diffusion/sd.safetensors")
    for path in ("/data/outputs/b.png", "/data/outputs/boss.png", "/data/config.json",
                 "/public/Lora/secret.safetensors", "/data/users", "/users/bob"):  # fmt: skip
        assert not is_there(visit, path), path


def test_no_browsed_tree_shows_the_data_directory_or_a_users_tree(data_dir: Path) -> None:
    trees = (("all", data_dir.parent, True), ("bobs", data_dir / "users/bob", True))
    visit = access(data_dir, browse_roots=trees)
    assert is_there(visit, "/all/shared/s.txt")
    for name in FILES:
        assert not is_there(visit, f"/all/data/{name}"), name
        assert not is_there(visit, f"/bobs/{name.removeprefix('users/bob/')}"), name


def test_the_owner_sees_all_trees_but_nobodys_settings_and_trash(data_dir: Path) -> None:
    visit = access(data_dir, "owner")
    assert is_there(visit, "/data/users/bob/outputs/b.png")
    assert not is_there(visit, "/data/users/ann/config.json")
    assert not is_there(visit, "/data/users/bob/.trash/x")
    config = configuration(data_dir, accounts=True)
    paths = [root.path for root in all_roots(config)]
    assert paths == [data_dir, data_dir / "users/ann", data_dir / "users/bob"]


def test_a_folder_to_look_at_is_not_downloaded_copied_packed_or_changed(data_dir: Path) -> None:
    limits = parse_folder_rights(["public=view", "data/outputs=view", "data/models=read"])
    visit = access(data_dir, folder_rights=limits)
    for path in ("/public/Stable-diffusion/sd.safetensors", "/data/outputs/a.png"):
        assert is_there(visit, path)
        with pytest.raises(NotAllowed, match="here to be looked at"):
            resolve_path(visit, path, Right.VIEW, Right.DOWNLOAD)
        with pytest.raises(NotAllowed):
            plan_steps(visit, [path], "/data/embeddings/copy.png", moves=False)
        assert not resolve_path(visit, path, Right.VIEW).writable
    with pytest.raises(NotAllowed):
        make_archive(visit, ["/data"])  # it holds what is not downloaded
    models = resolve_path(visit, "/data/models", Right.VIEW, Right.DOWNLOAD)
    assert may_download(visit, models)
    assert not models.is_creatable
    owner = access(data_dir, "owner", folder_rights=limits)
    assert may_download(owner, resolve_path(owner, "/data/outputs/boss.png", Right.DOWNLOAD))


@pytest.mark.parametrize(
    "text", ["", "public", "public=write", "=view", "../x=view", "data/.=read"]
)
def test_limits_that_are_refused(text: str) -> None:
    with pytest.raises(BadRoot, match="takes a folder and one of view and read"):
        parse_folder_rights([text])
