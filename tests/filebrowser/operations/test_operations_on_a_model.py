"""Move, copy, delete, restore and purge in any order, beside dictionaries that do the same."""

import copy
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Union

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Place, Root
from filebrowser.errors import BadPath, NotAFile, NotHere, Taken
from filebrowser.operations import trash
from filebrowser.operations.conflicts import Conflict
from filebrowser.operations.move import (
    StepContext,
    StepResult,
    StepStatus,
    check_targets_free,
    plan_steps,
    run_step,
)
from filebrowser.operations.renames import numbered_name
from filebrowser.watch.file_events import FileEvent, FileEventKind
from tests.filebrowser.conftest import OWN_NAMES
from tests.filebrowser.file_trees import FileTree, read_tree

Folder = dict[str, Union[bytes, "Folder"]]
NAMES = st.sampled_from(("a", "b", "c.txt"))
TREES = st.dictionaries(
    st.builds(
        lambda root, names: "/".join((root, *names)),
        st.sampled_from(("data", "more")),
        st.lists(NAMES, min_size=1, max_size=3),
    ),
    st.booleans(),
    max_size=12,
)
CONFLICTS = st.sampled_from((None, *Conflict))


class Clash(Exception):
    """A file and a folder would have to take each other's place, or a folder cannot go."""


def flatten(folder: Folder, prefix: str = "") -> FileTree:
    tree: FileTree = {}
    for name, inner in folder.items():
        tree[prefix + name] = None if isinstance(inner, dict) else inner
        if isinstance(inner, dict):
            tree |= flatten(inner, f"{prefix}{name}/")
    return tree


def overwrite(ours: Folder, name: str, theirs: Folder, new: str) -> None:
    """Files take files' places, folders join folders, by name, until two do not fit."""
    moving, there = ours[name], theirs.get(new)
    if there is None:
        theirs[new] = ours.pop(name)
    elif isinstance(moving, dict) and isinstance(there, dict):
        for each in sorted(moving):
            overwrite(moving, each, there, each)
        if moving:  # what came into it meanwhile, as it lies in the folder that it joined
            raise Clash
        del ours[name]
    elif isinstance(moving, dict) or isinstance(there, dict):
        raise Clash
    else:
        theirs[new] = ours.pop(name)


def put(ours: Folder, name: str, theirs: Folder, new: str, conflict: Conflict | None) -> str | None:
    """Bring ``name`` to ``new``: the name that it got, None where it was skipped."""
    if conflict is Conflict.OVERWRITE:
        overwrite(ours, name, theirs, new)
        return new
    if new in theirs:
        if conflict is Conflict.SKIP:
            return None
        if conflict is None:
            raise Clash
        folder = isinstance(ours[name], dict)
        free = (numbered_name(new, number, folder) for number in range(1, 100))
        new = next(each for each in free if each not in theirs)
    theirs[new] = ours.pop(name)
    return new


