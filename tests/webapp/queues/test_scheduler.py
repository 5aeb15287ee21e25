"""The match rule, without a store."""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, count
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from webapp.queues.scheduler import (
    Account,
    AccountKey,
    Candidate,
    Match,
    MatchTerms,
    Turns,
    choose_next,
    plan_weights,
)
from webapp.queues.sharing import RunningJobs, Sharing

NOW = 10_000.0
TERMS = MatchTerms(age_cap=120.0, quantum=10.0)
CHECKPOINTS = ("", "one", "two", "three")
ROUNDING = 1e-6
weights = st.lists(st.sampled_from([0.25, 1.0, 1.0, 1.0, 3.0]), min_size=2, max_size=5)
randoms = st.randoms(use_true_random=False)
quanta = st.floats(0.5, 60.0)
largest_jobs = st.floats(0.1, 200.0)


@dataclass
class Book:
    """The accounts of a store, in memory."""

    terms: MatchTerms = TERMS
    accounts: dict[AccountKey, Account] = field(default_factory=dict)

    def look(
        self, frames: Iterable[Candidate], loaded: Collection[str] = (), now: float = NOW
    ) -> Match | None:
        return choose_next(frames, Turns(self.read, self.current_round), loaded, now, self.terms)

    def take(
        self, frames: Iterable[Candidate], loaded: Collection[str] = (), now: float = NOW
    ) -> Candidate:
        match = self.look(frames, loaded, now)
        assert match is not None
        self.accounts.update(match.accounts)
        return match.frame

    def read(self, priority: int, owner: str) -> Account | None:
        return self.accounts.get((priority, owner))

    def current_round(self, priority: int) -> int:
        rounds = (each.round for key, each in self.accounts.items() if key[0] == priority)
        return max(rounds, default=0)


class Backlogs:
    """Owners, each with a frame for each checkpoint at any time, as if none ever ran out."""

    def __init__(self, random: Random, shares: Sequence[float], largest: float) -> None:
        self.random, self.largest = random, largest
        self.shares = {f"owner {number}": share for number, share in enumerate(shares)}
        self.numbers = count(1)
        self.now = NOW
        self.heads = {(owner, name): self.new(owner, name)
                      for owner in self.shares for name in CHECKPOINTS}  # fmt: skip
        self.charged = dict.fromkeys(self.shares, 0.0)

    def new(self, owner: str, checkpoint: str) -> Candidate:
        waited, cost = self.random.uniform(0, 300), self.random.uniform(0.01, self.largest)
        share = self.shares[owner]
        return Candidate(next(self.numbers), owner, 0, checkpoint, self.now - waited, cost, share)

    def take(self, book: Book, present: Collection[str]) -> None:
        """One worker, which holds something, takes a frame of those who are present."""
        frames = [frame for frame in self.heads.values() if frame.owner in present]
        loaded = self.random.sample(CHECKPOINTS, self.random.randint(0, 2))
        taken = book.take(frames, loaded, self.now)
        self.heads[taken.owner, taken.checkpoint] = self.new(taken.owner, taken.checkpoint)
        self.charged[taken.owner] += taken.predicted  # type: ignore[assignment]
        self.now += self.random.uniform(0, 20)

    def by_weight(self, owner: str) -> float:
        return self.charged[owner] / self.shares[owner]


@given(weights, randoms, quanta, largest_jobs)
def test_owners_who_always_wait_get_gpu_seconds_by_their_weights(
    shares: list[float], random: Random, quantum: float, largest: float
) -> None:
    """Whatever workers hold and however long frames have waited; at every moment."""
    backlogs, book = Backlogs(random, shares, largest), Book(MatchTerms(120.0, quantum))
    for _ in range(60):
        backlogs.take(book, backlogs.shares)
        for one, other in combinations(backlogs.shares, 2):
            least = min(backlogs.shares[one], backlogs.shares[other])
            difference = abs(backlogs.by_weight(one) - backlogs.by_weight(other))
            assert difference <= largest / least + quantum + ROUNDING


