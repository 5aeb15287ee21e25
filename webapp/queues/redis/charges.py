"""Charges in Redis, in the stream ``charges``, until the ledger has them."""

from collections.abc import Sequence
from typing import Any

from webapp.queues.charge_codec import (
    busy_key,
    busy_name,
    decode_charge,
    encode_charge,
    parse_busy_key,
)
from webapp.queues.contracts.charges import BusyTime, StoredCharge
from webapp.queues.redis.part import RedisPart
from webapp.queues.redis.server import PREFIX, text_of

CHARGES, BUSY_TIMES = f"{PREFIX}charges", f"{PREFIX}busy_times"


class RedisCharges(RedisPart):
    """See the contract of ``Charges``."""

    def add_busy_time(self, busy: BusyTime) -> None:
        """Keep what a worker has measured."""
        with self.server.explain_errors():
            self.server.client.hset(BUSY_TIMES, busy_name(busy), encode_charge(busy))

    def read_charges(self, most: int) -> Sequence[StoredCharge]:
        """The oldest charges, and then what workers have measured; they stay."""
        with self.server.explain_errors():
            entries: Any = self.server.client.xrange(CHARGES, count=most)
            told: Any = self.server.client.hgetall(BUSY_TIMES) if len(entries) < most else {}
        found = [decode_charge(text_of(key), text_of(row[b"facts"])) for key, row in entries]
        times = sorted((text_of(name), text_of(text)) for name, text in told.items())
        times = times[: most - len(found)]
        return [*found, *(decode_charge(busy_key(name, text), text) for name, text in times)]

    def remove_charges(self, keys: Sequence[str]) -> None:
        """Forget what the ledger has."""
        times = [busy for busy in map(parse_busy_key, keys) if busy is not None]
        charges = [key for key in keys if parse_busy_key(key) is None]
        if keys:
            self.run("remove_charges", charges=charges, times=times)
