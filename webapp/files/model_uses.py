"""Which models pictures and jobs name, for the report of models. No Flask, no torch."""

from collections import Counter

from filebrowser.index.search_query import NameUses
from generator.model_tools.report import ModelUses
from webapp.queues.contracts.counters import Counters

JOBS = "jobs"  # the counter of answered jobs


def collect_uses(names: NameUses | None, counters: Counters | None) -> ModelUses | None:
    """What saved pictures tell of, and the checkpoints of all jobs since the queue was made.

    None without an index of pictures: jobs alone would leave out too much.
    """
    if names is None:
        return None
    checkpoints = Counter(names.models)
    for counter in counters.counters() if counters else ():
        if counter.name == JOBS and (model := counter.labels.get("model")):
            checkpoints[model] += int(counter.value)
    return ModelUses(checkpoints, names.loras, names.pictures)