@given(weights, randoms, quanta, largest_jobs)
def test_who_comes_and_goes_gets_no_more_than_who_always_waits(
    shares: list[float], random: Random, quantum: float, largest: float
) -> None:
    backlogs, book = Backlogs(random, shares, largest), Book(MatchTerms(120.0, quantum))
    steady, *others = backlogs.shares
    for _ in range(60):
        backlogs.take(book, {steady, *random.sample(others, random.randint(0, len(others)))})
        bound = largest / backlogs.shares[steady] + quantum + ROUNDING
        for other in others:
            assert backlogs.by_weight(other) - backlogs.by_weight(steady) <= bound


@given(st.integers(1, 4), randoms, st.floats(0.1, 4.0))
def test_no_frame_starves(rivals: int, random: Random, quantum: float) -> None:
    """A large cold frame of low priority, where small warm ones of high priority never end."""
    terms = MatchTerms(age_cap=5.0, quantum=quantum)
    book, numbers, now = Book(terms), count(2), NOW
    victim = Candidate(1, "owner 0", 0, "cold", NOW, 1.0)
    rounds = math.ceil(1.0 / quantum) + 1
    latest = NOW + terms.age_cap + 1.0 + rounds * rivals * (1.0 + quantum)
    taken = None
    while taken != victim:
        assert now <= latest
        frames = [
            Candidate(next(numbers), f"owner {number}", 9, "warm", now, random.uniform(0.25, 1))
            for number in range(rivals)
        ]
        taken = book.take([victim, *frames], {"warm"}, now)
        now += taken.predicted


candidates = st.lists(
    st.builds(
        Candidate,
        index=st.integers(1, 1000),
        owner=st.sampled_from("abc"),
        priority=st.integers(-2, 2),
        checkpoint=st.sampled_from(CHECKPOINTS),
        put_at=st.floats(NOW - 300, NOW),
        predicted=st.floats(0.01, 100),
        deadly=st.booleans(),
    ),
    min_size=1,
    unique_by=lambda frame: frame.index,
)
books = st.builds(
    Book,
    accounts=st.dictionaries(
        st.tuples(st.integers(-2, 2), st.sampled_from("abc")),
        st.builds(Account, st.floats(-50, 20), st.integers(0, 3), st.floats(NOW - 300, NOW)),
    ),
)


@given(candidates, books, st.sets(st.sampled_from(CHECKPOINTS)))
def test_priority_is_respected_below_the_age_cap(
    frames: list[Candidate], book: Book, loaded: set[str]
) -> None:
    taken = book.take(frames, loaded)
    others = [frame for frame in frames if not frame.deadly]
    assert taken.deadly == (not others)
    top = max(frame.priority for frame in others or frames)
    assert taken.priority == top or NOW - taken.put_at > TERMS.age_cap


@given(candidates, books, randoms)
def test_the_choice_does_not_depend_on_the_order_of_listing(
    frames: list[Candidate], book: Book, random: Random
) -> None:
    shuffled = frames[:]
    random.shuffle(shuffled)
    assert book.look(frames) == book.look(shuffled)


@given(
    candidates,
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 3)),
    st.dictionaries(st.sampled_from("abc"), st.builds(Sharing, st.sampled_from(["", "g"]),
                    most_running=st.integers(0, 3), most_running_of_group=st.integers(0, 5))),
)  # fmt: skip
def test_nobody_runs_more_than_the_limits_and_somebody_runs_where_they_allow_it(
    frames: list[Candidate], owners: dict[str, int], sharings: dict[str, Sharing]
) -> None:
    frames = [replace(each, sharing=sharings.get(each.owner, Sharing())) for each in frames]
    of_group = sum(n for name, n in owners.items() if sharings.get(name, Sharing()).group)
    running = RunningJobs(owners, {"g": of_group})
    shown = [each for each in frames if not each.deadly] or frames
    room = {each.owner for each in shown if not running.fill(each.owner, each.sharing)}
    match = choose_next(frames, Turns(lambda *_: None, lambda _: 0), (), NOW, TERMS, running)
    assert (match is None) == (not room)
    assert match is None or match.frame.owner in room


def test_a_groups_members_have_its_weight_among_those_who_wait() -> None:
    def weight(*owners: str) -> dict[str, float]:
        shared = {"a": Sharing("g", 2.0), "b": Sharing("g", 2.0), "c": Sharing()}
        frames = [
            Candidate(number, owner, 0, "", NOW, weight=1.0 + number, sharing=shared[owner])
            for number, owner in enumerate(owners)
        ]
        return dict(plan_weights(frames))

    assert weight("a", "b", "c") == {"a": 2 / 3, "b": 4 / 3, "c": 3.0}
    assert weight("a", "c") == {"a": 2.0, "c": 2.0}


