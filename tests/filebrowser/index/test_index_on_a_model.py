"""After any changes, told in any way, the index is the one that a first look makes."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from filebrowser.access.gate import Place, Root
from filebrowser.index.file_index import FileIndex
from tests.filebrowser.conftest import OWN_NAMES
from tests.filebrowser.index.conftest import read_lines
from tests.filebrowser.index.index_trees import (
    known_to,
    orphans_in,
    visible_names,
    write_picture,
)
from tests.wait import TIMEOUT

NAMES = st.sampled_from(
    (
        *("a.png", "b.png", "猫 a2.png", "notes.txt", "sub", "sub/a.png", "sub/sub", "a:b.png"),
        *("sub/sub/c.txt", "sub.d/x.png", ".dotted/y.png", ".z.png", "sub/.w.png", ".trash/t.png"),
    )
)


class IndexMachine(RuleBasedStateMachine):
    """A tree that changes, and an index that hears of each change in one of its ways."""

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp())
        self.root = Root("data", self.base / "data", hidden=OWN_NAMES)
        self.root.path.mkdir()
        self.count = 0
        self.missed = False
        self.index = self.open("index.db")

    def open(self, name: str) -> FileIndex:
        index = FileIndex(self.base / name, [self.root], read_lines, without_pauses=True)
        index.start()
        assert index.wait_until_idle(TIMEOUT)
        return index

    def teardown(self) -> None:
        self.compare()
        self.index.stop()
        shutil.rmtree(self.base)

    def tell(self, way: str, paths: list[Path], files: Iterable[Path] = ()) -> None:
        """As a verb tells it, by what it did; as the watcher does, by files; or nobody does."""
        if way == "watcher":
            self.index.schedule_paths(files or paths)
        elif way == "verb":
            names = [path.relative_to(self.root.path).parts for path in paths]
            self.index.schedule([Place(self.root, each) for each in names])
        else:
            self.missed = True

    def is_hidden(self, path: Path) -> bool:
        return any(name[0] == "." for name in path.relative_to(self.root.path).parts)

    def files_below(self, path: Path) -> list[Path]:
        """What a watcher tells of when ``path`` comes or goes."""
        files = path.rglob("*") if path.is_dir() else [path]
        return [each for each in files if each.is_file() and not self.is_hidden(each)]

    WAYS = st.sampled_from(("watcher", "verb", "watcher", "verb", "nobody"))

    @initialize(names=st.lists(NAMES, unique=True, max_size=8))
    def begin_with_some(self, names: list[str]) -> None:
        for seed, name in enumerate(names):
            self.write(name, "watcher", seed, "x")
        assert self.index.wait_until_idle(TIMEOUT)

    @rule(name=NAMES, way=WAYS, seed=st.integers(-1, 3), prompt=st.sampled_from("xy"))
    def write(self, name: str, way: str, seed: int, prompt: str) -> None:
        path = self.root.path / name
        if path.is_dir() or not all(p.is_dir() or not p.exists() for p in path.parents):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self.count += 1
        if name.endswith(".png") and seed >= 0:
            facts = {"prompt": f"{prompt} {self.count}", "negative": prompt, "loras": f"l{seed},x"}
            write_picture(path, (4, 4 + seed), model=f"m{seed}", seed=seed, **facts)
        else:
            path.write_bytes(b"%d" % self.count)
        os.utime(path, ns=(self.count, self.count))
        self.tell("nobody" if self.is_hidden(path) else way, [path])

    def existing(self) -> list[Path]:
        return sorted(self.root.path.rglob("*"))

    @precondition(lambda self: self.existing())
    @rule(data=st.data(), way=WAYS)
    def remove(self, data: st.DataObject, way: str) -> None:
        path = data.draw(st.sampled_from(self.existing()))
        files = self.files_below(path)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        # A folder that holds nothing tells the watcher's listeners nothing.
        self.tell(way if files else "verb", [path], files)

    @precondition(lambda self: self.existing())
    @rule(data=st.data(), new=NAMES, way=WAYS)
    def rename(self, data: st.DataObject, new: str, way: str) -> None:
        source, target = data.draw(st.sampled_from(self.existing())), self.root.path / new
        if target.exists() or not target.parent.is_dir() or target.is_relative_to(source):
            return
        files = self.files_below(source)
        source.rename(target)
        files += self.files_below(target)
        below = (target, *target.rglob("*"))
        empty = any(each.is_dir() and not self.files_below(each) for each in below)
        self.tell("verb" if empty else way, [source, target], files)

    @rule(name=NAMES)
    def make_folder(self, name: str) -> None:
        path = self.root.path / name
        if path.parent.is_dir() and not path.exists():
            path.mkdir()
            self.tell("verb", [path])

    @rule()
    def restart(self) -> None:
        self.index.stop()
        self.index = self.open("index.db")
        self.missed = False

    def compare(self) -> None:
        """The rows are those of an index that begins now; nothing is left of what went."""
        if self.missed:
            self.restart()
        assert self.index.wait_until_idle(TIMEOUT)
        fresh = self.base / "fresh.db"
        self.open("fresh.db").stop()
        known = known_to(self.base / "index.db")
        assert known == known_to(fresh)
        assert orphans_in(self.base / "index.db") == 0
        names = {f"{row[0]}/{row[1]}".lstrip("/") for row in known}
        assert names == {each for each in visible_names(self.root) if ":" not in each}
        for path in self.base.glob("fresh.db*"):
            path.unlink()


@pytest.mark.usefixtures("no_waiting_for_the_disk")
class TestIndexOnAModel(IndexMachine.TestCase):
    settings = settings(max_examples=12, stateful_step_count=10)
