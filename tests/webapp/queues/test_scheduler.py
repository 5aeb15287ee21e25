"""The match rule, without a store."""

from hypothesis import given
from hypothesis import strategies as st

from webapp.queues.scheduler import Candidate, OwnerUsage, choose_next, decay, is_starving

NOW = 10_000.0
candidates = st.lists(
    st.builds(
        Candidate,
        index=st.integers(1, 1000),
        owner=st.sampled_from("abc"),
        priority=st.integers(-2, 2),
        checkpoint=st.sampled_from(["", "one", "two"]),
        put_at=st.floats(NOW - 300, NOW),
    ),
    min_size=1,
    unique_by=lambda frame: frame.index,
)
accounts = st.fixed_dictionaries(
    {name: st.builds(OwnerUsage, st.floats(0, 1000), st.floats(NOW - 300, NOW)) for name in "abc"}
)


def test_nothing_waits() -> None:
    assert choose_next([], lambda owner: OwnerUsage(), (), NOW) is None


@given(candidates, accounts, st.sets(st.sampled_from(["one", "two"])))
def test_the_choice_is_best_at_the_first_rule_that_tells(
    frames: list[Candidate], books: dict[str, OwnerUsage], loaded: set[str]
) -> None:
    best = choose_next(frames, books.__getitem__, loaded, NOW)
    assert best in frames
    starving = [f for f in frames if is_starving(f, books[f.owner], NOW)]
    if starving:
        assert best == min(starving, key=lambda f: f.index)
        return
    top = [f for f in frames if f.priority == max(g.priority for g in frames)]
    assert best in top
    least = min(books[f.owner].gpu_seconds for f in top)
    poorest = [f for f in top if books[f.owner].gpu_seconds == least]
    assert best in poorest
    warm = [f for f in poorest if f.checkpoint in loaded | {""} or NOW - f.put_at > 120]
    assert best == min(warm or poorest, key=lambda f: f.index)


@given(candidates, accounts, st.randoms())
def test_the_choice_does_not_depend_on_the_order_of_listing(
    frames: list[Candidate], books: dict[str, OwnerUsage], random: object
) -> None:
    shuffled = frames[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert choose_next(frames, books.get, (), NOW) == choose_next(shuffled, books.get, (), NOW)  # type: ignore[arg-type]


def test_an_owner_rides_once_per_age_cap() -> None:
    frame = Candidate(1, "a", 0, "", NOW - 200)
    assert is_starving(frame, OwnerUsage(age_override_at=NOW - 121), NOW, 120)
    assert not is_starving(frame, OwnerUsage(age_override_at=NOW - 119), NOW, 120)
    assert not is_starving(Candidate(1, "a", 0, "", NOW - 119), OwnerUsage(), NOW, 120)


def test_a_deadly_frame_is_behind_all_others_and_never_starves() -> None:
    deadly = Candidate(1, "a", 9, "", NOW - 10_000, deadly=True)
    other = Candidate(2, "b", -9, "cold", NOW)
    assert choose_next([deadly, other], lambda owner: OwnerUsage(), (), NOW) == other
    assert choose_next([deadly], lambda owner: OwnerUsage(), (), NOW) == deadly
    assert not is_starving(deadly, OwnerUsage(), NOW)


def test_what_was_used_an_hour_ago_counts_half() -> None:
    assert decay(8.0, 0) == 8.0
    assert decay(8.0, 3600) == 4.0
    assert decay(8.0, -5) == 8.0  # a clock that was set back