class TreeMachine(RuleBasedStateMachine):
    """Two trees on the disk, and the dictionaries that they must be equal to."""

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp())
        for name in ("data", "more"):
            (self.base / name).mkdir()
        roots = tuple(Root(n, self.base / n, hidden=OWN_NAMES) for n in ("data", "more"))
        self.access = FileAccess("ann", roots)
        self.model: Folder = {"data": {}, "more": {}}
        self.trash: dict[str, dict[str, bytes | Folder]] = {}
        self.events: list[FileEvent] = []
        self.count = 0

    def teardown(self) -> None:
        shutil.rmtree(self.base)

    def paths(self, folders: bool = False) -> list[str]:
        """What lies in the model, by paths; ``folders``: only they, the trees themselves too."""
        tree = flatten(self.model)
        return [p for p, c in tree.items() if (c is None if folders else "/" in p)]

    def folder(self, path: str) -> Folder:
        here = self.model
        for name in filter(None, path.split("/")):
            inner = here[name]
            assert isinstance(inner, dict)
            here = inner
        return here

    def context(self, conflict: Conflict | None) -> StepContext:
        return StepContext("key", conflict, lambda _: None, self.events.append)

    @initialize(tree=TREES)
    def begin_with_a_tree(self, tree: dict[str, bool]) -> None:
        for path, is_folder in tree.items():
            *above, name = path.split("/")
            if not list(self.blocked(path)):
                self.make_missing("/".join(above))
                (self.base / path).parent.mkdir(parents=True, exist_ok=True)
                self.make_in("/".join(above), name, is_folder)

    @rule(data=st.data(), name=NAMES, folder=st.booleans())
    def make(self, data: st.DataObject, name: str, folder: bool) -> None:
        above = data.draw(st.sampled_from(self.paths(folders=True)))
        if above.count("/") <= 2:
            self.make_in(above, name, folder)

    def make_in(self, above: str, name: str, folder: bool) -> None:
        here, path = self.folder(above), self.base / above / name
        if name in here:
            return
        self.count += 1
        here[name] = {} if folder else b"%d" % self.count
        path.mkdir() if folder else path.write_bytes(b"%d" % self.count)

    @precondition(lambda self: self.paths())
    @rule(data=st.data(), moves=st.booleans(), conflict=CONFLICTS, new=st.none() | NAMES)
    def bring(
        self, data: st.DataObject, moves: bool, conflict: Conflict | None, new: str | None
    ) -> None:
        """Move or copy something into a folder, under its own name or a new one."""
        source = data.draw(st.sampled_from(self.paths()))
        to = data.draw(st.sampled_from(self.paths(folders=True)))
        if new is not None and isinstance(self.folder(to).get(new), dict):
            new = None  # the name of a folder means into it
        above, _, name = source.rpartition("/")
        target = f"{to}/{new or name}"
        try:
            steps = plan_steps(
                self.access, [f"/{source}"], f"/{to}/{new}" if new else f"/{to}", moves
            )
            check_targets_free(self.access, steps, moves, conflict)
        except BadPath:
            assert f"{target}/".startswith(f"{source}/")
            assert target != source
            return
        except Taken:
            assert conflict is None
            assert (new or name) in self.folder(to)
            return
        assert not target.startswith(f"{source}/")
        (result,) = (run_step(step, moves, self.context(conflict)) for step in steps)
        if moves and source == target:
            assert (result.status, result.to) == (StepStatus.DONE, f"/{source}")
            return
        ours = self.folder(above) if moves else {name: copy.deepcopy(self.folder(above)[name])}
        self.expect(result, ours, name, to, new or name, conflict)

    def expect(
        self,
        result: StepResult,
        ours: Folder,
        name: str,
        to: str,
        new: str,
        conflict: Conflict | None,
    ) -> None:
        """Do in the model what was done on the disk, and compare the outcomes."""
        try:
            final = put(ours, name, self.folder(to), new, conflict)
        except Clash:
            assert result.status is StepStatus.FAILED
            assert result.error
        else:
            status = StepStatus.DONE if final else StepStatus.SKIPPED
            assert (result.status, result.to) == (status, f"/{to}/{final}" if final else None)

    @precondition(lambda self: self.paths())
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        some = data.draw(st.lists(st.sampled_from(self.paths()), min_size=1, max_size=3))
        trash_id, results = trash.delete(
            self.access, [f"/{path}" for path in some], self.context(None)
        )
        gone = [p for p in dict.fromkeys(some) if not any(p.startswith(f"{o}/") for o in some)]
        assert [each.path for each in results] == [
            f"/{path}" for path in sorted(gone, key=lambda p: p.startswith(self.later_root(gone)))
        ]
        for path in gone:
            above, _, name = path.rpartition("/")
            self.trash.setdefault(trash_id, {})[path] = self.folder(above).pop(name)
        assert all(event.kind is FileEventKind.DELETED for event in self.events[-len(gone) :])

    def later_root(self, paths: Sequence[str]) -> str:
        """The tree that comes second: results come tree by tree."""
        return "more/" if paths[0].startswith("data/") else "data/"

    @precondition(lambda self: self.trash)
    @rule(data=st.data(), conflict=CONFLICTS)
    def restore(self, data: st.DataObject, conflict: Conflict | None) -> None:
        trash_id = data.draw(st.sampled_from(list(self.trash)))
        items = self.trash[trash_id]
        taken = {path for path in items if path in flatten(self.model)}
        try:
            steps = trash.plan_restore(self.access, trash_id, conflict)
        except Taken:
            assert conflict is None
            assert taken
            return
        except NotAFile:
            assert any(list(self.blocked(path)) for path in items)
            self.adopt_folders()
            return
        assert conflict is not None or not taken
        for step in steps:
            result = run_step(step, True, self.context(conflict))
            path = step.target.text
            above, _, name = path.rpartition("/")
            self.make_missing(above)
            bin_ = {name: items[path]}
            self.expect(result, bin_, name, above, name, conflict)
            items |= {path: bin_[name]} if name in bin_ else {}
            if name not in bin_:
                del items[path]
            trash.remove_if_empty(Place(step.source.root, step.source.names[:2]))
        if not items:
            del self.trash[trash_id]

    def blocked(self, path: str) -> Iterator[str]:
        """What is a file on the way to ``path``."""
        tree = flatten(self.model)
        names = path.split("/")
        above = ("/".join(names[:depth]) for depth in range(1, len(names)))
        return (each for each in above if tree.get(each) is not None)

    def make_missing(self, path: str) -> None:
        here = self.model
        for name in path.split("/"):
            inner = here.setdefault(name, {})
            assert isinstance(inner, dict)
            here = inner

    def adopt_folders(self) -> None:
        """A restore that was refused may have made folders for what else lay in the trash."""
        before = flatten(self.model)
        for path, content in read_tree(self.base).items():
            if path not in before:
                assert content is None
                self.make_missing(path)

    @precondition(lambda self: self.trash)
    @rule(data=st.data())
    def purge(self, data: st.DataObject) -> None:
        trash_id = data.draw(st.sampled_from(list(self.trash)))
        trash.purge(self.access, trash_id)
        del self.trash[trash_id]
        for act in (trash.purge, lambda who, i: trash.plan_restore(who, i, Conflict.SKIP)):
            try:
                act(self.access, trash_id)
            except NotHere:
                continue
            raise AssertionError("what was purged is still there")

    @invariant()
    def the_disk_is_as_the_model(self) -> None:
        assert read_tree(self.base) == flatten(self.model)

    @invariant()
    def the_trash_lists_what_was_deleted(self) -> None:
        listed: dict[str, set[str]] = {}
        for root, sidecar in trash.list_trash(self.access):
            listed.setdefault(sidecar.id, set()).update(
                f"{root.name}/{item.path}" for item in sidecar.items
            )
        assert listed == {trash_id: set(items) for trash_id, items in self.trash.items()}

    @invariant()
    def no_work_folder_is_left(self) -> None:
        assert list(self.base.glob("*/.trash/.work-*")) == []

    @invariant()
    def every_event_is_of_something_that_happened(self) -> None:
        tree = flatten(self.model)
        for event in self.events:
            deleted = event.kind is FileEventKind.DELETED
            assert deleted == (event.place.text not in tree)
            if event.previous is not None and event.previous.names[0] != ".trash":
                assert event.previous.text not in tree or event.previous == event.place
        self.events.clear()


@pytest.mark.usefixtures("no_waiting_for_the_disk")
class TestOperationsOnAModel(TreeMachine.TestCase):
    settings = settings(max_examples=30, stateful_step_count=20)
