"""The sink: answers, until they are read or expire."""

from typing import Protocol

from webapp.queues.contracts.frame import Answer, Lease


class Sink(Protocol):
    """Answers in, by the worker that holds the lease; out, to whoever waits."""

    def answer(self, lease: Lease, answer: Answer, gpu_seconds: float, model: str = "") -> bool:
        """Store the answer and remove the frame, as one act. False if the lease was lost.

        The job is counted (``Counters.counters``) for its owner and ``model``, the title of what it
        was drawn with, or that its frame names; it is charged in the same act (``Charges``).
        """
        ...

    def answer_waiting(self, frame_id: str, answer: Answer) -> bool:
        """Answer a waiting frame in a worker's stead, uncounted; False if it is leased or gone."""
        ...

    def wait(self, frame_id: str, timeout: float) -> Answer | None:
        """The answer once it is there, or None after ``timeout`` seconds. Answers expire.

        It tells its index in the sink, its request id and its tags. No index is given twice.
        """
        ...

    def find_answered(self, tag: str, value: str, owner: str | None = None) -> str | None:
        """The newest frame with this tag, of one owner or of anybody, whose answer is kept.

        For a caller who knows the tag alone, whichever process put the frame.
        """
        ...

    def delete_answer(self, frame_id: str) -> None:
        """Drop an answer that its only reader has got, before it expires."""
        ...
