"""Entries as the acts of the script tell them."""

import json
from collections.abc import Sequence
from typing import Any

from webapp.queues.contracts.entries import Entry
from webapp.queues.redis.server import text_of

END = -1
"""Where an act that looks at some entries at a time has looked at all."""


def entry_of(row: Sequence[Any]) -> Entry:
    """An entry from the columns of ``ENTRY`` in ``scripts/1_entries.lua``, and its data."""
    request_id, owner, scope, path, priority, tags, message, index, put_at, data = row
    return Entry(
        request_id=text_of(request_id),
        data=data,
        tags=json.loads(tags),
        priority=int(priority),
        owner=text_of(owner),
        scope=text_of(scope),
        path=text_of(path),
        message=text_of(message),
        index=int(index),
        put_at=float(put_at),
    )
