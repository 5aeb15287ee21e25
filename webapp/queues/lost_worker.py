"""The last answer of requests that no worker survives, or that the service does not."""

import json

from webapp.queues.contracts.frame import Answer

LEASE_RAN_OUT = "was not heard of until its lease ran out"


def worker_lost_answer(max_delivery: int, cause: str) -> Answer:
    """The 500 answer to a frame whose workers all died, in AUTOMATIC1111's error envelope."""
    text = (
        f"The worker was lost {count_times(max_delivery)} while it worked on this request, which "
        f"is not tried again. The last one {cause}. The service's log says more; a picture too "
        "large for the machine's memory is the usual cause."
    )
    body = {"error": "WorkerLost", "detail": text, "body": "", "errors": text}
    return Answer(500, json.dumps(body).encode())


def worker_lost_reason(max_delivery: int, cause: str) -> str:
    """Why its entry is a dead letter."""
    return f"The worker was lost {count_times(max_delivery)}; the last {cause}."


def entry_unreadable_reason(max_attempts: int) -> str:
    """Why an entry is a dead letter at which the service ended each time."""
    return f"The service ended {count_times(max_attempts)} while it read this entry."


def count_times(number: int) -> str:
    """How often, in words."""
    return "once" if number == 1 else f"{number} times"


def entry_unreadable_body(reason: str) -> bytes:
    """The result of such an entry."""
    body = {"error": "EntryUnreadable", "detail": reason, "body": "", "errors": reason}
    return json.dumps(body).encode()
