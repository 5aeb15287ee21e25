"""Trees of users in one of several web processes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from generator.models.index import ModelIndex
from generator.models.kinds import ModelKind
from generator.models.registry import Registry
from tests.wait import wait_until
from tests.webapp.conftest import configuration, write_model
from webapp.plugins.model_registry import folders_of
from webapp.settings.option_store import Alone, OptionStore
from webapp.user_trees import UserTrees


@pytest.fixture
def entered() -> list[str]:
    """Names of the turns that were taken."""
    return []


@pytest.fixture
def trees(tmp_path: Path, entered: list[str]) -> Iterator[UserTrees]:
    """Trees that nothing watches."""

    def alone(name: str) -> Alone:
        def block() -> AbstractContextManager[object]:
            entered.append(name)
            return nullcontext()

        return block

    config = configuration(tmp_path, accounts=True, watch="off")
    options = OptionStore(tmp_path / "config.json")
    opened = UserTrees(config, Registry(folders_of(config)), options, alone)
    yield opened
    opened.close()


def test_each_users_options_have_a_turn_of_their_own(trees: UserTrees, entered: list[str]) -> None:
    for name in ("ann", "bob"):
        trees.find(name).options.update({"jpeg_quality": 61})
    assert entered == ["users/ann/config.json", "users/bob/config.json"]


def test_what_may_have_come_anywhere_comes_to_open_trees(trees: UserTrees, tmp_path: Path) -> None:
    registry = trees.find("ann").registry
    assert not registry.index.files_of(ModelKind.LORA)
    write_model(tmp_path / "users/ann/models/Lora/brush.safetensors")
    trees.refresh_models(None)
    wait_until(lambda: registry.index.files_of(ModelKind.LORA))


def test_a_rename_is_looked_at_once_in_each_tree(
    trees: UserTrees, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[tuple[str, list[str]]] = []
    for tree in (trees.service, trees.find("ann")):

        def look(
            whole: Sequence[Path] = (),
            name: str = tree.name,
            refresh: Callable[..., ModelIndex] = tree.registry.refresh,
        ) -> ModelIndex:
            if whole:  # a tree that follows looks by itself, at no path
                looks.append((name, [each.name for each in whole]))
            return refresh(whole)

        monkeypatch.setattr(tree.registry, "refresh", look)
    own, every = tmp_path / "users/ann/models/Lora", tmp_path / "models/Lora"
    every.mkdir(parents=True, exist_ok=True)
    places = [own / "a.pt", own / "b.pt", every / "c.pt", tmp_path / "users/bob/models/Lora/d.pt"]
    trees.refresh_models([each.resolve() for each in (*places, tmp_path / "outputs/e.png")])
    assert looks == [("ann", ["a.pt", "b.pt"]), ("", ["c.pt"])]
