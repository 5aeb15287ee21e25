"""What a device's second costs: the file of ``--price-file``. No Flask."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_PRICES = 1000
MAX_FILE_BYTES = 1 << 20
DAY = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"
EXAMPLE = '{"currency": "EUR", "prices": [{"device": "cuda:*", "per_second": 0.0008}]}'
Billed = Literal["device", "drawing"]
"""What is paid for: all seconds of the device, or those that the networks worked."""


class BadPrices(Exception):
    """The file cannot be used; the text says why."""


class Price(BaseModel):
    """One row: ``device`` is a pattern for names as "cuda:0@host"."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: Annotated[str, Field(min_length=1, max_length=200)] = "*"
    per_second: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
    since: Annotated[str, Field(pattern=DAY, alias="from")] = "0001-01-01"


class PriceFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: Annotated[str, Field(max_length=16)] = ""
    prices: Annotated[list[Price], Field(max_length=MAX_PRICES)]


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices by device and day. An empty list: everything costs nothing."""

    currency: str = ""
    prices: tuple[Price, ...] = ()

    def price_of(self, device: str, day: str) -> float:
        """What a second of a device cost on a day: the latest row that was true then, or 0."""
        true = [
            price
            for price in self.prices
            if price.since <= day and fnmatchcase(device, price.device)
        ]
        return max(true, key=lambda price: price.since).per_second if true else 0.0


NO_PRICES = PriceList()


def read_prices(path: Path | None) -> PriceList:
    """The prices of a file, none without one. Raises :class:`BadPrices`."""
    if path is None:
        return PriceList()
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BadPrices(f"--price-file {path.name}: {error.strerror}.") from None
    if len(text) > MAX_FILE_BYTES:
        raise BadPrices(f"--price-file {path.name} has more than {MAX_FILE_BYTES:,} bytes.")
    try:
        told = PriceFile.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"])) or "the file"
        raise BadPrices(
            f"--price-file {path.name}: {where}: {fault['msg']}. It takes {EXAMPLE}"
        ) from None
    return PriceList(told.currency, tuple(told.prices))
