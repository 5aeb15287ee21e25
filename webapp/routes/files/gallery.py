"""``/api/v1/pictures``: the caller's own pictures, the latest first, with stars and rejects."""

from typing import Annotated

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt
from typing_extensions import TypedDict

from filebrowser.access.file_access import Right, check_rights
from filebrowser.index.search import MAX_PAGE_HITS
from filebrowser.index.search_query import SearchHit
from webapp.access.scopes import AccessScope, requires
from webapp.errors import BadValue
from webapp.gallery.board_contents import stamp_at
from webapp.gallery.picture_query import PictureFilter, query_of, read_cursor, write_cursor
from webapp.gallery.ratings import MAX_STARS, NO_RATING, Rating
from webapp.http.openapi import RouteNote, with_note
from webapp.requests.fields import read_body
from webapp.routes.context import read_json_body
from webapp.routes.files.archives import limited_listing
from webapp.routes.files.caller_access import caller_access
from webapp.routes.files.params import TEXT, Path, flag_param, int_param
from webapp.routes.files.search import MAX_OFFSET, SearchHitEntry, hit_json
from webapp.services import Services

PAGE_SIZE = 100  # pictures where no limit is asked for
MAX_RATED_AT_ONCE = 200  # pictures
QUERY = {
    "q": TEXT,
    "model": TEXT,
    "sampler": TEXT,
    "since": TEXT,
    "until": TEXT,
    "stars": {"type": "integer", "minimum": 0, "maximum": MAX_STARS},
    "rejected": {"type": "boolean"},
    "cursor": TEXT,
    "offset": {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET},
    "limit": {"type": "integer", "minimum": 0, "maximum": MAX_PAGE_HITS},
}


class PictureEntry(SearchHitEntry):
    """One picture, and what the caller thinks of it."""

    stars: int
    rejected: bool


class PicturePage(TypedDict):
    """A page; ``next`` is the cursor of the one after it. ``complete``: all files are indexed."""

    total: int
    complete: bool
    next: str | None
    pictures: list[PictureEntry]


class PictureRating(TypedDict):
    """What the caller thinks of a picture."""

    path: str
    stars: int
    rejected: bool


class RatedPictures(TypedDict):
    """The ratings as they are now, in the order of the paths."""

    ratings: list[PictureRating]


class RatingBody(BaseModel):
    """The body of ``PUT /api/v1/pictures/rating``; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    paths: Annotated[list[Path], Field(min_length=1, max_length=MAX_RATED_AT_ONCE)]
    stars: Annotated[StrictInt, Field(ge=0, le=MAX_STARS)] | None = None
    rejected: StrictBool | None = None


def blueprint(services: Services) -> Blueprint:
    """The routes over one index and the ratings."""
    gallery = Blueprint("gallery", __name__, url_prefix="/api/v1/pictures")
    add_list(gallery, services)
    add_rating(gallery, services)
    return gallery


def add_list(gallery: Blueprint, services: Services) -> None:
    """The history."""
    filing = services.file_services()

    @gallery.get("")
    @requires(AccessScope.FILES)
    @with_note(
        RouteNote("The caller's pictures, the latest first", query=QUERY, answer=PicturePage)
    )
    @limited_listing(services)
    def pictures() -> Response:
        """Of the caller's own `outputs/`. See docs/files.md."""
        access = caller_access(services)
        check_rights(access, [Right.VIEW])
        limit = int_param("limit", PAGE_SIZE, MAX_PAGE_HITS)
        query = query_of(
            access,
            filter_param(),
            filing.ratings,
            read_cursor(request.args.get("cursor")),
            int_param("offset", 0, MAX_OFFSET),
            limit,
        )
        page = filing.index.find(access, query)
        ratings = filing.ratings.ratings_of(access.who, (hit.stamp for hit in page.hits))
        is_full = limit > 0 and len(page.hits) + len(page.missing) == limit
        return jsonify(
            {
                "total": page.total,
                "complete": filing.index.wait_until_idle(0),
                "next": write_cursor(page.hits[-1].position) if is_full and page.hits else None,
                "pictures": [
                    picture_json(hit, ratings.get(hit.stamp, NO_RATING)) for hit in page.hits
                ],
            }
        )


def add_rating(gallery: Blueprint, services: Services) -> None:
    """Stars and rejects."""
    filing = services.file_services()

    @gallery.put("/rating")
    @requires(AccessScope.USER)
    @with_note(
        RouteNote("Give pictures stars, or reject them", body=RatingBody, answer=RatedPictures)
    )
    def rate() -> Response:
        """One's own alone; every path must be there, else nothing is changed."""
        body = read_body(RatingBody, read_json_body())
        if body.stars is None and body.rejected is None:
            raise BadValue("Say stars, rejected or both.")
        access = caller_access(services)
        stamps = [stamp_at(access, path) for path in body.paths]
        ratings = filing.ratings.rate(access.who, stamps, body.stars, body.rejected)
        return jsonify(
            {
                "ratings": [
                    rating_json(path, ratings[stamp])
                    for path, stamp in zip(body.paths, stamps, strict=True)
                ]
            }
        )


def filter_param() -> PictureFilter:
    """What the query asks for. Raises ``BadValue``."""
    words = {
        name: request.args.get(name, "").strip() for name in ("model", "sampler", "since", "until")
    }
    return PictureFilter(
        words=request.args.get("q", ""),
        stars=int_param("stars", 0, MAX_STARS),
        rejected=flag_param("rejected") if "rejected" in request.args else None,
        **words,
    )


def picture_json(hit: SearchHit, rating: Rating) -> PictureEntry:
    """One picture of a page."""
    return {**hit_json(hit), "stars": rating.stars, "rejected": rating.rejected}


def rating_json(path: str, rating: Rating) -> PictureRating:
    """What the caller thinks of the picture at ``path``."""
    return {"path": path, "stars": rating.stars, "rejected": rating.rejected}
