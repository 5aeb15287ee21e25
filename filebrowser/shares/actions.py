"""Creating, listing, revoking and opening shares; the owner's rights are checked at each use."""

import os
import secrets
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass

from filebrowser.access.file_access import (
    FileAccess,
    Right,
    check_place,
    check_rights,
    resolve_path,
)
from filebrowser.access.gate import Place, find_place, open_place
from filebrowser.errors import NotAFile, NotAllowed, NotHere
from filebrowser.shares.identity import identity_of
from filebrowser.shares.passwords import SharePasswords
from filebrowser.shares.store import Share, ShareStore

REQUIRED_RIGHTS = (Right.VIEW, Right.DOWNLOAD, Right.SHARE)
"""Whoever lets others view and download must be allowed to do so himself."""

ID_BYTES = 16
MAX_SHARES = 1000  # of one owner

AccessOfOwner = Callable[[str], FileAccess | None]
"""The visit that the owner of this name would have now; None when there is no such caller."""


@dataclass(frozen=True, slots=True)
class ShareSpec:
    """What to share, with which password and lifetime."""

    path: str
    password: str | None = None
    lifetime: float | None = None  # seconds; None: until it is revoked


def create_share(
    access: FileAccess,
    spec: ShareSpec,
    store: ShareStore,
    passwords: SharePasswords,
    now: float | None = None,
) -> Share:
    """Make a link to the file or folder at ``wish.path`` of this visit.

    Raises :class:`NotAllowed` without the rights that the link would give or with too many links,
    :class:`NotHere` for what does not exist, ``BadPath`` and :class:`NotAFile` as the gate does.
    """
    place = resolve_path(access, spec.path, *REQUIRED_RIGHTS)
    if not place.names:
        raise NotAllowed("A whole tree is not shared; choose a folder in it.")
    fd = open_place(place)
    try:
        identity, folder = identity_of(fd), stat.S_ISDIR(os.fstat(fd).st_mode)
    finally:
        os.close(fd)
    now = time.time() if now is None else now
    store.sweep(now)
    if len(store.shares_of(access.who)) >= MAX_SHARES:
        raise NotAllowed(f"{MAX_SHARES} links are there already; revoke some first.")
    created = Share(
        id=secrets.token_urlsafe(ID_BYTES),
        owner=access.who,
        path=place.text,
        identity=identity,
        folder=folder,
        made=now,
        expires=None if spec.lifetime is None else now + spec.lifetime,
        password=passwords.hash_password(spec.password) if spec.password else None,
    )
    store.add(created)
    return created


def list_shares(
    access: FileAccess, store: ShareStore, now: float | None = None
) -> tuple[Share, ...]:
    """The visit's own links that still lead somewhere in time. Raises :class:`NotAllowed`."""
    check_rights(access, [Right.SHARE])
    store.sweep(time.time() if now is None else now)
    return store.shares_of(access.who)


def revoke_share(access: FileAccess, name: str, store: ShareStore) -> None:
    """End a link of one's own. Raises :class:`NotHere` for those of others as for unknown ones."""
    check_rights(access, [Right.SHARE])
    if not store.remove(name, access.who):
        raise NotHere("There is no such share of yours.")


def find_share(name: str, store: ShareStore, now: float | None = None) -> Share:
    """The unexpired share of this id. Raises :class:`NotHere`."""
    share = store.get(name)
    now = time.time() if now is None else now
    if share is None or (share.expires is not None and share.expires <= now):
        raise NotHere("There is no such share.")
    return share


def open_shared(share: Share, inner: str, access_of: AccessOfOwner) -> tuple[Place, int]:
    """The place ``inner`` below what is shared, "" for that itself, and a descriptor of it.

    The owner must still be there, still have the rights and the root, and the path must still
    lead to the very file or folder that was shared. Raises :class:`NotHere` for whatever is not
    so, without a word about where it lies.
    """
    try:
        return _open_shared(share, inner, access_of)
    except (NotAllowed, NotAFile, NotHere):
        raise NotHere("There is nothing here.") from None


def _open_shared(share: Share, inner: str, access_of: AccessOfOwner) -> tuple[Place, int]:
    access, below = access_of(share.owner), inner.strip("/")
    if access is None or (below and not share.folder):
        raise NotHere("There is nothing here.")
    top = find_place(share.path, access.roots)
    check_place(access, top, REQUIRED_RIGHTS)
    fd = open_place(top)
    if identity_of(fd) != share.identity:
        os.close(fd)
        raise NotHere("There is nothing here.")
    if not below:
        return top, fd
    os.close(fd)
    place = find_place(f"{share.path}/{below}", access.roots)
    return place, open_place(place)
