"""``easel users`` and ``easel tokens``: accounts, without a server."""

import argparse
import os
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from webapp.access.scopes import AccessScope
from webapp.access.secret import Secret
from webapp.accounts.accounts import Accounts, open_accounts
from webapp.accounts.api_tokens import DEFAULT_DAYS, MAX_DAYS, TokenSpec, list_tokens
from webapp.accounts.audit import Actor
from webapp.accounts.errors import AccountsUnusable
from webapp.accounts.groups import list_groups
from webapp.accounts.limits import RANGES, USER, checked_limits, list_limits
from webapp.accounts.passwords import generate_password
from webapp.accounts.roles import TOKEN_SCOPES, Role
from webapp.accounts.users import find_user, list_users, normalize_name
from webapp.errors import NothingThere, Refused
from webapp.jobs.user_jobs import stop_user_jobs
from webapp.queues.errors import QueueError
from webapp.settings.config import UnknownFlag, parse
from webapp.settings.data_dir import CannotUse, open_store, prepare_data_dir
from webapp.settings.passed_flags import EPILOG, accept_flags, show_flag
from webapp.settings.secret_flags import overwrite_secrets

if TYPE_CHECKING:
    from webapp.settings.config import Config

EXIT_DONE, EXIT_FAILED, EXIT_MISUSED = 0, 1, 2
Run = Callable[[argparse.Namespace, Accounts, Actor], None]


