"""Charges in Redis, in the stream ``charges``, until the ledger has them."""

from collections.abc import Sequence
from typing import Any

from webapp.queues.charge_codec import decode_charge, encode_charge
from webapp.queues.contracts.charges import MAX_CHARGES, BusyTime, StoredCharge
from webapp.queues.counter_labels import MAX_LABEL_SETS
from webapp.queues.redis.part import RedisPart
from webapp.queues.redis.server import PREFIX, text_of

KEY = f"{PREFIX}charges"


class RedisCharges(RedisPart):
    """See the contract of ``Charges``."""

    def add_busy_time(self, busy: BusyTime) -> None:
        """Keep what a worker has measured."""
        terms = {"max_charges": MAX_CHARGES, "max_label_sets": MAX_LABEL_SETS}
        self.run("add_charge", charge=encode_charge(busy), **terms)

    def read_charges(self, most: int) -> Sequence[StoredCharge]:
        """The oldest charges; they stay."""
        with self.server.explain_errors():
            entries: Any = self.server.client.xrange(KEY, count=most)
        return [decode_charge(text_of(key), text_of(row[b"facts"])) for key, row in entries]

    def remove_charges(self, keys: Sequence[str]) -> None:
        """Forget charges that the ledger has."""
        if keys:
            with self.server.explain_errors():
                self.server.client.xdel(KEY, *keys)
