"""The page itself: what ``npm run build`` wrote, and a sentence where it has not run."""

from pathlib import Path

from flask import Blueprint, Response, send_from_directory

from webapp.errors import Unavailable

INDEX = "index.html"
A_YEAR = 31_536_000
NOT_BUILT = (
    "The page is not built yet: run `npm ci && npm run build` in static/, or start Easel with "
    "./webui.sh, which does it. The API answers all the same."
)


def blueprint(built: Path) -> Blueprint:
    """The routes of the page, for the folder ``built`` that holds index.html and assets/."""
    pages = Blueprint("pages", __name__)

    @pages.get("/")
    def index() -> Response:
        """The page; never cached, so that a new build is seen at once."""
        if not (built / INDEX).is_file():
            raise Unavailable(NOT_BUILT)
        answer = send_from_directory(built, INDEX)
        answer.headers["Cache-Control"] = "no-cache"
        return answer

    @pages.get("/assets/<path:name>")
    def asset(name: str) -> Response:
        """A file whose name carries the hash of its content: cached for good."""
        answer = send_from_directory(built / "assets", name, max_age=A_YEAR)
        answer.headers["Cache-Control"] = f"private, max-age={A_YEAR}, immutable"
        return answer

    @pages.get("/favicon.<suffix>")
    def favicon(suffix: str) -> Response:
        """The page's icon, where the build has one."""
        return send_from_directory(built, f"favicon.{suffix}")

    return pages


def default_build() -> Path:
    """``static/dist`` of the checkout or of the installed package."""
    return Path(__file__).resolve().parents[2] / "static" / "dist"
