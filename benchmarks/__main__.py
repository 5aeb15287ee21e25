"""``make bench``: measure, print, and write RESULTS.md."""

from pathlib import Path

from benchmarks.default_checkpoint import told
from benchmarks.figures import all_figures, as_markdown, machine
from benchmarks.files_listing import listings
from benchmarks.files_search import found
from benchmarks.fuller_prompts import measure
from benchmarks.transfers import transfers


def main() -> None:
    """Take every figure in one run and write them down."""
    where = machine()
    figures = [*all_figures(), *transfers(), *listings(), *found(), *measure(), *told()]
    page = as_markdown(figures, where)
    print(page)
    Path(__file__).with_name("RESULTS.md").write_text(page)


if __name__ == "__main__":
    main()
