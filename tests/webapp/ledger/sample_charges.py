"""A charge that tests vary."""

from webapp.ledger.utc_days import start_of_day
from webapp.queues.contracts.charges import Charge

NOON = start_of_day("2026-11-10") + 12 * 3600
CHARGE = Charge(
    "j1", "d1", "ann", NOON, 10.0, 8.0, 2.0, "studio", "generate", "painter", "cuda:0@host",
    pictures=2, megapixel_steps=5.0, stored_bytes=1000,
)  # fmt: skip
