"""``make bench``: measure, print, and write RESULTS.md."""

from pathlib import Path

from benchmarks.default_checkpoint import checkpoint_figures
from benchmarks.figures import all_figures, as_markdown, machine
from benchmarks.files_search import search_figures
from benchmarks.folder_pages import listing_figures
from benchmarks.fuller_prompts import measure
from benchmarks.gallery_pages import gallery_figures
from benchmarks.model_loading import loading_figures
from benchmarks.propfind_speed import webdav_figures
from benchmarks.registry_scan import registry_figures
from benchmarks.transfers import transfer_figures

TAKEN_APART = "## Taken apart"
"""The heading below which figures stand that take long and are taken by commands of their own."""


def main() -> None:
    """Take every figure in one run and write them down."""
    where = machine()
    figures = [
        *all_figures(),
        *transfer_figures(),
        *listing_figures(),
        *webdav_figures(),
        *search_figures(),
        *gallery_figures(),
        *registry_figures(),
        *measure(),
        *checkpoint_figures(),
        *loading_figures(),
    ]
    page = as_markdown(figures, where)
    print(page)
    results = Path(__file__).with_name("RESULTS.md")
    _, heading, rest = results.read_text().partition(TAKEN_APART)
    results.write_text(page + "\n" + heading + rest)


if __name__ == "__main__":
    main()
