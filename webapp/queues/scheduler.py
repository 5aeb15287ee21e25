"""The match rule of a queue: which frame runs next. Pure functions that every store uses.

1. **Priority.** The highest priority that waits makes the class that is looked at.
2. **Deficit round robin** over the owners of the class (Shreedhar and Varghese, SIGCOMM 1995), in
   predicted GPU seconds. A round gives every waiting owner a quantum, times their weight; a frame
   is due when its owner's deficit covers it, and a new round comes only when none is. Classes keep
   separate accounts. The round is given to all owners at once, so that step 3 has a choice.
3. **A checkpoint in memory**, among the frames that are due. Then the greatest deficit by weight,
   then the oldest frame.

An owner's oldest frame that has waited longer than the age cap is overdue: it joins the class
whatever its priority, counts as if its checkpoint were in memory, and holds back its owner's other
frames. One of an owner and priority is in an age cap, or an owner's long backlog, all of it old,
would go before whoever comes later, and nothing but its order would count.

A group's weight is for all its waiting members together: each has a part of it by its own weight.
Frames of an owner, or of a group, with as many jobs running as it may have at once are not looked
at; neither is their priority.

Two owners of equal weight who wait all the time are charged GPU seconds that differ by less than
the largest frame and one quantum, whatever their age, and whatever workers hold.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from webapp.queues.sharing import ALONE, NOTHING_RUNS, RunningJobs, Sharing

AGE_CAP = 120.0
"""Seconds of waiting after which an owner's oldest frame is overdue."""

QUANTUM = 30.0
"""GPU seconds that a round gives to an owner of weight 1."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """The oldest waiting frame of one owner, priority and checkpoint."""

    index: int
    owner: str
    priority: int
    checkpoint: str
    put_at: float  # unix seconds
    predicted: float = 1.0  # GPU seconds, > 0
    weight: float = 1.0  # of the owner's plan, > 0
    deadly: bool = False  # workers died of it again: it goes behind all others
    sharing: Sharing = ALONE


@dataclass(frozen=True, slots=True)
class Account:
    """What an owner may still take in a class: its deficit as of a round."""

    deficit: float  # GPU seconds; below 0 where jobs took longer than was predicted
    round: int
    age_override_at: float = 0.0  # unix seconds: when a frame of this class was overdue and ran


AccountKey = tuple[int, str]
"""Priority and owner."""


@dataclass(frozen=True, slots=True)
class Turns:
    """A store's accounts: of a priority and owner, and the round that a priority has come to."""

    account: Callable[[int, str], Account | None]
    current_round: Callable[[int], int]


@dataclass(frozen=True, slots=True)
class MatchTerms:
    """The figures of the rule, see ``AGE_CAP`` and ``QUANTUM``."""

    age_cap: float = AGE_CAP
    quantum: float = QUANTUM


@dataclass(frozen=True, slots=True)
class Match:
    """The frame to run next, and the accounts to store when it is leased."""

    frame: Candidate
    accounts: Mapping[AccountKey, Account]


def choose_next(
    candidates: Iterable[Candidate],
    turns: Turns,
    loaded: Collection[str],
    now: float,
    terms: MatchTerms = MatchTerms(),
    running: RunningJobs = NOTHING_RUNS,
) -> Match | None:
    """The frame to run next by the rule above, or None where nothing waits that may run.

    ``loaded`` are the checkpoints in the worker's memory; any will do for a frame that names none.
    A ``deadly`` frame is taken only when no other waits.
    """
    frames = find_admissible(candidates, running)
    if not frames:
        return None
    top = max(frame.priority for frame in frames)
    overdue = find_overdue(frames, turns, now, terms.age_cap)
    contenders = find_contenders(frames, top, overdue)
    weights = plan_weights(contenders)
    grants = {owner: terms.quantum * weight for owner, weight in weights.items()}
    round_now = turns.current_round(top)
    before = {
        owner: bring_to_round(turns.account(top, owner), round_now, grant)
        for owner, grant in grants.items()
    }
    accounts, due = give_rounds(contenders, before, grants)

    def rank(frame: Candidate) -> tuple[bool, float, int]:
        warm = not frame.checkpoint or frame.checkpoint in loaded
        cold = not warm and frame is not overdue.get(frame.owner)
        return (cold, -accounts[frame.owner].deficit / weights[frame.owner], frame.index)

    best = min(due, key=rank)
    stored = {
        (top, owner): account
        for owner, account in accounts.items()
        if account.round > round_now or owner == best.owner
    }
    payer = accounts[best.owner]
    stored[top, best.owner] = replace(payer, deficit=payer.deficit - best.predicted)
    if best is overdue.get(best.owner):
        key = (best.priority, best.owner)
        own = stored.get(key) or turns.account(*key) or blank_account(turns, best.priority)
        stored[key] = replace(own, age_override_at=now)
    return Match(best, stored)


