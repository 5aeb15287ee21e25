"""Last measured score of the shipped checkpoint, read from the file's metadata.

``make score-default`` measures it anew; that takes a quarter of an hour.
"""

from collections.abc import Iterator

from benchmarks.figures import Figure
from training import export
from training.score import BARS


def checkpoint_figures() -> Iterator[Figure]:
    """The shares that have a bar."""
    scores = export.read_score(export.FILE)
    how = f"of {scores['prompts']} held-out prompts, {scores['seeds']} seed" if scores else ""
    for key, bar in BARS.items():
        share = float(scores.get(key, 0))
        name = f"default checkpoint: {key}, {how}"
        yield Figure(name, f"{share:.1%}", f"≥ {bar:.0%}", share >= bar)
