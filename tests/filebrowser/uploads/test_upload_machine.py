"""Any order of pieces, broken lines, crashes and power cuts: no byte is lost or invented."""

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from filebrowser.errors import NotHere
from filebrowser.uploads import publish, staging_area
from filebrowser.uploads.errors import WrongChecksum, WrongOffset
from filebrowser.uploads.records import Conflict, UploadState
from filebrowser.uploads.upload_session import UploadChunk
from tests.conftest import memory_disk
from tests.filebrowser.uploads.conftest import Died, Disk, checksum_of, dying

STEPS: tuple[tuple[Any, str], ...] = (
    (os, "pwrite"),
    (os, "ftruncate"),
    (staging_area, "save_record"),
    *((publish, name) for name in ("rename_noreplace", "sync_folder", "_end_done")),
)
"""Where a process dies; :mod:`test_upload_store` lets it die at all others while it publishes."""


@dataclass(eq=False)
class Sent:
    """One upload as its client knows it: ``safe`` bytes were told to be on the disk."""

    name: str
    path: str
    content: bytes
    safe: int = 0
    came: int = 0


def damage(piece: bytes) -> bytes:
    """The same length, other bytes."""
    return bytes([piece[0] ^ 1]) + piece[1:]


CONTENTS = st.binary(min_size=8, max_size=30)
POLICIES = st.sampled_from([Conflict.RENAME, Conflict.OVERWRITE])
WHICH = st.integers(0, 5)
COUNTS = st.sampled_from([1, 5, 100])
some_unfinished = precondition(lambda machine: machine.unfinished)


class UploadMachine(RuleBasedStateMachine):
    """A client that resumes, beside the disk."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=memory_disk())
        self.disk = Disk(Path(self.folder.name))
        self.patched = pytest.MonkeyPatch()
        self.files: dict[str, bytes] = {}
        self.unfinished: list[Sent] = []
        self.begun = self.boots = 0

    def teardown(self) -> None:
        self.patched.undo()
        self.folder.cleanup()

    @initialize(content=CONTENTS, policy=POLICIES)
    def begin_one(self, content: bytes, policy: Conflict) -> None:
        self.begin("/data/a.txt", content, policy)

    @rule(
        path=st.sampled_from(["/data/a.txt", "/data/b/c.txt"]),
        content=CONTENTS,
        policy=POLICIES,
    )
    def begin(self, path: str, content: bytes, policy: Conflict) -> None:
        self.begun += 1
        content += str(self.begun).encode()  # no two are alike
        sent = Sent(self.disk.begin(path, len(content), conflict=policy), path, content)
        self.unfinished.append(sent)

    def pick(self, which: int) -> Sent:
        return self.unfinished[which % len(self.unfinished)]

    @some_unfinished
    @rule(which=WHICH, count=COUNTS, checked=st.booleans())
    def send(self, which: int, count: int, checked: bool) -> None:
        sent = self.pick(which)
        piece = sent.content[sent.came : sent.came + count]
        more = {"checksum": checksum_of(piece)} if checked else {}
        offset = self.disk.append(sent.name, sent.came, piece, **more)
        assert offset == sent.came + len(piece)
        self.note(sent, offset)

    @some_unfinished
    @rule(which=WHICH, count=COUNTS, checked=st.booleans())
    def break_off(self, which: int, count: int, checked: bool) -> None:
        """The line is cut one byte before the end of what was announced."""
        sent = self.pick(which)
        piece = sent.content[sent.came : sent.came + count]
        checksum = checksum_of(piece) if checked else None
        chunk = UploadChunk(sent.came, len(piece), checksum=checksum)
        status = self.disk.send(sent.name, chunk, piece[:-1])
        assert status.offset == sent.came + (0 if checked else len(piece) - 1)
        self.note(sent, status.offset)

    @some_unfinished
    @rule(which=WHICH, count=COUNTS, offset=st.integers(0, 40))
    def send_wrong(self, which: int, count: int, offset: int) -> None:
        sent = self.pick(which)
        piece = sent.content[sent.came : sent.came + count]
        with pytest.raises(WrongChecksum):
            self.disk.append(sent.name, sent.came, damage(piece), checksum=checksum_of(piece))
        if offset != sent.came:
            with pytest.raises(WrongOffset):
                self.disk.append(sent.name, offset, b"?")

    @some_unfinished
    @rule(which=WHICH)
    def ask(self, which: int) -> None:
        sent = self.pick(which)
        assert self.disk.offset(sent.name) == sent.came
        sent.safe = sent.came

    @some_unfinished
    @rule(
        which=WHICH,
        count=COUNTS,
        step=st.sampled_from(STEPS),
        call=st.sampled_from([1, 1, 2]),
        damaged=st.booleans(),
    )
    def crash(
        self, which: int, count: int, step: tuple[Any, str], call: int, damaged: bool
    ) -> None:
        """The process dies while a piece comes; the next one sweeps at its start."""
        sent = self.pick(which)
        piece = sent.content[sent.came : sent.came + count]
        more = {"checksum": checksum_of(piece)} if damaged else {}
        with self.patched.context() as patched, suppress(Died, WrongChecksum):
            dying(patched, *step, call)
            self.disk.append(sent.name, sent.came, damage(piece) if damaged else piece, **more)
        sent.came += 0 if damaged else len(piece)
        self.restart()

    @rule()
    def restart(self) -> None:
        self.disk.reopen().uploads.sweep((self.disk.root,))
        for sent in [*self.unfinished]:
            offset = self.disk.offset(sent.name)
            assert sent.safe <= offset <= sent.came
            sent.safe = offset
            self.note(sent, offset)

    @rule()
    def power_cut(self) -> None:
        """What nobody waited for is garbage on the disk."""
        for sent in self.unfinished:
            durable = self.disk.record(sent.name).durable
            with (self.disk.path / ".uploads" / sent.name / "data").open("r+b") as data:
                size = data.seek(0, os.SEEK_END)
                data.seek(durable)
                data.write(b"?" * (size - durable))
        self.boots += 1
        boot = str(self.boots)
        self.patched.setattr(staging_area, "boot_id", lambda: boot)
        self.restart()

    @some_unfinished
    @rule(which=WHICH)
    def delete(self, which: int) -> None:
        sent = self.pick(which)
        self.unfinished.remove(sent)
        self.disk.uploads.delete(self.disk.visit, sent.name)
        with pytest.raises(NotHere):
            self.disk.offset(sent.name)

    def note(self, sent: Sent, offset: int) -> None:
        """Take down how far an upload is, and the file that it became."""
        sent.came = offset
        record = self.disk.record(sent.name)
        assert (record.state is UploadState.DONE) == (offset == len(sent.content))
        if record.state is UploadState.DONE:
            self.unfinished.remove(sent)
            if record.order.conflict is Conflict.RENAME:
                assert record.path not in self.files
            else:
                assert record.path == sent.path
            self.files[record.path] = sent.content

    @invariant()
    def the_tree_holds_whole_files_alone(self) -> None:
        top = self.disk.path
        found = {
            f"/data/{path.relative_to(top)}": path.read_bytes()
            for path in top.rglob("*")
            if path.is_file() and ".uploads" not in path.parts
        }
        assert found == self.files

    @invariant()
    def what_waits_is_what_was_sent(self) -> None:
        for sent in self.unfinished:
            data = (self.disk.path / ".uploads" / sent.name / "data").read_bytes()
            assert data == sent.content[: sent.came]


TestUploadMachine = UploadMachine.TestCase
TestUploadMachine.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
