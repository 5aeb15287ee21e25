"""What the match rule is told of a store in Redis, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from webapp.queues.redis.server import text_of
from webapp.queues.scheduler import Account, AccountKey, Candidate, Match, Turns

MAX_CANDIDATES = 1000
"""Groups of owner, priority and checkpoint that a take looks at: those with the oldest frames."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The frames that wait, as of one moment: ids and candidates by index, and the accounts."""

    now: float
    has_expired_leases: bool
    version: str
    candidates: Sequence[Candidate]
    ids: dict[int, str]
    turns: Turns


def backlog_of(reply: Sequence[Any]) -> Backlog:
    """What the act ``look`` replies."""
    now, expired, version, candidates, account_rows, round_rows = reply
    accounts: dict[AccountKey, Account] = {
        (int(priority), text_of(owner)): Account(
            float(deficit), int(float(turn)), float(age_override_at)
        )
        for priority, owner, deficit, turn, age_override_at in account_rows
    }
    rounds = {int(priority): int(float(turn)) for priority, turn in round_rows}
    return Backlog(
        float(now),
        bool(expired),
        text_of(version),
        [candidate_of(row) for row in candidates],
        {int(row[1]): text_of(row[0]) for row in candidates},
        Turns(
            lambda priority, owner: accounts.get((priority, owner)),
            lambda priority: rounds.get(priority, 0),
        ),
    )


def candidate_of(row: Sequence[Any]) -> Candidate:
    """A frame that waits, from the columns of ``CANDIDATE`` in ``scripts/4_match.lua``."""
    _, index, owner, priority, checkpoint, put_at, predicted, weight, deadly = row
    return Candidate(
        int(index),
        text_of(owner),
        int(priority),
        text_of(checkpoint),
        float(put_at),
        float(predicted),
        float(weight),
        bool(deadly),
    )


def account_of(text: str) -> Account:
    """An account from its text in the hash ``turns``."""
    deficit, turn, age_override_at = text.split(" ")
    return Account(float(deficit), int(float(turn)), float(age_override_at))


def account_rows(match: Match) -> list[tuple[str, str, float, int, float]]:
    """The accounts that a match leaves, as the act ``claim`` takes them."""
    return [
        (str(priority), owner, account.deficit, account.round, account.age_override_at)
        for (priority, owner), account in match.accounts.items()
    ]
