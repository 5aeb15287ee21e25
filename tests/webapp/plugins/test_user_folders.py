"""Which folders of models a user has, by the flags of the cluster edition."""

from pathlib import Path

import pytest

from generator.errors import ModelNotFound
from generator.models.kinds import ModelKind
from generator.models.registry import HashCache, Registry
from tests.wait import wait_until
from tests.webapp.conftest import configuration, write_checkpoint, write_model
from webapp.plugins.model_registry import OWN_KINDS, folders_of, user_registry_of
from webapp.settings.user_config import UserConfig, user_config, user_trees

PUBLIC_ONLY = {
    ModelKind.VAE: "vae_dirs",
    ModelKind.GFPGAN: "gfpgan_dirs",
    ModelKind.EMBEDDING: "embedding_dirs",
    ModelKind.HYPERNETWORK: "hypernetwork_dirs",
}


def of_ann(data_dir: Path, **flags: object) -> UserConfig:
    return user_config(configuration(data_dir, accounts=True, **flags), "ann")


def test_by_default_a_user_has_the_kinds_of_their_own_and_shares_the_others(tmp_path: Path) -> None:
    config = of_ann(tmp_path)
    folders, own = folders_of(config), tmp_path / "users/ann"
    for kind in ModelKind:
        shared = [each for each in folders.of(kind) if not each.is_relative_to(own)]
        assert folders.of(kind)[0].is_relative_to(own), kind
        assert bool(shared) is (kind not in OWN_KINDS), kind
    assert config.easel_dir == tmp_path / ".easel"


@pytest.mark.parametrize("kind", PUBLIC_ONLY)
def test_a_named_folder_takes_the_place_of_the_users(kind: ModelKind, tmp_path: Path) -> None:
    public = tmp_path / "public"
    folders = folders_of(of_ann(tmp_path, **{PUBLIC_ONLY[kind]: (public,)}))
    assert folders.of(kind) == (public,)


def test_loras_of_a_named_folder_come_beside_the_users(tmp_path: Path) -> None:
    folders = folders_of(of_ann(tmp_path, lora_dirs=(tmp_path / "public",))).of(ModelKind.LORA)
    assert folders[0] == tmp_path / "users/ann/models/Lora"
    assert folders[-1] == tmp_path / "public"
    assert tmp_path / "models/Lora" not in folders


def test_checkpoints_of_added_folders_are_everybodys(tmp_path: Path) -> None:
    folders = folders_of(of_ann(tmp_path, checkpoint_dirs=(tmp_path / "more",)))
    assert tmp_path / "more" in folders.of(ModelKind.CHECKPOINT)


@pytest.mark.parametrize("name", ["", ".", "..", ".easel", "a/b", "../bob", "a\0"])
def test_what_is_no_name_of_a_tree_leads_nowhere(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no name of a user's tree"):
        user_config(configuration(tmp_path), name)


def test_trees_are_those_that_are_there(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    assert list(user_trees(config)) == []
    for name in ("bob", "ann", ".hidden"):
        (tmp_path / "users" / name).mkdir(parents=True)
    (tmp_path / "users/file").write_text("x")
    assert [each.user for each in user_trees(config)] == ["ann", "bob"]


def test_neither_name_nor_hash_of_anothers_model_is_known(tmp_path: Path) -> None:
    config = configuration(tmp_path, accounts=True)
    shared = Registry(folders_of(config), HashCache(tmp_path / "hashes.db"))
    registries = {}
    for name in ("ann", "bob"):
        folder = tmp_path / "users" / name / "models"
        write_checkpoint(folder / f"Stable-diffusion/{name}.safetensors", {"of": name})
        write_model(folder / f"Lora/{name}.safetensors", {"of": name})
        registries[name] = user_registry_of(user_config(config, name), shared)
    registries["ann"].start()
    try:
        file = wait_until(
            lambda: next(
                (f for f in registries["ann"].index.files_of(ModelKind.CHECKPOINT) if f.sha256),
                None,
            )
        )
    finally:
        registries["ann"].close()
    assert file.sha256
    assert file.shorthash
    for word in ("ann", file.sha256, file.shorthash, file.title):
        assert registries["ann"].find_checkpoint(word).path == file.path
        with pytest.raises(ModelNotFound, match="There is no checkpoint"):
            registries["bob"].find_checkpoint(word)
