"""Posts to addresses that a caller names, under the rules of :mod:`webapp.http.url_fetch`.

Each hop's addresses are checked, and the connection goes to the one that was checked.
"""

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin

from webapp.errors import Refused
from webapp.http.url_fetch import (
    MAX_REDIRECTS,
    CheckedRequest,
    FetchRules,
    Resolve,
    addresses_of,
)

KEPT_METHODS = frozenset({307, 308})
"""Redirects that are followed: others would turn the post into a fetch."""

NOTHING_EXPECTED = ""
"""Any answer is one."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the last hop answered. Its body is not read."""

    status: int
    location: str = ""

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has taken what was sent (2xx)."""
        return 200 <= self.status < 300


def check_address(url: str, field: str, rules: FetchRules, resolve: Resolve = addresses_of) -> None:
    """Raise ``Refused`` (422), naming the field, for an address that is never posted to."""
    CheckedRequest(
        field, rules, resolve, time.monotonic() + rules.seconds, NOTHING_EXPECTED
    ).locate(url)


def post(
    url: str,
    field: str,
    headers: Mapping[str, str],
    body: bytes,
    rules: FetchRules,
    resolve: Resolve = addresses_of,
) -> Receipt:
    """Post ``body``; what the receiver answered, after at most ``MAX_REDIRECTS`` redirects.

    Raises ``Refused`` where an address may not be contacted, or none answers in time.
    """
    attempt = CheckedRequest(
        field, rules, resolve, time.monotonic() + rules.seconds, NOTHING_EXPECTED
    )
    for _ in range(MAX_REDIRECTS + 1):
        receipt = attempt.exchange("POST", url, headers, body, read_receipt)
        if receipt.status not in KEPT_METHODS or not receipt.location:
            return receipt
        url = urljoin(url, receipt.location)
    raise Refused(f"{field}: more than {MAX_REDIRECTS} redirects.")


def read_receipt(connection: http.client.HTTPConnection) -> Receipt:
    """The status line and where it points on to."""
    answer = connection.getresponse()
    return Receipt(answer.status, answer.headers.get("Location") or "")
