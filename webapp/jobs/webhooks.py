"""Signs and posts webhooks, by the scheme of Standard Webhooks (standardwebhooks.com). No Flask.

``webhook-signature`` is ``v1,`` and the base64 of HMAC-SHA256 over ``id.timestamp.body``. Each
caller has a secret of its own, derived from the service's key: nothing of it is stored.
"""

import base64
import hashlib
import hmac
import http.client
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from webapp.errors import Refused
from webapp.http.url_fetch import FetchRules, Resolve, addresses_of
from webapp.http.url_post import Receipt, post
from webapp.jobs.job_book import Delivery, DeliveryState

SECRET_PREFIX = "whsec_"
RETRY_SECONDS = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0)
"""Seconds between attempts; after the last one a webhook is given up (eight hours in all)."""

GONE = 410
"""A receiver's answer that wants no more attempts."""

MAX_ERROR = 300  # characters

log = logging.getLogger("easel.web")


def secret_of(key: bytes, owner: str) -> str:
    """A caller's secret, ``whsec_`` and base64, as libraries of Standard Webhooks take it."""
    derived = hmac.new(key, b"easel webhook\n" + owner.encode(), hashlib.sha256).digest()
    return SECRET_PREFIX + base64.b64encode(derived).decode()


def sign(secret: str, message: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    content = f"{message}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def signed_headers(secret: str, message: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """Every header of a post."""
    return {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "User-Agent": "Easel",
        "Connection": "close",
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, message, timestamp, body),
    }


@dataclass(frozen=True, slots=True)
class WebhookPoster:
    """Posts one webhook and says what became of it."""

    key: bytes  # of the service
    rules: FetchRules
    resolve: Resolve = addresses_of
    clock: Callable[[], float] = time.time

    def attempt(self, delivery: Delivery) -> Delivery:
        """The delivery after one attempt: delivered, due again later, or given up."""
        message = f"job_{delivery.job}"  # the same each time: receivers know it again
        secret = secret_of(self.key, delivery.owner)
        headers = signed_headers(secret, message, int(self.clock()), delivery.body)
        attempts = delivery.attempts + 1
        try:
            receipt = post(
                delivery.url, "webhook", headers, delivery.body, self.rules, self.resolve
            )
        except Refused as error:
            return self._failed(delivery, attempts, error.detail)
        except (OSError, ValueError, http.client.HTTPException) as error:
            return self._failed(delivery, attempts, f"webhook: {type(error).__name__}")
        if receipt.is_taken:
            return replace(delivery, attempts=attempts, state=DeliveryState.DELIVERED, error="")
        return self._failed(delivery, attempts, describe(receipt), gone=receipt.status == GONE)

    def _failed(
        self, delivery: Delivery, attempts: int, error: str, *, gone: bool = False
    ) -> Delivery:
        failed = replace(delivery, attempts=attempts, error=error[:MAX_ERROR])
        if gone or attempts > len(RETRY_SECONDS):
            log.warning("job %s: its webhook is given up: %s", delivery.job, error)
            return replace(failed, state=DeliveryState.GIVEN_UP)
        return replace(failed, due_at=self.clock() + RETRY_SECONDS[attempts - 1])


def describe(receipt: Receipt) -> str:
    """Why an answer is no success."""
    return f"webhook: the address answered {receipt.status}"