def test_nothing_waits() -> None:
    assert Book().look([]) is None


def test_a_loaded_checkpoint_goes_first_among_owners_who_are_due() -> None:
    cold = Candidate(1, "a", 0, "one", NOW, 5.0)
    warm = Candidate(2, "b", 0, "two", NOW, 5.0)
    assert Book().take([cold, warm], {"two"}) == warm
    book = Book(accounts={(0, "b"): Account(4.9, 0)})  # its deficit does not cover it
    assert book.take([cold, warm], {"two"}) == cold


def test_a_frame_older_than_the_age_cap_counts_as_loaded_and_holds_its_owners_others_back() -> None:
    old = Candidate(1, "a", 0, "one", NOW - 121, 5.0)
    warm = Candidate(2, "a", 0, "two", NOW, 5.0)
    assert Book().take([old, warm], {"two"}) == old
    large = Candidate(1, "a", 0, "one", NOW - 121, 15.0)
    other = Candidate(3, "b", 0, "three", NOW, 5.0)
    book = Book()
    assert [book.take([large, warm, other], {"two"}) for _ in range(3)] == [other, other, large]


def test_age_lifts_one_frame_of_an_owner_over_a_higher_priority_in_an_age_cap() -> None:
    old = [Candidate(number, "a", 0, "", NOW - 200) for number in (1, 2)]
    urgent = Candidate(3, "b", 5, "", NOW)
    book = Book()
    assert book.take([*old, urgent]) == old[0]
    assert book.take([old[1], urgent]) == urgent
    assert book.take([old[1], urgent], now=NOW + 119) == urgent
    assert book.take([old[1], urgent], now=NOW + 121) == old[1]


def test_an_owners_cold_frames_run_though_warm_ones_of_theirs_never_end() -> None:
    book, numbers, now = Book(), count(100), NOW
    cold = [Candidate(number, "a", 0, "cold", NOW) for number in range(5)]
    for _ in range(5 * 13):
        now += 10
        taken = book.take([*cold, Candidate(next(numbers), "a", 0, "warm", now)], {"warm"}, now)
        if taken.checkpoint == "cold":
            assert taken == cold.pop(0)
    assert not cold  # one in an age cap of 120 s


def test_a_new_owner_has_one_quantum_and_is_next() -> None:
    book = Book()
    ann = Candidate(1, "ann", 0, "", NOW, 4.0)
    for _ in range(7):
        book.take([ann])
    bob = Candidate(2, "bob", 0, "", NOW, 4.0)
    assert [book.take([ann, bob]).owner for _ in range(3)] == ["bob", "bob", "ann"]


def test_what_was_overdrawn_is_paid_off_by_rounds_and_none_are_saved_up() -> None:
    ann, bob = (Candidate(number, name, 0, "", NOW, 10.0) for number, name in enumerate(("a", "b")))
    book = Book(accounts={(0, "a"): Account(-25.0, 0), (0, "b"): Account(10.0, 0)})
    assert [book.take([ann, bob]).owner for _ in range(6)] == [*"bbbbab"]
    book = Book(accounts={(0, "a"): Account(-25.0, 0), (0, "b"): Account(0.0, 99)})
    assert [book.take([ann, bob]).owner for _ in range(4)] == [*"aaba"]


def test_the_newest_frame_tells_the_weight() -> None:
    frames = [Candidate(1, "a", 0, "one", NOW, 30.0, weight=1.0),
              Candidate(2, "a", 0, "two", NOW, 30.0, weight=4.0),
              Candidate(3, "b", 0, "one", NOW, 30.0)]  # fmt: skip
    assert Book().take(frames, {"one"}).owner == "a"


def test_a_deadly_frame_is_behind_all_others_whatever_its_age() -> None:
    deadly = Candidate(1, "a", 9, "", NOW - 10_000, deadly=True)
    other = Candidate(2, "b", -9, "cold", NOW)
    assert Book().take([deadly, other]) == other
    assert Book().take([deadly]) == deadly
