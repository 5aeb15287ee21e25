"""What the match rule is told of a store in Redis, and what it answers."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from webapp.queues.redis.server import text_of
from webapp.queues.scheduler import (
    Account,
    AccountKey,
    Candidate,
    Match,
    Turns,
    find_admissible,
)
from webapp.queues.sharing import RunningJobs, Sharing, count_running, parse_sharing

MAX_CANDIDATES = 1000
"""Groups of owner, priority and checkpoint that a take looks at: those with the oldest frames."""


MAX_IDLE = 100
"""Idle workers among which a put chooses."""


@dataclass(frozen=True, slots=True)
class IdleWorker:
    """A worker that waits: the token of its next lease, the checkpoints in its memory."""

    token: str
    loaded: frozenset[str]


@dataclass(frozen=True, slots=True)
class Backlog:
    """The frames that wait, as of one moment: ids and candidates by index, and the accounts.

    ``running``: how many are leased. ``idle``: who waits, the one that said so last first; only
    where a put asks.
    """

    now: float
    has_expired_leases: bool
    version: int
    candidates: Sequence[Candidate]
    ids: dict[int, str]
    turns: Turns
    running: RunningJobs
    idle: Sequence[IdleWorker] = ()


def backlog_of(reply: Sequence[Any]) -> Backlog:
    """What the acts ``look`` and ``survey`` reply."""
    now, expired, version, candidates, account_rows, round_rows, leased, idle_rows = reply
    accounts: dict[AccountKey, Account] = {
        (int(priority), text_of(owner)): account_of(*fields)
        for priority, owner, *fields in account_rows
    }
    rounds = {int(priority): int(float(turn)) for priority, turn in round_rows}
    parse = cache(sharing_of)  # few texts, of many frames
    return Backlog(
        float(now),
        bool(expired),
        int(version),
        [candidate_of(row, parse) for row in candidates],
        {int(row[1]): text_of(row[0]) for row in candidates},
        Turns(
            lambda priority, owner: accounts.get((priority, owner)),
            lambda priority: rounds.get(priority, 0),
        ),
        count_running((text_of(owner), sharing_of(text)) for owner, text in leased if owner),
        [IdleWorker(token, frozenset(json.loads(facts)["loaded"])) for token, facts in idle_rows],
    )


def choose_idle(backlog: Backlog, checkpoint: str) -> IdleWorker:
    """The worker to hand a frame to: one that has its checkpoint in memory, if there is one.

    Any of them would lease it; the one that said last that it waits is the likeliest to live.
    """
    warm = (each for each in backlog.idle if checkpoint in each.loaded)
    return next(warm, backlog.idle[0])


def advance(backlog: Backlog, match: Match) -> Backlog:
    """The backlog after another worker has taken the same frame by the same rule.

    What waits behind it, of the same owner, priority and checkpoint, is left out.
    """
    before, accounts = backlog.turns, match.accounts
    rounds = {priority: account.round for (priority, _), account in accounts.items()}
    turns = Turns(
        lambda priority, owner: accounts.get((priority, owner)) or before.account(priority, owner),
        lambda priority: max(rounds.get(priority, 0), before.current_round(priority)),
    )
    taken = match.frame
    left = [each for each in backlog.candidates if each is not taken]
    running = backlog.running.and_one(taken.owner, taken.sharing.group)
    version = backlog.version + 1
    return replace(backlog, version=version, candidates=left, turns=turns, running=running)


def top_priority(backlog: Backlog) -> float:
    """The highest priority of what may run now; minus infinity where nothing may."""
    admissible = find_admissible(backlog.candidates, backlog.running)
    return max((each.priority for each in admissible), default=-math.inf)


def is_top_held_back(backlog: Backlog) -> bool:
    """Whether nothing of the highest priority may run: the next ones are to be looked at."""
    top = max((each.priority for each in backlog.candidates), default=-math.inf)
    return top_priority(backlog) < top


def candidate_of(row: Sequence[Any], parse: Callable[[bytes | str], Sharing]) -> Candidate:
    """A frame that waits, from the columns of ``CANDIDATE`` in ``scripts/4_match.lua``."""
    _, index, owner, priority, checkpoint, put_at, predicted, weight, sharing, deadly = row
    return Candidate(
        int(index),
        text_of(owner),
        int(priority),
        text_of(checkpoint),
        float(put_at),
        float(predicted),
        float(weight),
        bool(deadly),
        parse(sharing),
    )


def sharing_of(text: bytes | str | None) -> Sharing:
    """What bounds a frame's owner; nothing where another version has put it."""
    return parse_sharing(text_of(text)) if text else parse_sharing("")


def account_of(deficit: bytes | str, turn: bytes | str, age_override_at: bytes | str) -> Account:
    """An account from the three words of its text in the hash ``turns``."""
    return Account(float(deficit), int(float(turn)), float(age_override_at))


def account_rows(match: Match) -> list[tuple[str, str, float, int, float]]:
    """The accounts that a match leaves, as the act ``claim`` takes them."""
    return [
        (str(priority), owner, account.deficit, account.round, account.age_override_at)
        for (priority, owner), account in match.accounts.items()
    ]
