"""Checks of single flags' values. Each raises :class:`UnknownFlag` with what fits."""

import ipaddress
import re
from collections.abc import Iterable
from difflib import get_close_matches

from webapp.access.secret import Secret
from webapp.queues.redis.address import BadAddress, check_address
from webapp.settings.options_table import OPTIONS

SERVICE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class UnknownFlag(Exception):
    """A flag that is not in the table, or a value that does not fit it."""


def check_pattern(text: str) -> None:
    """A regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        raise UnknownFlag(
            f"--cors-allow-origins-regex takes a regular expression, not {text!r} ({error})."
        ) from None


def check_network(flag: str, text: str) -> None:
    """A network as CIDR, of the flag of this name."""
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise UnknownFlag(
            f"--{flag} takes a network such as 10.0.0.0/8, not {text!r} ({error})."
        ) from None


def check_options(names: Iterable[str]) -> None:
    """Names of options."""
    known = [option.name for option in OPTIONS]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else " docs/options.md lists them."
            raise UnknownFlag(f"--enforce-option takes an option's name, not {name!r}.{hint}")


def check_device(text: str) -> None:
    """Devices as --device takes them."""
    for part in text.split(","):
        number = part.removeprefix("cuda:")
        if text not in ("auto", "cpu") and not (part.startswith("cuda:") and number.isdigit()):
            raise UnknownFlag(f"--device takes auto, cpu or cuda:N[,cuda:M], not {text!r}.")


def check_queue_url(address: Secret) -> None:
    """The address of a queue's server; it may hold a password, and is not told."""
    try:
        check_address(address.reveal())
    except BadAddress as error:
        raise UnknownFlag(f"--queue-url {error}.") from None


def check_workers(least: int, most: int | None) -> None:
    """The numbers of workers; ``most`` None: one a device."""
    if most is not None and least > most:
        raise UnknownFlag(f"--workers-min {least} is more than --workers-max {most}.")


def check_service_name(text: str) -> None:
    """A service's name."""
    if not SERVICE_NAME.fullmatch(text):
        raise UnknownFlag(
            "--service-name takes 1 to 128 letters, digits, _, - and dots, such as sd_async, "
            f"not {text!r}."
        )
