"""``easel usage``: reports of the ledger, without a server."""

import argparse
import logging
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, TypeVar

from webapp.errors import Refused
from webapp.ledger.drain import drain
from webapp.ledger.handle import LedgerHandle
from webapp.ledger.prices import BadPrices, read_prices
from webapp.ledger.report import check_line, csv_of, make_report, table_of
from webapp.ledger.usage_query import (
    COLUMNS,
    BadPeriod,
    Period,
    Query,
    parse_by,
    parse_day,
    parse_month,
    this_month,
)
from webapp.queues.errors import QueueError
from webapp.settings.config import UnknownFlag, parse
from webapp.settings.data_dir import CannotUse, open_store, prepare_data_dir
from webapp.settings.passed_flags import EPILOG, accept_flags, show_flag
from webapp.settings.secret_flags import overwrite_secrets

if TYPE_CHECKING:
    from webapp.settings.config import Config

EXIT_DONE, EXIT_FAILED, EXIT_MISUSED = 0, 1, 2
T = TypeVar("T")


def run_usage(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """``easel usage``; the exit code. 0: done. 1: it could not be done. 2: misused."""
    parser = usage_parser()
    arguments = parser.parse_args(argv)
    try:
        config = parse(arguments.service, environment)
        overwrite_secrets(argv, environment)
        query = read_query(arguments)
        prices = read_prices(config.price_file)
        prepare_data_dir(config)
    except (UnknownFlag, BadPeriod, BadPrices) as error:
        return _complain(parser, str(error), EXIT_MISUSED)
    except CannotUse as error:
        return _complain(parser, str(error), EXIT_FAILED)
    handle = LedgerHandle(config.database_url, config.easel_dir)
    try:
        bring_over(config, handle)
        report = make_report(handle.get(), query, prices, config.billed)
    except Refused as error:
        return _complain(parser, str(error.__cause__ or error.detail), EXIT_FAILED)
    finally:
        handle.close()
    if arguments.csv:
        sys.stdout.writelines(csv_of(report))
        return EXIT_DONE
    period = query.period
    currency = f", cost in {report.currency}" if report.currency else ""
    print(f"{period.first} to {period.last} (UTC){currency}")
    for line in (*table_of(report), check_line(report)):
        print(line)
    return EXIT_DONE


def bring_over(config: "Config", handle: LedgerHandle) -> None:
    """Write down what waits in the queue; where that cannot be read, the report is told without."""
    try:
        store = open_store(config, logging.getLogger("easel.queue"))
    except (CannotUse, OSError, sqlite3.Error) as error:
        print(f"What waits in the queue is not in the report: {error}", file=sys.stderr)
        return
    try:
        drain(store, handle)
    except (QueueError, sqlite3.Error) as error:
        print(f"What waits in the queue is not in the report: {error}", file=sys.stderr)
    finally:
        store.close()


def usage_parser() -> argparse.ArgumentParser:
    """What ``easel usage`` understands."""
    parser = argparse.ArgumentParser(prog="easel usage", description="Who used what.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    report = commands.add_parser(
        "report", help="sums of jobs, with what they cost", epilog=EPILOG, allow_abbrev=False,
        conflict_handler="resolve",
        description="What jobs took of the devices. Days and months are those of UTC.",
    )  # fmt: skip
    accept_flags(report)
    show_flag(report, "data-dir", "whose ledger")
    show_flag(report, "database-url", "where the ledger is kept, if not there")
    show_flag(report, "price-file", "what a device's second costs (docs/usage.md)")
    show_flag(report, "bill", "what of a job is paid for: device or drawing")
    report.add_argument("--month", type=_typed(parse_month), help="2026-11; default: this one")
    report.add_argument("--from", dest="first", type=_typed(parse_day), help="the first day")
    report.add_argument("--to", dest="last", type=_typed(parse_day), help="the last day")
    report.add_argument(
        "--by", type=_typed(parse_by), default=("user",), metavar="NAMES",
        help=f"some of {','.join(COLUMNS)}; default: user",
    )  # fmt: skip
    report.add_argument("--user", help="of this user alone")
    report.add_argument("--group", help="of this group alone")
    report.add_argument("--csv", action="store_true", help="as CSV")
    return parser


def read_query(arguments: argparse.Namespace) -> Query:
    """What is asked for. Raises ``BadPeriod``."""
    month: Period | None = arguments.month
    first: date | None = arguments.first
    last: date | None = arguments.last
    if month is not None and (first or last):
        raise BadPeriod("--month stands in place of --from and --to.")
    period = month or this_month(time.time())
    first = first or period.first
    period = Period(first, last or max(period.last, first))
    if period.last < period.first:
        raise BadPeriod("--to is before --from.")
    return Query(period, arguments.by, arguments.user, arguments.group)


def _typed(read: Callable[[str], T]) -> Callable[[str], T]:
    """A reader whose ``BadPeriod`` is told in the command's own words."""

    def read_argument(text: str) -> T:
        try:
            return read(text)
        except BadPeriod as error:
            raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None

    return read_argument


def _complain(parser: argparse.ArgumentParser, text: str, code: int) -> int:
    print(f"{parser.prog}: {text}", file=sys.stderr)
    return code
