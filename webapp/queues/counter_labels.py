"""Labels of counters: bounded, so that no caller makes the store grow."""

import json
from collections.abc import Mapping

from webapp.queues.contracts.frame import Frame

MAX_LABEL_SETS = 500
"""Sets of labels a name keeps; beyond it users and models are counted together as ``OTHER``."""

MAX_LABEL_LENGTH = 120  # characters of a label
UNBOUNDED_LABELS = frozenset({"user", "model"})
OTHER = "other"


def label_key(labels: Mapping[str, str]) -> str:
    """Labels as their key in a store, cut to their length."""
    return json.dumps({name: labels[name][:MAX_LABEL_LENGTH] for name in sorted(labels)})


def bounded_label_key(labels: Mapping[str, str]) -> str:
    """The key for labels that a name has no more room for."""
    return label_key(
        {label: OTHER if label in UNBOUNDED_LABELS else value for label, value in labels.items()}
    )


def job_labels(frame: Frame, model: str) -> Mapping[str, str]:
    """Labels of an answered job; ``model``: the title of what it was drawn with."""
    return {"user": frame.owner, "model": model or frame.checkpoint}
