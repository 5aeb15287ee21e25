"""Reading and saving small text files with optimistic locking by etag.

A save names the state of the file that it was made from. The new text trades places with the file
in one step; what comes out of it is looked at, and traded back if it is another state.
"""

import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass

from filebrowser.atomic_file import sync_names
from filebrowser.copying import FILE_MODE
from filebrowser.errors import Changed, NotAFile, NotText, Taken, TooMuch
from filebrowser.gate import Place, open_place, parent_of
from filebrowser.happenings import Happening, What
from filebrowser.moving import work_folder
from filebrowser.renames import exchange, rename_new
from filebrowser.serving import etag_of

LARGEST = 2 * 1024 * 1024  # bytes of a text that is edited
Spot = tuple[int, str]
"""An open folder and a name in it."""

_CONTROLS = frozenset(range(32)) - {9, 10, 12, 13}


@dataclass(frozen=True, slots=True)
class Text:
    """A text and the state of its file."""

    text: str
    etag: str


def read(place: Place) -> Text:
    """The text at ``place``. Raises :class:`NotText`, :class:`TooMuch` and the gate's errors."""
    with os.fdopen(open_place(place), "rb") as file:
        facts = os.fstat(file.fileno())
        if stat.S_ISDIR(facts.st_mode):
            raise NotText(f"/{place.text} is a folder.")
        if facts.st_size > LARGEST:
            raise TooMuch(f"/{place.text} has {facts.st_size} bytes; at most {LARGEST} are edited.")
        content = file.read(LARGEST + 1)
    return Text(decoded(content, place), etag_of(facts))


def decoded(content: bytes, place: Place) -> str:
    """Bytes as text. Raises :class:`NotText` for what is none, :class:`TooMuch` for too many."""
    if len(content) > LARGEST:
        raise TooMuch(f"/{place.text} would have more than {LARGEST} bytes.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise NotText(f"/{place.text} holds no text in UTF-8.") from None
    if not _CONTROLS.isdisjoint(content):
        raise NotText(f"/{place.text} holds bytes that no text has.")
    return text


def save(place: Place, text: str, etag: str | None, tell: Callable[[Happening], None]) -> str:
    """Put ``text`` at ``place``; the new state's etag.

    ``etag`` is the state that was edited: :class:`Changed` is raised where the file is in another
    one by now, or gone. None makes a new file: :class:`Taken` is raised where one is there.
    """
    content = text.encode("utf-8", "surrogatepass")
    decoded(content, place)
    folder = Place(place.root, place.names[:-1])
    with (
        parent_of(place) as (holder, name),
        work_folder(folder, holder, secrets.token_hex(8)) as room,
    ):
        draft = Place(room.root, (*room.names, "text"))
        new = _write(draft, content)
        with parent_of(draft) as (desk, written):
            if etag is None:
                _name_new((desk, written), (holder, name), place)
            else:
                _trade((desk, written), (holder, name), etag, place)
        sync_names(holder)
    tell(Happening(What.CREATED if etag is None else What.CHANGED, place))
    return new


def _write(draft: Place, content: bytes) -> str:
    with os.fdopen(open_place(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as f:
        f.write(content)
        f.flush()
        os.fsync(f.fileno())
        return etag_of(os.fstat(f.fileno()))


def _name_new(draft: Spot, target: Spot, place: Place) -> None:
    try:
        rename_new(*draft, *target)
    except FileExistsError:
        raise Taken(f"/{place.text} is there already; read it first.") from None


def _trade(draft: Spot, target: Spot, etag: str, place: Place) -> None:
    _check(*target, etag, place)
    try:
        exchange(*draft, *target)
    except FileNotFoundError:
        raise Changed(f"/{place.text} is gone.") from None
    except OSError:  # a file system that cannot trade: the check before has to do
        os.rename(draft[1], target[1], src_dir_fd=draft[0], dst_dir_fd=target[0])
        return
    try:
        _check(*draft, etag, place)
    except Changed:
        exchange(*draft, *target)
        raise


def _check(holder: int, name: str, etag: str, place: Place) -> None:
    try:
        facts = os.stat(name, dir_fd=holder, follow_symlinks=False)
    except FileNotFoundError:
        raise Changed(f"/{place.text} is gone.") from None
    if not stat.S_ISREG(facts.st_mode):
        raise NotAFile(f"/{place.text} is no ordinary file.")
    if etag_of(facts) != etag:
        raise Changed(f"/{place.text} changed since it was opened; read it again.")
