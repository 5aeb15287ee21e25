"""Reading and saving small text files with optimistic locking by etag.

A save names the state of the file that it was made from. The new text trades places with the file
in one step; what comes out of it is looked at, and traded back if it is another state.
"""

import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass

from filebrowser.access.gate import Place, open_file, open_parent, open_place
from filebrowser.atomic_file import sync_folder
from filebrowser.errors import Changed, NotAFile, NotText, Taken, TooMuch
from filebrowser.file_response import etag_of
from filebrowser.operations.copy_tree import FILE_MODE
from filebrowser.operations.move import work_folder
from filebrowser.operations.renames import exchange_names, rename_noreplace
from filebrowser.watch.file_events import FileEvent, FileEventKind

MAX_TEXT_BYTES = 2 * 1024 * 1024  # bytes of a text that is edited
NameInFolder = tuple[int, str]
"""An open folder and a name in it."""

_CONTROLS = frozenset(range(32)) - {9, 10, 12, 13}


@dataclass(frozen=True, slots=True)
class EditableText:
    """A text and the state of its file."""

    text: str
    etag: str


def read_text(place: Place) -> EditableText:
    """The text at ``place``. Raises :class:`NotText`, :class:`TooMuch` and the gate's
    errors.
    """
    with open_file(place) as file:
        facts = os.fstat(file.fileno())
        if facts.st_size > MAX_TEXT_BYTES:
            raise TooMuch(
                f"/{place.text} has {facts.st_size} bytes; at most {MAX_TEXT_BYTES} are edited."
            )
        content = file.read(MAX_TEXT_BYTES + 1)
    return EditableText(decode_text(content, place), etag_of(facts))


def decode_text(content: bytes, place: Place) -> str:
    """Bytes as text. Raises :class:`NotText` for what is none, :class:`TooMuch` for too
    many.
    """
    if len(content) > MAX_TEXT_BYTES:
        raise TooMuch(f"/{place.text} would have more than {MAX_TEXT_BYTES} bytes.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise NotText(f"/{place.text} holds no text in UTF-8.") from None
    if not _CONTROLS.isdisjoint(content):
        raise NotText(f"/{place.text} holds bytes that no text has.")
    return text


def save_text(place: Place, text: str, etag: str | None, tell: Callable[[FileEvent], None]) -> str:
    """Put ``text`` at ``place``; the new state's etag.

    ``etag`` is the state that was edited: :class:`Changed` is raised where the file is in another
    one by now, or gone. None makes a new file: :class:`Taken` is raised where one is there.
    """
    content = text.encode("utf-8", "surrogatepass")
    decode_text(content, place)
    folder = Place(place.root, place.names[:-1])
    with (
        open_parent(place) as (holder, name),
        work_folder(folder, holder, secrets.token_hex(8)) as work,
    ):
        draft = Place(work.root, (*work.names, "text"))
        new_etag = _write_draft(draft, content)
        with open_parent(draft) as (draft_folder, draft_name):
            if etag is None:
                _rename_draft((draft_folder, draft_name), (holder, name), place)
            else:
                _exchange_checked((draft_folder, draft_name), (holder, name), etag, place)
        sync_folder(holder)
    tell(FileEvent(FileEventKind.CREATED if etag is None else FileEventKind.CHANGED, place))
    return new_etag


def _write_draft(draft: Place, content: bytes) -> str:
    with os.fdopen(open_place(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as f:
        f.write(content)
        f.flush()
        os.fsync(f.fileno())
        return etag_of(os.fstat(f.fileno()))


def _rename_draft(draft: NameInFolder, target: NameInFolder, place: Place) -> None:
    try:
        rename_noreplace(*draft, *target)
    except FileExistsError:
        raise Taken(f"/{place.text} is there already; read it first.") from None


def _exchange_checked(draft: NameInFolder, target: NameInFolder, etag: str, place: Place) -> None:
    _check_etag(*target, etag, place)
    try:
        exchange_names(*draft, *target)
    except FileNotFoundError:
        raise Changed(f"/{place.text} is gone.") from None
    except OSError:  # a file system that cannot trade: the check before has to do
        os.rename(draft[1], target[1], src_dir_fd=draft[0], dst_dir_fd=target[0])
        return
    try:
        _check_etag(*draft, etag, place)
    except Changed:
        exchange_names(*draft, *target)
        raise


def _check_etag(holder: int, name: str, etag: str, place: Place) -> None:
    try:
        facts = os.stat(name, dir_fd=holder, follow_symlinks=False)
    except FileNotFoundError:
        raise Changed(f"/{place.text} is gone.") from None
    if not stat.S_ISREG(facts.st_mode):
        raise NotAFile(f"/{place.text} is no ordinary file.")
    if etag_of(facts) != etag:
        raise Changed(f"/{place.text} changed since it was opened; read it again.")
