"""From the words and filters of a gallery to a question that the index of files answers."""

import base64
import binascii
import struct
from collections.abc import Collection
from dataclasses import dataclass

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Place
from filebrowser.index.query import Term, parse_query
from filebrowser.index.search_query import FileStamp, Position, SearchQuery
from filebrowser.listing.file_kinds import FileKind
from generator.data_folders import OUTPUTS_FOLDER
from webapp.errors import BadValue
from webapp.gallery.ratings import RatingStore

CURSOR = struct.Struct(">qq")
MAX_NAME_LENGTH = 200  # characters of a model's or sampler's name


@dataclass(frozen=True, slots=True)
class PictureFilter:
    """What a caller wants to see of their pictures; "" and None: whatever it is."""

    words: str = ""
    model: str = ""
    sampler: str = ""
    since: str = ""  # a day, month or year, included
    until: str = ""
    stars: int = 0  # at least
    rejected: bool | None = None  # these alone, or all but these


def outputs_of(access: FileAccess) -> Place:
    """The folder of the caller's own pictures."""
    return Place(access.roots[0], (OUTPUTS_FOLDER,))


def query_of(
    access: FileAccess,
    wanted: PictureFilter,
    ratings: RatingStore,
    cursor: Position | None,
    offset: int,
    limit: int,
) -> SearchQuery:
    """The question of one page, the latest first. Raises ``BadSearch`` and ``BadValue``."""
    only, without = _rated(access.who, wanted, ratings)
    return SearchQuery(
        terms_of(wanted),
        outputs_of(access),
        offset=offset,
        limit=limit,
        only=only,
        without=without,
        after=cursor,
    )


def terms_of(wanted: PictureFilter) -> tuple[Term, ...]:
    """The conditions on what pictures tell. Raises ``BadSearch`` and ``BadValue``."""
    terms = [*parse_query(wanted.words), Term("kind", FileKind.IMAGE.value)]
    for field, name in (("model", wanted.model), ("sampler", wanted.sampler)):
        if len(name) > MAX_NAME_LENGTH:
            raise BadValue(f"{field} has at most {MAX_NAME_LENGTH} characters, not {len(name)}.")
        terms += [Term(field, name)] if name else []
    for sign, day in ((">=", wanted.since), ("<=", wanted.until)):
        terms += parse_query(f'date:"{sign}{day}"') if day else ()
    return tuple(terms)


def _rated(
    who: str, wanted: PictureFilter, ratings: RatingStore
) -> tuple[Collection[FileStamp] | None, Collection[FileStamp] | None]:
    """The stamps that are asked for, and those that are left out; None: no such wish."""
    only = set(ratings.starred(who, wanted.stars)) if wanted.stars else None
    if wanted.rejected is None:
        return only, None
    rejected = set(ratings.rejected(who))
    if not wanted.rejected:
        return only, rejected
    return (rejected if only is None else only & rejected), None


def write_cursor(position: Position) -> str:
    """Where a page ended, for whoever asks for the next."""
    return base64.urlsafe_b64encode(CURSOR.pack(*position)).decode().rstrip("=")


def read_cursor(text: str | None) -> Position | None:
    """What :func:`write_cursor` wrote, None for none. Raises ``BadValue``."""
    if not text:
        return None
    try:
        changed, number = CURSOR.unpack(base64.urlsafe_b64decode(f"{text[:64]}=="))
    except (binascii.Error, ValueError, struct.error):
        raise BadValue("cursor is what `next` of an earlier page said.") from None
    return changed, number
