"""Ends the jobs of a user who is disabled or removed. No Flask."""

from generator.request import Stop
from webapp.errors import JobStopped, error_answer
from webapp.queues.contracts.queue import Queue
from webapp.queues.contracts.sink import Sink
from webapp.queues.contracts.stop_requests import StopRequests

NOTICE = "The account of this job's user was disabled or removed."


def stop_user_jobs(queue: Queue, sink: Sink, stop_requests: StopRequests, name: str) -> None:
    """Answer a user's waiting jobs with a notice, and stop the running ones."""
    for frame in queue.list_frames(name):
        if not sink.answer_waiting(frame.id, error_answer(JobStopped(NOTICE))):
            stop_requests.request_stop(frame.id, Stop.INTERRUPT)
