"""``make bench``: measure, print, and write RESULTS.md."""

from pathlib import Path

from benchmarks.default_checkpoint import told
from benchmarks.figures import all_figures, as_markdown, machine
from benchmarks.files_listing import listings
from benchmarks.files_search import found
from benchmarks.fuller_prompts import measure
from benchmarks.transfers import transfers
from benchmarks.webdav_listing import webdav

APART = "## Taken apart"
"""The heading below which figures stand that take long and are taken by commands of their own."""


def main() -> None:
    """Take every figure in one run and write them down."""
    where = machine()
    figures = [*all_figures(), *transfers(), *listings(), *webdav(), *found(), *measure(), *told()]
    page = as_markdown(figures, where)
    print(page)
    results = Path(__file__).with_name("RESULTS.md")
    _, kept, rest = results.read_text().partition(APART)
    results.write_text(page + "\n" + kept + rest)


if __name__ == "__main__":
    main()
