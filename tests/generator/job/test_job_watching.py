"""A job's progress, its passes and what leaves it, without weights."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generator.hooks import NullListener, Release, Stage
from generator.job.output_filter import NestedRedraw, OutputFilter
from generator.job.passes import PassPrompts, plan_passes
from generator.job.progress_reporter import Interrupted, ProgressReporter
from generator.request import (
    Aside,
    Extras,
    GenerationRequest,
    HiresFix,
    Origin,
    Progress,
    Refiner,
    Sampling,
    Seeds,
    Snapshot,
    Stop,
)
from tests.generator.scripts.fake_painter import FakePainter

REQUEST = GenerationRequest("a", Seeds(1), sampling=Sampling(steps=4), width=8, height=8)


class Recorder:
    """A watch that answers as it is told, and remembers what it was told."""

    def __init__(self, *answers: Stop) -> None:
        self.answers = list(answers)
        self.seen: list[Progress] = []
        self.previews: list[Any] = []

    def __call__(self, progress: Progress, preview: Any) -> Stop:
        self.seen.append(progress)
        self.previews.append(preview)
        return self.answers.pop(0) if self.answers else Stop.NO


@pytest.mark.parametrize(
    ("origin", "job"), [(None, "scripts_txt2img"), (Origin(("",)), "scripts_img2img")]
)
@pytest.mark.parametrize("passes", [1, 2])
def test_a_job_begins_at_its_first_step(origin: Origin | None, job: str, passes: int) -> None:
    request = replace(REQUEST, origin=origin, batches=3)
    found = ProgressReporter.for_request(request, Recorder(), passes)
    assert found.progress == Progress(job, 0, 3 * passes, 0, 4)


@given(st.integers(1, 5), st.integers(1, 2), st.integers(1, 9))
@settings(max_examples=25)
def test_batches_passes_and_steps_are_counted_forward(
    batches: int, passes: int, steps: int
) -> None:
    watch = Recorder()
    reporter = ProgressReporter.for_request(replace(REQUEST, batches=batches), watch, passes)
    for batch in range(batches):
        reporter.begin_batch(batch, batches)
        for number in range(passes):
            if number:
                reporter.begin_pass(steps)
            for step in range(steps):
                reporter.step(step, None)
    told = [(each.batch, each.step) for each in watch.seen]
    assert told == sorted(told)
    assert watch.seen[-1].batch == watch.seen[-1].batches - 1 == batches * passes - 1
    assert watch.seen[-1].step == steps - 1
    names = {each.job for each in watch.seen}
    assert names == (
        {"scripts_txt2img"}
        if batches == 1
        else {f"Batch {n + 1} out of {batches}" for n in range(batches)}
    )


def test_texts_are_told_until_sampling_begins() -> None:
    watch = Recorder()
    reporter = ProgressReporter.for_request(REQUEST, watch)
    reporter.report("Loading weights")
    reporter.step(0, None)
    assert [each.textinfo for each in watch.seen] == ["Loading weights", None]


def test_an_interrupt_before_the_sampling_ends_the_job() -> None:
    reporter = ProgressReporter.for_request(REQUEST, Recorder(Stop.INTERRUPT))
    with pytest.raises(Interrupted):
        reporter.check_interrupt()


def test_a_skip_before_the_sampling_skips_its_first_step_and_no_other() -> None:
    reporter = ProgressReporter.for_request(REQUEST, Recorder(Stop.SKIP))
    reporter.check_interrupt()
    assert [reporter.step(step, None) for step in range(3)] == [Stop.SKIP, Stop.NO, Stop.NO]


def test_an_interrupt_is_stronger_than_a_skip_that_waits() -> None:
    reporter = ProgressReporter.for_request(REQUEST, Recorder(Stop.SKIP, Stop.INTERRUPT))
    reporter.check_interrupt()
    assert reporter.step(0, None) is Stop.INTERRUPT


def test_a_preview_is_drawn_when_it_is_asked_for_and_of_the_estimate() -> None:
    watch, drawn = Recorder(), []
    reporter = ProgressReporter.for_request(REQUEST, watch)
    reporter.step(0, torch.zeros(1))
    reporter.draw_preview = lambda latent: drawn.append(latent) or Image.new("RGB", (1, 1))
    estimate = torch.ones(1)
    reporter.step(1, None)
    reporter.step(2, estimate)
    assert watch.previews[:2] == [None, None]
    assert drawn == []
    assert watch.previews[2]().size == (1, 1)
    assert drawn == [estimate]


def plan(request: GenerationRequest):
    return plan_passes(
        request,
        lambda prompt, negative: PassPrompts(prompt, negative, prompt, ()),
        lambda name, exact=True: f"{name or 'first'}{'' if exact else '*'}",
    )


def test_a_job_without_hires_fix_has_one_pass() -> None:
    first, second = plan(REQUEST)
    assert second is None
    assert (first.checkpoint, first.refiner, first.texts.prompt) == ("first", None, "a")


def test_the_second_pass_has_its_own_texts_checkpoint_and_merging() -> None:
    fix = HiresFix(0.5, prompt="b", checkpoint="other", steps=9)
    options = Snapshot(token_merging_ratio=0.1, token_merging_ratio_hr=0.4)
    first, second = plan(replace(REQUEST, hires=fix, options=options, negative_prompt="n"))
    assert (second.checkpoint, second.texts.prompt, second.texts.negative_prompt) == (
        "other*",
        "b",
        "n",
    )
    assert (first.token_merging, second.token_merging) == (0.1, 0.4)
    assert (second.timing.steps, second.timing.first_pass) == (9, 4)


@pytest.mark.parametrize(
    ("acts", "refined"),
    [("first pass", (True, False)), ("second pass", (False, True)), ("both passes", (True, True))],
)
def test_a_refiner_takes_over_in_the_passes_that_are_chosen(acts: str, refined: tuple) -> None:
    options = Snapshot(hires_fix_refiner_pass=acts)
    request = replace(REQUEST, hires=HiresFix(0.5), refiner=Refiner("fine", 0.8), options=options)
    passes = plan(request)
    assert tuple(each.refiner is not None for each in passes) == refined
    (alone, _) = plan(replace(request, hires=None))
    assert alone.refiner == "fine*"
    after = alone.refiner_pass
    assert (after.checkpoint, after.refiner, after.texts) == ("fine*", None, alone.texts)


def test_a_refiner_that_is_the_checkpoint_itself_is_none() -> None:
    first, _ = plan_passes(
        replace(REQUEST, refiner=Refiner("same", 0.8)),
        lambda prompt, negative: PassPrompts(prompt, negative, prompt, ()),
        lambda name, exact=True: "same",
    )
    assert first.refiner is None


class Painter(NullListener):
    """Lets out red pictures in place of all, with a fact about each."""

    def __init__(self) -> None:
        self.heard: list[tuple[Stage, str]] = []

    def release(self, image, stage, request, caller) -> Release:
        self.heard.append((stage, caller))
        return Release(Image.new("RGB", image.size, "red"), {"seen": {"size": image.size}})


def drawn_generation(count: int = 2) -> Any:
    painter = FakePainter()
    return painter(replace(REQUEST, batch_size=count), lambda *_: Stop.NO)


def is_red(image: Image.Image) -> bool:
    return image.getpixel((0, 0)) == (255, 0, 0)


def test_everything_that_leaves_goes_through_the_filter_once() -> None:
    picture = Image.new("RGB", (4, 4))
    generation = replace(drawn_generation(), maps=(picture,), asides=(Aside(picture, 0, "mask"),))
    listener = Painter()
    made = OutputFilter(listener, "ann")
    drawn = made.filter_drawn(generation, REQUEST, drawn_generation)
    images = [*(p.image for p in drawn.pictures), *drawn.maps, *(a.image for a in drawn.asides)]
    assert all(map(is_red, images))
    finished = made.filter_finished(
        replace(drawn, grids=(picture,), unshown_grids=(picture,)), REQUEST
    )
    assert all(map(is_red, [*finished.grids, *finished.unshown_grids]))
    assert [stage for stage, _ in listener.heard] == [
        Stage.PICTURE, Stage.PICTURE, Stage.ASIDE, Stage.MAP, Stage.SHEET, Stage.SHEET,
    ]  # fmt: skip
    assert {caller for _, caller in listener.heard} == {"ann"}
    facts = finished.facts["seen"]
    assert [(each["stage"], each["number"]) for each in facts] == [
        ("picture", 0), ("picture", 1), ("aside", 0), ("map", 0), ("sheet", 0), ("sheet", 1),
    ]  # fmt: skip


def test_pictures_that_a_script_composed_are_filtered_too() -> None:
    listener = Painter()
    made = OutputFilter(listener)
    drawn = made.filter_drawn(drawn_generation(1), REQUEST, drawn_generation)
    pasted = replace(drawn.pictures[0], image=Image.new("RGB", (4, 4)))
    finished = made.filter_finished(replace(drawn, pictures=(*drawn.pictures, pasted)), REQUEST)
    assert all(is_red(picture.image) for picture in finished.pictures)
    assert len(listener.heard) == 2


def test_facts_of_one_key_become_one_list() -> None:
    made = OutputFilter(NullListener(), facts={"seen": [2], "new": [3]})
    assert made.merge_facts({"seen": [1], "other": 0}) == {"seen": [1, 2], "new": [3], "other": 0}
    assert made.merge_facts({"seen": "text"})["seen"] == [2]


def test_pictures_of_the_extras_tab_have_no_request() -> None:
    seen: list[object] = []

    class Listener(Painter):
        def release(self, image, stage, request, caller) -> Release:
            seen.append((stage, request))
            return super().release(image, stage, request, caller)

    extras = Extras((Image.new("RGB", (4, 4)),), "")
    found = OutputFilter(Listener()).filter_extras(extras)
    assert seen == [(Stage.EXTRAS, None)]
    assert is_red(found.images[0])
    assert found.facts["seen"][0]["number"] == 0


def test_a_listener_may_draw_inside_the_job_and_remark_once() -> None:
    runs: list[GenerationRequest] = []

    def run(request: GenerationRequest) -> Any:
        runs.append(request)
        return SimpleNamespace(comments=("from inside",))

    redraw = NestedRedraw(run)
    redraw(REQUEST)
    redraw.remark("twice")
    redraw.remark("twice")
    assert runs == [REQUEST]
    assert list(redraw.remarks) == ["from inside", "twice"]

    class Listener(NullListener):
        def after_decode(self, image, number, request, draw):
            draw.remark(f"picture {number}")
            return image

    generation = replace(drawn_generation(2), comments=("before",))
    found = OutputFilter(Listener()).filter_drawn(generation, REQUEST, run)
    assert found.comments == ("before", "picture 0", "picture 1")
