"""Any order of requests: each answer, and the tree afterwards, are those of RFC 4918."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.conftest import memory_disk
from tests.filebrowser.dav.conftest import Drive

FOLDER = None  # what the model holds for a folder; bytes for a file
NAMES = ("a", "b", "a/x", "a/y", "b/x", "a/x/deep", "none/x")
OVERWRITE = st.sampled_from("TTF")
PATHS = st.sampled_from(NAMES)


def above(path: str) -> str:
    return path.rpartition("/")[0]


class DavMachine(RuleBasedStateMachine):
    """A drive beside a dictionary of its paths."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp(dir=memory_disk()))
        self.drive = Drive(self.top)
        self.tree: dict[str, bytes | None] = {}
        self.count = 0

    def teardown(self) -> None:
        shutil.rmtree(self.top)

    def holds(self, path: str) -> bool:
        """Whether something may lie at a path: its folder is there."""
        return not above(path) or self.tree.get(above(path), b"") is FOLDER

    def below(self, path: str) -> dict[str, bytes | None]:
        return {
            name: content
            for name, content in self.tree.items()
            if name == path or name.startswith(f"{path}/")
        }

    def drop(self, path: str) -> None:
        for name in self.below(path):
            del self.tree[name]

    @initialize()
    def begin(self) -> None:
        for path in ("a", "b", "a/x", "b/x"):
            self.make_folder(path)
        for path in ("a/y", "a/x/deep", "b/x/deep"):
            self.put(path)

    @rule(path=PATHS)
    def put(self, path: str) -> None:
        self.count += 1
        content = str(self.count).encode()
        if path in self.tree and self.tree[path] is FOLDER:
            expected = 405
        elif not self.holds(path):
            expected = 409
        else:
            expected = 204 if path in self.tree else 201
            self.tree[path] = content
        assert self.drive.ask("PUT", path, content).status_code == expected

    @rule(path=PATHS)
    def make_folder(self, path: str) -> None:
        if path in self.tree:
            expected = 405
        elif not self.holds(path):
            expected = 409
        else:
            expected, self.tree[path] = 201, FOLDER
        assert self.drive.ask("MKCOL", path).status_code == expected

    @rule(path=PATHS)
    def delete(self, path: str) -> None:
        expected = 204 if path in self.tree else 404
        assert self.drive.ask("DELETE", path).status_code == expected
        self.drop(path)

    @rule(source=PATHS, goal=PATHS, overwrite=OVERWRITE, depth=st.sampled_from(["infinity", "0"]))
    def copy(self, source: str, goal: str, overwrite: str, depth: str) -> None:
        copied = self.below(source)
        if depth == "0" and self.tree.get(source, b"") is FOLDER:
            copied = {source: FOLDER}
        if self.transfer("COPY", source, goal, overwrite, depth):
            self.drop(goal)
            self.tree |= {goal + name.removeprefix(source): copied[name] for name in copied}

    @rule(source=PATHS, goal=PATHS, overwrite=OVERWRITE)
    def move(self, source: str, goal: str, overwrite: str) -> None:
        moved = self.below(source)
        if self.transfer("MOVE", source, goal, overwrite, "infinity"):
            self.drop(goal)
            self.drop(source)
            self.tree |= {goal + name.removeprefix(source): moved[name] for name in moved}

    def transfer(self, method: str, source: str, goal: str, overwrite: str, depth: str) -> bool:
        """Whether it was done, as it should have been."""
        expected = self.status_of_transfer(source, goal, overwrite)
        answer = self.drive.move(source, goal, method, Overwrite=overwrite, Depth=depth)
        assert answer.status_code == expected
        return expected in (201, 204)

    def status_of_transfer(self, source: str, goal: str, overwrite: str) -> int:
        if source not in self.tree:
            return 404
        if not self.holds(goal):
            return 409
        if source == goal or goal.startswith(f"{source}/"):
            return 403
        if goal in self.tree and overwrite == "F":
            return 412
        if source.startswith(f"{goal}/"):
            return 403
        return 204 if goal in self.tree else 201

    @invariant()
    def the_disk_is_the_model(self) -> None:
        folder = self.drive.folder
        assert {
            str(path.relative_to(folder)): FOLDER if path.is_dir() else path.read_bytes()
            for path in folder.rglob("*")
        } == self.tree
        assert not list(self.top.glob(".uploads/*/data"))

    @invariant()
    def a_listing_tells_what_is_there(self) -> None:
        expected = [f"{path}{'/' * (self.tree[path] is FOLDER)}" for path in self.tree]
        assert self.drive.listed() == sorted(name for name in expected if "/" not in name[:-1])


TestDavMachine = DavMachine.TestCase
TestDavMachine.settings = settings(
    max_examples=20,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
