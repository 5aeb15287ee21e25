"""Which trees the flags open, and what none of them shows, however they lie in each other."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from filebrowser.access.gate import Root, open_parent, open_place, parse_path
from filebrowser.errors import NotAllowed, NotHere
from webapp.files.caller_rights import roots_of
from webapp.settings.config import Config, UnknownFlag, parse


def root_named(config: Config, name: str) -> Root:
    return next(root for root in roots_of(config) if root.name == name)


def test_the_flags_of_the_tab() -> None:
    for words, on in (
        ([], True),
        (["--nowebui"], False),
        (["--nowebui", "--filebrowser"], True),
        (["--no-filebrowser"], False),
    ):
        assert parse(words, {}).filebrowser is on, words


def test_trees_of_flags(tmp_path: Path) -> None:
    words = ["--browse-root", f"pics={tmp_path}", "--browse-root", "nas=shared:ro"]
    config = parse(words, {"EASEL_HOME": str(tmp_path)})
    assert config.browse_roots == (
        *(("pics", tmp_path, True), ("nas", tmp_path / "shared", False)),
    )
    by_environment = parse([], {"EASEL_BROWSE_ROOT": f"a={tmp_path}:ro:rock=/srv"})
    assert [(name, writable) for name, _, writable in by_environment.browse_roots] == [
        *(("a", False), ("rock", True)),
    ]


@pytest.mark.parametrize(
    "text", ["pics", "=x", "pics=", "a/b=x", "../x=y", ".x=y", "data=x", "a b=x", "x" * 65 + "=y"]
)
def test_trees_that_cannot_be(text: str) -> None:
    with pytest.raises(UnknownFlag, match="browse-root"):
        parse(["--browse-root", text], {})


def test_a_name_is_given_once() -> None:
    with pytest.raises(UnknownFlag, match="taken"):
        parse(["--browse-root", "a=/x", "--browse-root", "a=/y"], {})


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The data directory inside a tree, a tree inside the data directory, a key in both."""
    data = tmp_path / "srv" / "data"
    for folder in (".easel", ".trash", "extensions/one", "models/.trash", "certs", "outputs"):
        (data / folder).mkdir(parents=True)
    for file in (".easel/token", "config.json", "certs/key.pem", "certs/cert.pem", "a.txt"):
        (data / file).write_text("x")
    return Config(
        data,
        tls_keyfile=data / "certs" / "key.pem",
        browse_roots=(
            ("srv", tmp_path / "srv", True),
            ("models", data / "models", True),
            ("state", data / ".easel", True),
            ("code", data / "extensions" / "one", True),
            ("ro", data / "outputs", False),
        ),
    )


@pytest.mark.parametrize(
    "path",
    [
        *(".easel", ".easel/token", "config.json", "CONFIG.JSON", "config.json.broken"),
        *("certs/key.pem", ".trash/x", "models/.trash/x", "models/.uploads", "auth.json"),
    ],
)
def test_secrets_are_nowhere(config: Config, path: str) -> None:
    roots = roots_of(config)
    for way in (f"data/{path}", f"srv/data/{path}"):
        with pytest.raises(NotHere):
            parse_path(way, roots)


def test_what_lies_beside_secrets_is_there(config: Config) -> None:
    for path in ("data/certs/cert.pem", "srv/data/a.txt", "models", "ro"):
        os.close(open_place(parse_path(path, roots_of(config))))


def test_a_tree_in_something_hidden_is_empty(config: Config) -> None:
    with pytest.raises(NotHere):
        parse_path("state/token", roots_of(config))


@pytest.mark.parametrize("path", ["data/extensions/x", "srv/data/extensions/one/x", "code/x"])
def test_code_is_sealed_by_every_way(config: Config, path: str) -> None:
    with (
        pytest.raises(NotAllowed),
        open_parent(parse_path(path, roots_of(config))),
    ):
        pass


@pytest.mark.parametrize("path", ["srv/data", "data/models", "data/certs", "data", "ro/x"])
def test_what_holds_secrets_stays_where_it_is(config: Config, path: str) -> None:
    assert not parse_path(path, roots_of(config)).writable


def test_new_things_may_lie_beside_secrets(config: Config) -> None:
    for path in ("srv/data/new", "data/certs/new.pem", "data/models/x", "models/x", "srv/y"):
        assert parse_path(path, roots_of(config)).writable


def test_links_to_trees_hide_the_same(config: Config, tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to(tmp_path / "srv")
    linked = Config(config.data_dir, browse_roots=(("way", tmp_path / "way", True),))
    with pytest.raises(NotHere):
        parse_path("way/data/.easel/token", roots_of(linked))


def test_state_that_lies_elsewhere_is_hidden_there(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".easel").symlink_to(tmp_path / "state")
    config = Config(tmp_path / "data", browse_roots=(("all", tmp_path, True),))
    with pytest.raises(NotHere):
        parse_path("all/state/token", roots_of(config))


def test_what_the_system_forbids_is_403(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that is mounted read-only, or in a folder of another user's."""

    def forbidden(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("filebrowser.operations.copy_tree.os.mkdir", forbidden)
    made = house.client().post("/api/files/folder", json={"path": "/data/new"})
    assert made.status_code == 403
    assert "data/new" in made.get_json()["detail"]