def run_users(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """``easel users``; the exit code. 0: done. 1: it could not be done. 2: misused."""
    return _run(users_parser(), argv, environment)


def run_tokens(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """``easel tokens``; the exit code, as :func:`run_users`."""
    return _run(tokens_parser(), argv, environment)


def _run(
    parser: argparse.ArgumentParser, argv: Sequence[str], environment: Mapping[str, str]
) -> int:
    arguments = parser.parse_args(argv)
    try:
        config = parse(arguments.service, environment)
        overwrite_secrets(argv, environment)
        prepare_data_dir(config)
        accounts = open_accounts(config.database_url, config.easel_dir, _taken_names(config))
    except UnknownFlag as error:
        return _report(parser, str(error), EXIT_MISUSED)
    except (CannotUse, AccountsUnusable) as error:
        return _report(parser, str(error), EXIT_FAILED)
    run: Run = arguments.run
    try:
        run(arguments, accounts, Actor(f"command line (uid {os.getuid()})"))
        if run in (disable_user, remove_user):
            stop_jobs(config, arguments.name)
    except Refused as error:
        return _report(parser, error.detail, EXIT_FAILED)
    except (CannotUse, QueueError, OSError, sqlite3.Error) as error:
        return _report(parser, f"It is done, but the user's jobs go on: {error}", EXIT_FAILED)
    finally:
        accounts.close()
    return EXIT_DONE


def stop_jobs(config: "Config", name: str) -> None:
    """End a user's jobs in the service's queue. Raises as :func:`open_store` and the store."""
    store = open_store(config)
    try:
        stop_user_jobs(store, store, store, name)
    finally:
        store.close()


def _taken_names(config: "Config") -> frozenset[str]:
    return frozenset(token.name.lower() for token in config.narrow_tokens)


def users_parser() -> argparse.ArgumentParser:
    """What ``easel users`` understands."""
    parser = argparse.ArgumentParser(prog="easel users", description="Users of the service.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add = _command(commands, "add", "add a user", add_user, named=True)
    add.add_argument("--role", type=_role, default=Role.MEMBER, help=_choices(Role))
    add.add_argument("--group", type=normalize_name, default="", help="that it is in")
    _add_password(add)
    add.add_argument(
        "--no-password", action="store_true", help="one who comes by a proxy or OIDC provider"
    )
    _command(commands, "list", "all users", show_users)
    role = _command(commands, "role", "change a user's role", change_role, named=True)
    role.add_argument("role", type=_role, help=_choices(Role))
    _add_password(_command(commands, "password", "set a new password", set_password, named=True))
    _command(commands, "disable", "let a user in no longer", disable_user, named=True)
    _command(commands, "enable", "let a user in again", enable_user, named=True)
    _command(commands, "logout", "end all logins of a user", end_logins, named=True)
    _command(commands, "remove", "remove a user; its pictures stay", remove_user, named=True)
    group = _command(commands, "group", "put a user into a group", change_group, named=True)
    group.add_argument("group", type=normalize_name, nargs="?", default="", help="default: none")
    _command(commands, "groups", "all groups", show_groups)
    _command(commands, "add-group", "add a group of users", add_group, named=True)
    _command(commands, "remove-group", "remove a group; its users stay", remove_group, named=True)
    limit = _command(commands, "limit", "set what a user, group or role may take", set_limits)
    limit.add_argument("whom", metavar="WHOM", help="NAME, group:NAME or role:NAME")
    limit.add_argument(
        "limits", metavar="LIMIT=NUMBER", nargs="*", type=_limit,
        help=f"in place of those before: {', '.join(RANGES)}",
    )  # fmt: skip
    _command(commands, "limits", "what users, groups and roles may take", show_limits)
    return parser


def tokens_parser() -> argparse.ArgumentParser:
    """What ``easel tokens`` understands."""
    parser = argparse.ArgumentParser(prog="easel tokens", description="API tokens of users.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add = _command(commands, "add", "make an API token of a user", add_token, named=True)
    add.add_argument(
        "--scope", type=AccessScope, action="append", choices=TOKEN_SCOPES, dest="scopes",
        metavar="SCOPE", help=f"repeatable: {', '.join(TOKEN_SCOPES)}; default: generate",
    )  # fmt: skip
    add.add_argument("--label", default="command line", help="what it is for")
    add.add_argument("--days", type=_days, default=DEFAULT_DAYS, help=f"default: {DEFAULT_DAYS}")
    _command(commands, "list", "a user's tokens", show_tokens, named=True)
    revoke = _command(commands, "revoke", "end a token", revoke_token, named=True)
    revoke.add_argument("id", metavar="ID", help="as easel tokens list tells it")
    return parser


def add_user(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """Add; prints a password that was made."""
    password = None if arguments.no_password else _new_password(arguments)
    accounts.add_user(actor, arguments.name, arguments.role, password, arguments.group)
    print(f"{arguments.name} is {arguments.role}.")
    _tell_made(arguments, password)


def set_password(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """Another password; prints it where it was made."""
    password = _new_password(arguments)
    accounts.change_user(actor, arguments.name, password=password)
    _tell_made(arguments, password)


def show_users(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """A line each."""
    for user in list_users(accounts.database):
        print(f"{user.name}\t{user.role}\t{'enabled' if user.is_enabled else 'disabled'}")


def change_role(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """Another role."""
    accounts.change_user(actor, arguments.name, role=arguments.role)


def disable_user(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """Out at once."""
    accounts.change_user(actor, arguments.name, disabled=True)


def enable_user(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """In again."""
    accounts.change_user(actor, arguments.name, disabled=False)


def end_logins(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """All of them."""
    print(f"{accounts.revoke_logins(actor, arguments.name)} ended.")


def change_group(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """Into a group, or out of it."""
    accounts.set_group(actor, arguments.name, arguments.group)


def add_group(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """A new one, without members."""
    accounts.add_group(actor, arguments.name)


def remove_group(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """Its limits go with it."""
    accounts.remove_group(actor, arguments.name)


def show_groups(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """A line each."""
    for group in list_groups(accounts.database):
        print(f"{group.name}\t{' '.join(group.members)}")


def set_limits(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """All that is said of one."""
    kind, _, name = arguments.whom.rpartition(":")
    values = checked_limits(kind or USER, dict(arguments.limits))
    accounts.set_limits(actor, kind or USER, normalize_name(name), values)


def show_limits(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """A line each."""
    for one in list_limits(accounts.database):
        told = " ".join(f"{name}={value:g}" for name, value in one.limits.told().items())
        print(f"{one.name if one.kind == USER else f'{one.kind}:{one.name}'}\t{told}")


def remove_user(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """The name stays taken."""
    accounts.remove_user(actor, arguments.name)


def add_token(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """Print the token: it is told this once."""
    scopes = tuple(arguments.scopes or (AccessScope.GENERATE,))
    spec = TokenSpec(arguments.label, scopes, arguments.days)
    secret, made = accounts.add_token(actor, arguments.name, spec)
    print(secret.reveal())
    until = f"until {_date(made.expires)}" if made.expires else "without end"
    print(f"For {', '.join(made.scopes)}, {until}; kept as a digest alone.", file=sys.stderr)


def show_tokens(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """A line each."""
    user = find_user(accounts.database, arguments.name)
    if user is None:
        raise NothingThere(f"There is no user {arguments.name!r}.")
    for one in list_tokens(accounts.database, user):
        until = _date(one.expires) if one.expires else "never"
        print(f"{one.id}\t{' '.join(one.scopes)}\tends {until}\t{one.label}")


def revoke_token(arguments: argparse.Namespace, accounts: Accounts, actor: Actor) -> None:
    """At once."""
    accounts.revoke_token(actor, arguments.name, arguments.id)


def _command(
    commands: Any, name: str, text: str, run: Run, *, named: bool = False
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, epilog=EPILOG, allow_abbrev=False,
        conflict_handler="resolve",
    )  # fmt: skip
    accept_flags(command)
    show_flag(command, "data-dir", "whose accounts")
    show_flag(command, "database-url", "where accounts are kept, if not there")
    show_flag(command, "queue-url", "where jobs wait, if not there")
    if named:
        command.add_argument("name", metavar="NAME", type=normalize_name, help="of the user")
    command.set_defaults(run=run)
    return command


def _add_password(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--password-stdin", action="store_true",
        help="read the password from standard input; else one is made and printed",
    )  # fmt: skip


def _new_password(arguments: argparse.Namespace) -> Secret:
    if arguments.password_stdin:
        return Secret(sys.stdin.readline().rstrip("\r\n"))
    return generate_password()


def _tell_made(arguments: argparse.Namespace, password: Secret | None) -> None:
    if password is not None and not arguments.password_stdin:
        print(f"Password, told this once: {password.reveal()}")


def _days(text: str) -> float | None:
    if text == "never":
        return None
    with suppress(ValueError):
        if 0 < (days := float(text)) <= MAX_DAYS:
            return days
    raise argparse.ArgumentTypeError(
        f"{text!r}: days above 0, up to {MAX_DAYS:,}, or never are expected"
    )


def _limit(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        return name, float(number)
    except ValueError:
        message = f"{text!r}: a limit and a number are expected, such as running_jobs=2"
        raise argparse.ArgumentTypeError(message) from None


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        message = f"{text!r}: one of {_choices(Role)} is expected"
        raise argparse.ArgumentTypeError(message) from None


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _choices(kind: type[Role]) -> str:
    return ", ".join(kind)


def _report(parser: argparse.ArgumentParser, text: str, code: int) -> int:
    print(f"{parser.prog}: {text}", file=sys.stderr)
    return code
