"""The history of 50,000 pictures: a page of it by place, cursor, words, filter and stars."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, machine
from benchmarks.files_search import write_pictures
from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Root
from filebrowser.index.file_index import FileIndex
from filebrowser.index.search_query import Position, SearchHit
from webapp.files.infotexts import read_picture_facts
from webapp.gallery.picture_query import PictureFilter, query_of
from webapp.gallery.ratings import NO_RATING, RatingStore

PICTURES = 50_000
STARRED = 5_000
REJECTED = 5_000
ROUNDS = 5
PAGE = 100  # pictures, as the page asks
WHO = "bench"


class Gallery:
    """An index and ratings, asked as the route asks them."""

    def __init__(self, folder: Path) -> None:
        self.access = FileAccess(WHO, (Root("data", folder / "files"),))
        write_pictures(folder / "files", PICTURES)
        self.index = FileIndex(
            folder / "index.db", self.access.roots, read_picture_facts, without_pauses=True
        )
        self.ratings = RatingStore(folder / "ratings.db")

    def page(
        self, wanted: PictureFilter, offset: int = 0, cursor: Position | None = None
    ) -> tuple[SearchHit, ...]:
        """A page with its ratings."""
        query = query_of(self.access, wanted, self.ratings, cursor, offset, PAGE)
        hits = self.index.find(self.access, query).hits
        ratings = self.ratings.ratings_of(WHO, (hit.stamp for hit in hits))
        assert all(ratings.get(hit.stamp, NO_RATING) is not None for hit in hits)
        return hits

    def rate_some(self) -> None:
        """Every tenth picture has stars, another tenth is rejected."""
        stamps = []
        for offset in range(0, PICTURES, 500):
            query = query_of(self.access, PictureFilter(), self.ratings, None, offset, 500)
            stamps += [hit.stamp for hit in self.index.find(self.access, query).hits]
        self.ratings.rate(WHO, stamps[::10], 4, None)
        self.ratings.rate(WHO, stamps[1::10], None, True)


def measure_pages() -> Iterator[tuple[str, float]]:
    """Each question with the median of its seconds."""
    with tempfile.TemporaryDirectory(prefix="easel-gallery-") as name:
        gallery = Gallery(Path(name))
        gallery.index.start()
        try:
            if not gallery.index.wait_until_idle(3600):
                raise TimeoutError("the pictures were not indexed within an hour")
            gallery.rate_some()
            last = gallery.page(PictureFilter())[-1].position
            questions = {
                "first page": (PictureFilter(), 0, None),
                "next page by cursor": (PictureFilter(), 0, last),
                "page in the middle": (PictureFilter(), PICTURES // 2, None),
                "last page": (PictureFilter(), PICTURES - PAGE, None),
                "words": (PictureFilter("cat castle"), 0, None),
                "model and sampler": (
                    PictureFilter(model="painter", sampler="Euler"), 0, None,
                ),
                "stars": (PictureFilter(stars=3), 0, None),
                "without rejects": (PictureFilter(rejected=False), PICTURES // 2, None),
            }  # fmt: skip
            for name, question in questions.items():
                times = []
                for _ in range(ROUNDS):
                    begun = time.perf_counter()
                    gallery.page(*question)
                    times.append(time.perf_counter() - begun)
                yield name, statistics.median(times)
        finally:
            gallery.index.stop()


def gallery_figures() -> Iterator[Figure]:
    """The slowest page stands for all."""
    name, seconds = max(measure_pages(), key=lambda line: line[1])
    yield Figure(
        f"history of {PICTURES:,} pictures, slowest page of {PAGE} ({name}), ms",
        f"{seconds * 1000:.0f}",
        "≤ 100",
        seconds <= 0.1,
    )


def main() -> None:
    """Print each page's figure."""
    print(machine())
    for name, seconds in measure_pages():
        print(f"{name:24} {seconds * 1000:7.1f} ms", flush=True)


if __name__ == "__main__":
    main()
