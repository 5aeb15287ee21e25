"""What scripts draw with: arguments at the door, progress, limits, and drawings made one."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generator.errors import BadRequest
from generator.hooks import Tools, ignore_progress
from generator.request import (
    Aside,
    Generation,
    GenerationRequest,
    HiresFix,
    Progress,
    Sampling,
    Seeds,
    Snapshot,
    Stop,
)
from generator.scripts import sequence
from generator.scripts.catalogue import SCRIPTS, Argument, ArgumentKind, ScriptEntry, read_script
from generator.scripts.changes import PARTS, change_field, change_nothing, change_part
from generator.scripts.picture_count import LONGEST_TEXT, check_script
from generator.scripts.request_facts import differing_facts, facts_of
from generator.scripts.run import run as run_script
from generator.scripts.script_draw import (
    MOST_PICTURES,
    ScriptDraw,
    add_sheets,
    check_count,
    derive_seed,
    join_generations,
)
from tests.generator.scripts.fake_painter import (
    FakePainter,
    default_arguments,
    script_request,
)

PLAIN = GenerationRequest("a cat", Seeds(7), width=64, height=64)
json_values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10),
    st.lists(st.text(max_size=5), max_size=3), st.dictionaries(st.text(max_size=3), st.integers()),
)  # fmt: skip
entries = st.sampled_from([(route, entry) for route in SCRIPTS for entry in SCRIPTS[route]])


@given(entries, st.data())
@settings(max_examples=25)
def test_any_value_of_an_argument_is_read_as_its_kind_or_refused_by_its_place(entry, data) -> None:
    route, script = entry
    place = data.draw(st.integers(0, len(script.arguments) - 1))
    arguments = [argument.default for argument in script.arguments]
    arguments[place] = data.draw(json_values)
    try:
        value = read_script(script.title, arguments, route).arguments[place]
    except BadRequest as error:
        refusal = error
    else:
        wanted = script.arguments[place]
        if wanted.kind is ArgumentKind.WHOLE:
            assert type(value) is int
        if wanted.kind is ArgumentKind.LIST:
            assert isinstance(value, tuple)
        if wanted.kind is ArgumentKind.WORD:
            assert value in wanted.words
        if wanted.least is not None and value is not None:
            assert wanted.least <= value <= wanted.most
        return
    assert refusal.field == "script_args"
    assert f"script_args[{place}]" in str(refusal)


@given(entries, st.data())
@settings(max_examples=25)
def test_a_null_is_the_default(entry, data) -> None:
    route, script = entry
    place = data.draw(st.integers(0, len(script.arguments) - 1))
    arguments = [argument.default for argument in script.arguments]
    usual = read_script(script.title, arguments, route).arguments[place]
    arguments[place] = None
    found = read_script(script.title, arguments, route).arguments[place]
    if script.arguments[place].kind is ArgumentKind.LIST:
        assert found == ()
    elif script.arguments[place].kind is not ArgumentKind.PLACE:
        assert found == usual


@pytest.mark.parametrize(
    ("argument", "value", "read"),
    [
        (Argument("n", 1, ArgumentKind.WHOLE, 0, 9), 3.0, 3),
        (Argument("n", 1, ArgumentKind.NUMBER, 0, 9), 3, 3),
        (Argument("n", 1, ArgumentKind.NUMBER), -1e9, -1e9),
        (Argument("n", "a", ArgumentKind.PLACE, words=("a", "b")), 1, "b"),
        (Argument("n", "a", ArgumentKind.PLACE, words=("a",), open=True), 7, 7),
        (Argument("n", "a", ArgumentKind.PLACE, words=("a",), open=True), "z", "z"),
        (Argument("n", (), ArgumentKind.LIST), ["x", "y"], ("x", "y")),
        (Argument("n", (), ArgumentKind.LIST), "", ()),
        (Argument("n", True, ArgumentKind.SWITCH), 0, 0),
        (Argument("", "hint", ArgumentKind.HINT), {"any": 1}, {"any": 1}),
    ],
)
def test_a_plugins_script_has_arguments_of_every_kind(argument, value, read) -> None:
    entry = ScriptEntry("mine", (argument,))
    assert read_script("MINE", [value], "txt2img", [entry]).arguments == (read,)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        (Argument("n", 1, ArgumentKind.WHOLE, 0, 9), 3.5),
        (Argument("n", 1, ArgumentKind.WHOLE), True),
        (Argument("n", 1, ArgumentKind.NUMBER), 10**400),
        (Argument("n", 1, ArgumentKind.NUMBER), float("inf")),
        (Argument("n", "a", ArgumentKind.PLACE, words=("a", "b")), 2),
        (Argument("n", "a", ArgumentKind.PLACE, words=("a", "b")), -1),
        (Argument("n", "a", ArgumentKind.PLACE, words=("a",)), True),
        (Argument("n", (), ArgumentKind.LIST, words=("a",)), ["b"]),
        (Argument("n", (), ArgumentKind.LIST), 3),
        (Argument("n", "", ArgumentKind.TEXT), 3),
    ],
)
def test_what_an_argument_cannot_be_is_told_with_its_label(argument, value) -> None:
    with pytest.raises(BadRequest, match=r"script_args\[0\], 'n': "):
        read_script("mine", [value], "txt2img", [ScriptEntry("mine", (argument,))])


def test_ours_come_before_a_plugins_script_of_the_same_name() -> None:
    thief = ScriptEntry("prompt matrix", ())
    arguments = default_arguments("prompt matrix")
    assert len(read_script("prompt matrix", arguments, "txt2img", [thief]).arguments) == 5


def test_a_plot_takes_the_fewer_arguments_of_its_earlier_versions() -> None:
    found = read_script("x/y/z plot", ["Steps", "1,2"], "txt2img")
    assert found.arguments[:2] == ("Steps", "1,2")
    assert len(found.arguments) == len(default_arguments("x/y/z plot"))


@pytest.mark.parametrize("pictures", [0, 1, MOST_PICTURES])
def test_as_many_pictures_as_a_request_may_have_are_let_in(pictures: int) -> None:
    check_count(pictures)
    with pytest.raises(BadRequest, match="1,001 pictures"):
        check_count(MOST_PICTURES + 1)


def test_a_text_argument_is_bounded() -> None:
    fine = script_request(
        "prompts from file or textbox", [False, False, "start", "x" * LONGEST_TEXT]
    )
    check_script(fine)
    with pytest.raises(BadRequest, match="500,001 characters"):
        check_script(
            script_request("prompts from file or textbox", [False, False, "start", "x" * 500_001])
        )


def drawing(count: int, **changes: object) -> Generation:
    painter = FakePainter()
    return replace(painter(replace(PLAIN, batch_size=count), ignore_progress), **changes)


def aside(number: int) -> Aside:
    return Aside(Image.new("RGB", (1, 1)), number, "mask")


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5))
@settings(max_examples=25)
def test_joined_drawings_keep_every_picture_and_whose_aside_it_was(counts: list[int]) -> None:
    parts = [
        drawing(count, asides=tuple(map(aside, range(count))), comments=("same", str(count)))
        for count in counts
    ]
    joined = join_generations(parts)
    assert len(joined.pictures) == sum(counts)
    assert [each.picture for each in joined.asides] == list(range(sum(counts)))
    assert joined.seconds == pytest.approx(len(counts))
    assert joined.comments == tuple(dict.fromkeys(["same", *map(str, dict.fromkeys(counts))]))


def test_joined_drawings_are_stopped_where_one_was_and_tell_all_parameters() -> None:
    parts = [
        drawing(1, extra_parameters={"a": 1, "b": 1}),
        drawing(1, extra_parameters={"b": 2}, stopped=True),
    ]
    joined = join_generations(parts)
    assert joined.stopped
    assert joined.extra_parameters == {"a": 1, "b": 2}
    assert not join_generations(parts[:1]).stopped


def test_composed_pictures_leave_out_what_stood_beside_the_drawn_ones() -> None:
    parts = [drawing(1, asides=(aside(0),), maps=(Image.new("RGB", (1, 1)),))]
    assert len(join_generations(parts).maps) == 1
    composed = join_generations(parts, pictures=())
    assert (composed.maps, composed.asides, composed.pictures) == ((), (), ())


@pytest.mark.parametrize("wanted", [True, False])
def test_sheets_are_shown_or_kept_as_the_option_says(wanted: bool) -> None:
    sheet = Image.new("RGB", (2, 2))
    request = replace(PLAIN, options=Snapshot(return_grid=wanted))
    found = add_sheets(drawing(1), request, sheet)
    assert (found.grids, found.unshown_grids) == (((sheet,), ()) if wanted else ((), (sheet,)))


@given(st.integers(-(2**63), 2**63), st.integers(0, 10**6), st.integers(0, 10**6))
@settings(max_examples=25)
def test_derived_seeds_are_32_bits_and_the_same_again(seed: int, one: int, other: int) -> None:
    assert derive_seed(seed, one) == derive_seed(seed, one)
    assert 0 <= derive_seed(seed, one) < 2**32
    assert one == other or derive_seed(seed, one) != derive_seed(seed, other)


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=6))
@settings(max_examples=25)
def test_progress_counts_the_batches_of_all_drawings(jobs: list[tuple[int, bool]]) -> None:
    seen: list[Progress] = []

    def once(request: GenerationRequest, watch) -> Generation:
        for batch in range(request.batches):
            watch(Progress("job", batch, request.batches, 0, 1), None)
        return drawing(request.batches)

    requests = [
        replace(PLAIN, batches=batches, hires=HiresFix(0.5) if hires else None)
        for batches, hires in jobs
    ]
    draw = ScriptDraw(once, lambda progress, preview: seen.append(progress) or Stop.NO)
    sequence.run(requests, draw)
    total = sum(batches * (2 if hires else 1) for batches, hires in jobs)
    assert {progress.batches for progress in seen} == {total}
    places = [progress.batch for progress in seen]
    assert places == sorted(set(places))
    assert places[-1] < total


def test_a_script_is_not_run_again_by_what_it_draws() -> None:
    painter = FakePainter()
    ScriptDraw(painter, ignore_progress)(script_request("prompt matrix", []))
    assert painter.requests[0].script is None


def test_a_sequence_ends_at_an_interrupt() -> None:
    painter = FakePainter()
    found = sequence.run([PLAIN] * 3, ScriptDraw(painter, lambda *_: Stop.INTERRUPT))
    assert (len(painter.requests), found.stopped) == (1, True)


def test_a_script_that_is_gone_is_refused_and_a_plugins_one_is_run() -> None:
    def script(request: GenerationRequest, arguments: tuple, draw: ScriptDraw) -> Generation:
        return draw(replace(request, prompt=arguments[0]))

    painter, asked = FakePainter(), script_request("mine", ["other"])
    with pytest.raises(BadRequest, match="'mine' is not there; its plugin"):
        run_script(asked, painter, ignore_progress)
    run_script(asked, painter, ignore_progress, tools=Tools(scripts={"mine": script}))
    assert [each.prompt for each in painter.requests] == ["other"]


def test_names_are_resolved_before_a_checkpoint_is_looked_for() -> None:
    draw = ScriptDraw(FakePainter(), ignore_progress, find_checkpoint=str.upper)
    assert draw.resolve_request_names(replace(PLAIN, checkpoint="part")).checkpoint == "PART"
    assert draw.resolve_request_names(PLAIN).checkpoint == ""
    with pytest.raises(BadRequest, match="Unknown sampler: Gone") as refusal:
        draw.resolve_request_names(replace(PLAIN, sampling=Sampling("Gone")))
    assert refusal.value.field == "script_args"


def test_facts_of_a_request_that_differ_are_told_and_no_others() -> None:
    inner = replace(PLAIN, sampling=Sampling(steps=3), seeds=Seeds(9), hires=HiresFix(0.4))
    assert differing_facts(PLAIN, inner) == {"steps": 3, "seed": 9, "denoising_strength": 0.4}
    assert differing_facts(PLAIN, PLAIN) == {}
    assert set(facts_of(PLAIN)) == set(facts_of(inner))


def test_changes_reach_the_named_field_only_where_the_part_is() -> None:
    assert change_field("width")(PLAIN, 8, ()) == replace(PLAIN, width=8)
    assert change_part("sampling", "steps")(PLAIN, 3, ()).sampling == Sampling(steps=3)
    assert change_part("hires", "steps")(PLAIN, 3, ()) is PLAIN
    assert change_nothing(PLAIN, 3, ()) is PLAIN
    assert set(PARTS) == {"seeds", "sampling", "options", "hires", "origin"}
    with pytest.raises(AssertionError):
        change_part("sampling", "no such field")
    with pytest.raises(AssertionError):
        change_field("no such field")
