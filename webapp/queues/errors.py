"""Errors of a queue store, and of the way into it."""

from collections.abc import Mapping

RETRY_AFTER = 5  # seconds after which the store is likely to be well


class QueueError(Exception):
    """Root of the store's own errors."""


class QueueFull(QueueError):
    """The disk that holds the store is full: nothing was stored (HTTP 507)."""


class AnswerTooLarge(QueueError):
    """An answer that no row of the store can hold (HTTP 500)."""


class QueueLost(QueueError):
    """The store's folder was removed or replaced under the running process (HTTP 503)."""

    retry_after = RETRY_AFTER


class QueueDamaged(QueueError):
    """The store's file was damaged and has been replaced by a new one (HTTP 503)."""

    retry_after = RETRY_AFTER


class QueueBusy(QueueError):
    """Another process writes the store for longer than this one waits; nothing was stored (503)."""

    retry_after = RETRY_AFTER


class TooManyGroups(QueueError):
    """A queue, or one caller, has as many groups of consumers as may be (HTTP 429).

    Nothing was changed.
    """

    retry_after = RETRY_AFTER


class QuotaExceeded(QueueError):
    """Nothing is left of a caller's quota: nothing was stored (HTTP 429).

    ``facts`` of the quota go into the answer; ``retry_after``: seconds until it resets, None where
    time does not help.
    """

    def __init__(self, text: str, facts: Mapping[str, object], retry_after: int | None) -> None:
        super().__init__(text)
        self.facts, self.retry_after = facts, retry_after


class JobTooLarge(QueueError):
    """The job is larger than any that its caller may send (HTTP 422)."""


class StoreUnavailable(QueueError):
    """The store's server cannot be reached, or is not ready: nothing is known (HTTP 503)."""

    retry_after = RETRY_AFTER


class QueueUnwritable(QueueFull):
    """The disk that holds the store fails or may only be read: nothing was stored (HTTP 507)."""
