"""Entries of the vendor's queue protocol as jobs, under their request ids.

Nothing is recorded of them when they are put: an entry of the input is a job that has not ended,
its result in the sink one that has. Who takes the result away takes the job along.
"""

from collections.abc import Mapping

from webapp.jobs.job_book import JobRecord
from webapp.jobs.job_ends import ended_record
from webapp.queues.contracts.entries import (
    INPUT,
    REQUEST_ID_TAG,
    SINK,
    STATUS_TAG,
    Entry,
    EntryFilter,
    EntryQuery,
    EntryQueues,
)
from webapp.queues.contracts.frame import Answer

OK = 200


def find_entry_job(entries: EntryQueues, job: str) -> JobRecord | None:
    """The job that an entry or its result stands for. The time of a result is that of its end."""
    waiting = _find(entries, INPUT, job)
    if waiting is not None:
        return _record_of(waiting)
    result = _find(entries, SINK, job)  # asked second: an entry becomes its result in one act
    if result is None:
        return None
    return ended_record(_record_of(result), _answer_of(result), result.put_at)


def find_entry_answer(entries: EntryQueues, job: str) -> Answer | None:
    """The answer of an entry, while its result is in the sink."""
    result = _find(entries, SINK, job)
    return None if result is None else _answer_of(result)


def drop_result(entries: EntryQueues, job: str) -> None:
    """Take the result of an entry out of the sink."""
    result = _find(entries, SINK, job)
    if result is not None:
        entries.queue(SINK).delete([result.index])


def _find(entries: EntryQueues, queue: str, job: str) -> Entry | None:
    wanted = EntryFilter(tags={REQUEST_ID_TAG: job})
    return next(iter(entries.queue(queue).get(EntryQuery(wanted))), None)


def _record_of(entry: Entry) -> JobRecord:
    path = f"/{entry.path}" if entry.path else ""
    return JobRecord(entry.request_id, entry.owner, path, entry.put_at, "", confirmed=True)


def _answer_of(result: Entry) -> Answer:
    return Answer(_status_of(result.tags), result.data)


def _status_of(tags: Mapping[str, str]) -> int:
    """The answer's status; a tag of that name may also be the caller's own."""
    text = tags.get(STATUS_TAG, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) == 3 else OK