def find_admissible(candidates: Iterable[Candidate], running: RunningJobs) -> list[Candidate]:
    """Those that may run now: whose owners and groups have fewer jobs running than their limits.

    Of an owner's frames here the newest tells the limits: those of the others are of earlier days.
    """
    frames = list(candidates)
    frames = [frame for frame in frames if not frame.deadly] or frames
    full = {
        owner
        for owner, frame in newest_frames(frames).items()
        if running.fill(owner, frame.sharing)
    }
    return [frame for frame in frames if frame.owner not in full]


def newest_frames(frames: Iterable[Candidate]) -> Mapping[str, Candidate]:
    """Each owner's newest frame."""
    return {frame.owner: frame for frame in sorted(frames, key=lambda frame: frame.index)}


def find_overdue(
    frames: Iterable[Candidate], turns: Turns, now: float, age_cap: float
) -> Mapping[str, Candidate]:
    """Of each owner the oldest frame that age lifts over the order, if there is one.

    It has waited longer than the age cap, and so long ago was the last of its owner and priority.
    """
    overdue: dict[str, Candidate] = {}
    for frame in frames:
        if now - frame.put_at <= age_cap:
            continue
        account = turns.account(frame.priority, frame.owner)
        if account is not None and now - account.age_override_at <= age_cap:
            continue
        older = overdue.get(frame.owner, frame)
        overdue[frame.owner] = min(older, frame, key=lambda each: each.index)
    return overdue


def find_contenders(
    frames: Iterable[Candidate], top: int, overdue: Mapping[str, Candidate]
) -> list[Candidate]:
    """The frames that may run now: an owner's overdue one, or all of the owner's in the class."""
    own = [frame for frame in frames if frame.priority == top and frame.owner not in overdue]
    return [*own, *overdue.values()]


def blank_account(turns: Turns, priority: int) -> Account:
    """An account that comes to one grant when it is used, as a new owner's."""
    return Account(0.0, turns.current_round(priority) - 1)


def bring_to_round(account: Account | None, round_now: int, grant: float) -> Account:
    """An account as it stands in a round.

    Who did not wait when a round was given gets its grant on return, but saves up none: rounds that
    passed meanwhile only pay off what was overdrawn. A new owner has one grant.
    """
    if account is None:
        return Account(grant, round_now)
    missed = round_now - account.round
    if missed <= 0:
        return account
    return replace(account, deficit=min(account.deficit + missed * grant, grant), round=round_now)


def plan_weights(frames: Iterable[Candidate]) -> Mapping[str, float]:
    """Each owner's weight: that of the newest frame, or its part of the group's weight."""
    newest = newest_frames(frames)
    together = Counter[str]()
    for frame in newest.values():
        together[frame.sharing.group] += frame.weight  # type: ignore[assignment]
    return {
        owner: frame.weight * frame.sharing.group_weight / together[frame.sharing.group]
        if frame.sharing.group_weight > 0
        else frame.weight
        for owner, frame in newest.items()
    }


def give_rounds(
    frames: Sequence[Candidate], accounts: Mapping[str, Account], grants: Mapping[str, float]
) -> tuple[Mapping[str, Account], Sequence[Candidate]]:
    """Give as few rounds as make a frame due, none where one is; the accounts and what is due."""
    needed = [
        max(0, math.ceil((frame.predicted - accounts[frame.owner].deficit) / grants[frame.owner]))
        for frame in frames
    ]
    rounds = min(needed)
    after = {
        owner: replace(
            account,
            deficit=account.deficit + rounds * grants[owner],
            round=account.round + rounds,
        )
        for owner, account in accounts.items()
    }
    return after, [frame for frame, wait in zip(frames, needed, strict=True) if wait == rounds]
