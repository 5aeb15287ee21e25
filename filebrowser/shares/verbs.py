"""Creating, listing, revoking and opening shares; the owner's rights are checked at each use."""

import os
import secrets
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass

from filebrowser.errors import NotAFile, NotAllowed, NotHere
from filebrowser.gate import Place, find_place, open_place
from filebrowser.shares.identity import identity_of
from filebrowser.shares.passwords import Passwords
from filebrowser.shares.store import Share, ShareStore
from filebrowser.visit import Right, Visit, check_rights, reach

NEEDED = (Right.VIEW, Right.DOWNLOAD, Right.SHARE)
"""Whoever lets others view and download must be allowed to do so himself."""

ID_BYTES = 16
MOST_SHARES = 1000  # of one owner

Owner = Callable[[str], Visit | None]
"""The visit that the owner of this name would have now; None when there is no such caller."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to share, with which password and lifetime."""

    path: str
    password: str | None = None
    lasts: float | None = None  # seconds; None: until it is revoked


def share(
    visit: Visit, wish: Wish, store: ShareStore, passwords: Passwords, now: float | None = None
) -> Share:
    """Make a link to the file or folder at ``wish.path`` of this visit.

    Raises :class:`NotAllowed` without the rights that the link would give or with too many links,
    :class:`NotHere` for what does not exist, ``BadPath`` and :class:`NotAFile` as the gate does.
    """
    place = reach(visit, wish.path, *NEEDED)
    if not place.names:
        raise NotAllowed("A whole tree is not shared; choose a folder in it.")
    found = open_place(place)
    try:
        identity, folder = identity_of(found), stat.S_ISDIR(os.fstat(found).st_mode)
    finally:
        os.close(found)
    now = time.time() if now is None else now
    store.sweep(now)
    if len(store.of(visit.who)) >= MOST_SHARES:
        raise NotAllowed(f"{MOST_SHARES} links are there already; revoke some first.")
    made = Share(
        id=secrets.token_urlsafe(ID_BYTES),
        owner=visit.who,
        path=place.text,
        identity=identity,
        folder=folder,
        made=now,
        expires=None if wish.lasts is None else now + wish.lasts,
        password=passwords.hashed(wish.password) if wish.password else None,
    )
    store.add(made)
    return made


def shares_of(visit: Visit, store: ShareStore, now: float | None = None) -> tuple[Share, ...]:
    """The visit's own links that still lead somewhere in time. Raises :class:`NotAllowed`."""
    check_rights(visit, [Right.SHARE])
    store.sweep(time.time() if now is None else now)
    return store.of(visit.who)


def revoke(visit: Visit, name: str, store: ShareStore) -> None:
    """End a link of one's own. Raises :class:`NotHere` for those of others as for unknown ones."""
    check_rights(visit, [Right.SHARE])
    if not store.remove(name, visit.who):
        raise NotHere("There is no such share of yours.")


def standing(name: str, store: ShareStore, now: float | None = None) -> Share:
    """The unexpired share of this id. Raises :class:`NotHere`."""
    share = store.get(name)
    now = time.time() if now is None else now
    if share is None or (share.expires is not None and share.expires <= now):
        raise NotHere("There is no such share.")
    return share


def open_shared(share: Share, inner: str, owner: Owner) -> tuple[Place, int]:
    """The place ``inner`` below what is shared, "" for that itself, and a descriptor of it.

    The owner must still be there, still have the rights and the root, and the path must still
    lead to the very file or folder that was shared. Raises :class:`NotHere` for whatever is not
    so, without a word about where it lies.
    """
    try:
        return _open_shared(share, inner, owner)
    except (NotAllowed, NotAFile, NotHere):
        raise NotHere("There is nothing here.") from None


def _open_shared(share: Share, inner: str, owner: Owner) -> tuple[Place, int]:
    visit, below = owner(share.owner), inner.strip("/")
    if visit is None or (below and not share.folder):
        raise NotHere("There is nothing here.")
    check_rights(visit, NEEDED)
    top = find_place(share.path, visit.roots)
    found = open_place(top)
    if identity_of(found) != share.identity:
        os.close(found)
        raise NotHere("There is nothing here.")
    if not below:
        return top, found
    os.close(found)
    place = find_place(f"{share.path}/{below}", visit.roots)
    return place, open_place(place)
