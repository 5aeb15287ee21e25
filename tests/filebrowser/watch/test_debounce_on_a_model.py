"""Whatever happens, and whichever hints are lost: what is told leads to what is there."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from filebrowser.watch.debounce import QUIET_SECONDS, Debouncer, WriterState
from filebrowser.watch.file_events import FileEventKind

NAMES = st.sampled_from(("a", "b", "sub/a", "sub/c", "sub/deep/d", ".hidden", "sub/.part"))
FOLDERS = st.sampled_from(("sub", "sub/deep", "other"))
STATES = st.sampled_from(list(WriterState))
LONG = max(QUIET_SECONDS.values()) + 0.1


class DebounceMachine(RuleBasedStateMachine):
    """A folder that changes, and a listener that knows only what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.debouncer = Debouncer([self.root])
        self.debouncer.take_snapshot()
        self.now = 0.0
        self.known: dict[Path, tuple[int, bytes]] = {}
        self.count = 0

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    def on_disk(self) -> dict[Path, tuple[int, bytes]]:
        """Inode and content of what is visible."""
        return {
            path: (path.stat().st_ino, path.read_bytes())
            for path in self.root.rglob("*")
            if path.is_file()
            and not any(name[0] == "." for name in path.relative_to(self.root).parts)
        }

    def hint(self, path: Path, state: WriterState | None) -> None:
        if state is not None:  # else the event was lost
            self.debouncer.hint(path, self.now, state)

    @rule(name=NAMES, state=STATES | st.none(), grow=st.booleans())
    def write(self, name: str, state: WriterState | None, grow: bool) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.count += 1
        with path.open("ab" if grow else "wb") as file:
            file.write(b"%d," % self.count)
        os.utime(path, ns=(self.count, self.count))  # the clock of the disk is coarse
        self.hint(path, state)

    @rule(old=NAMES, new=NAMES, state=STATES | st.none())
    def rename(self, old: str, new: str, state: WriterState | None) -> None:
        source, target = self.root / old, self.root / new
        if source.is_file() and target.parent.is_dir():
            source.rename(target)
            self.hint(source, state)
            self.hint(target, state)

    @rule(name=NAMES, state=STATES | st.none())
    def remove(self, name: str, state: WriterState | None) -> None:
        (self.root / name).unlink(missing_ok=True)
        self.hint(self.root / name, state)

    @rule(old=FOLDERS, new=FOLDERS, state=STATES | st.none())
    def rename_folder(self, old: str, new: str, state: WriterState | None) -> None:
        source, target = self.root / old, self.root / new
        if source.is_dir() and not target.exists() and target.parent.is_dir():
            if target.is_relative_to(source):
                return
            source.rename(target)
            self.hint(source, state)
            self.hint(target, state)

    @rule(name=FOLDERS, state=STATES | st.none())
    def remove_folder(self, name: str, state: WriterState | None) -> None:
        if (self.root / name).is_dir():
            shutil.rmtree(self.root / name)
            self.hint(self.root / name, state)

    @rule(seconds=st.sampled_from((0.01, 0.06, 0.6, 1.3)))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds
        self.listen()

    @rule()
    def rescan_until_all_is_told(self) -> None:
        """After a whole look at the disk and a while of silence the listener knows everything."""
        self.debouncer.rescan(self.now)
        for _ in range(3):
            self.listen()
            self.now += LONG
        self.listen()
        assert not self.debouncer.is_busy
        assert self.known == self.on_disk()

    def listen(self) -> None:
        """Believe what is told, and nothing else."""
        disk = self.on_disk()
        told = self.debouncer.pop_settled(self.now)
        assert len({change.path for change in told}) == len(told)
        for change in told:
            if change.kind is FileEventKind.DELETED:
                del self.known[change.path]
                continue
            assert change.path in disk
            if change.kind is FileEventKind.MOVED:
                assert change.previous is not None
                assert self.known.pop(change.previous)[0] == disk[change.path][0]
            assert (change.kind is FileEventKind.CHANGED) == (change.path in self.known)
            self.known[change.path] = disk[change.path]

    @invariant()
    def nothing_hidden_is_told(self) -> None:
        assert not [path for path in self.known if path.name[0] == "."]


class TestDebounceOnAModel(DebounceMachine.TestCase):
    settings = settings(max_examples=60, stateful_step_count=25)


def test_a_share_that_is_away_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors of the disk are raised, so that what was known is not told as deleted."""
    (tmp_path / "a").touch()
    debouncer = Debouncer([tmp_path])
    debouncer.take_snapshot()
    debouncer.hint(tmp_path / "a", 0.0, WriterState.DONE)

    def silent(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "stat", silent)
    with pytest.raises(OSError, match="Input/output"):
        debouncer.pop_settled(9.0)
    monkeypatch.undo()
    (tmp_path / "a").write_bytes(b"changed")
    assert [change.kind for change in debouncer.pop_settled(10.0)] == [FileEventKind.CHANGED]


def test_links_are_files_only_where_they_are_followed(tmp_path: Path) -> None:
    (tmp_path / "far").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "far")
    told = {}
    for follow in (True, False):
        debouncer = Debouncer([root], follow)
        debouncer.rescan(0.0)
        debouncer.pop_settled(0.0)
        told[follow] = [change.path for change in debouncer.pop_settled(LONG)]
    assert told == {True: [root / "link"], False: []}
