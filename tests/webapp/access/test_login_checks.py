"""Streams ask whether their caller may stay: often, the accounts seldom."""

from typing import Any

import pytest

from tests.wait import Clock
from webapp.access import login_checks
from webapp.access.credentials import Caller
from webapp.access.login_checks import LoginChecks
from webapp.errors import Unavailable

ANN, BOB = Caller("ann", key="login/1"), Caller("bob", key="login/2")


class Accounts:
    """Notes who is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gone: set[str] = set()
        self.is_away = False

    def recheck(self, caller: Caller) -> Caller | None:
        self.asked.append(caller.name)
        if self.is_away:
            raise Unavailable("away", 5)
        return None if caller.name in self.gone else caller


def test_all_streams_of_a_caller_ask_once_a_second() -> None:
    accounts, clock = Accounts(), Clock()
    source: Any = accounts
    checks = LoginChecks(source, clock)
    for _ in range(4):
        assert checks.may_stay(ANN)
        assert checks.may_stay(BOB)
        clock.skip(0.4)
    assert accounts.asked == ["ann", "bob"] * 2
    accounts.gone.add("ann")
    assert checks.may_stay(ANN)
    clock.skip(1.0)
    assert not checks.may_stay(ANN)
    assert not checks.may_stay(ANN)  # a no is not kept: the user may be let in again
    accounts.gone.clear()
    assert checks.may_stay(ANN)


def test_nobody_stays_while_the_accounts_cannot_be_read() -> None:
    accounts, clock = Accounts(), Clock()
    source: Any = accounts
    checks = LoginChecks(source, clock)
    assert checks.may_stay(ANN)
    accounts.is_away = True
    clock.skip(1.0)
    assert not checks.may_stay(ANN)


def test_callers_who_have_left_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_checks, "MAX_KEPT", 10)
    source: Any = Accounts()
    clock = Clock()
    checks = LoginChecks(source, clock)
    for number in range(100):
        assert checks.may_stay(Caller(f"u{number}"))
        clock.skip(0.5)
    assert len(checks._good_until) <= 11
