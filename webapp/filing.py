"""What the file browser works with: one of each, for the whole web process. No Flask, no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filebrowser.happenings import Happening
from filebrowser.pictures.thumbnails import Thumbnails
from filebrowser.tree import Listings
from filebrowser.uploads.keeper import Keeper
from filebrowser.uploads.uploads import Uploads
from webapp.browsing import roots_of
from webapp.uploading import uploads_of

if TYPE_CHECKING:
    from generator.models.registry import Registry
    from webapp.config import Config

THUMBNAILS = "thumbnails"


@dataclass(frozen=True, slots=True)
class Filing:
    """The parts that routes share. ``tell`` hears of every change that a verb makes."""

    listings: Listings
    thumbnails: Thumbnails
    tell: Callable[[Happening], None]
    uploads: Uploads
    keeper: Keeper  # of uploads; who serves starts it, after any fork
    close: Callable[[], None]


def filing_of(config: "Config", registry: "Registry") -> Filing:
    """The parts over the trees of ``config``; ``Filing.close`` ends their threads."""

    def tell(happening: Happening) -> None:
        notice(happening, registry)

    uploads = uploads_of(config, tell)
    keeper = Keeper(uploads, lambda: roots_of(config))
    return Filing(
        listings=Listings(),
        thumbnails=Thumbnails(config.easel_dir / THUMBNAILS),
        tell=tell,
        uploads=uploads,
        keeper=keeper,
        close=keeper.stop,
    )


def notice(happening: Happening, registry: "Registry") -> None:
    """Let the registry look again when something came to a model folder or left one."""
    folders = [folder.resolve() for folder in registry.folders.all()]
    places = [place for place in (happening.place, happening.previous) if place is not None]
    for place in places:
        path = Path(place.root.path, *place.names).resolve()
        if any(path.is_relative_to(each) or each.is_relative_to(path) for each in folders):
            registry.refresh()
            return
