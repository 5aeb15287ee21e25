"""What an infotext tells of a job: every key where it says something, and nowhere else."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.pictures.infotext import KEYS, write_infotext
from generator.pictures.infotext_parameters import (
    ModelNames,
    Parameters,
    collect_parameters,
    sampling_notes,
)
from generator.pictures.infotext_parser import parse_infotext
from generator.request import GenerationRequest, HiresFix, Origin, Sampling, Seeds, Snapshot
from generator.sampling.sampler_names import SAMPLER_NAMES, SCHEDULE_NAMES
from generator.sampling.samplers import SAMPLERS

PLAIN = GenerationRequest("a cat", Seeds(7, 3))
MODELS = ModelNames("painter", "0123456789")


def collect(
    request: GenerationRequest = PLAIN, models: ModelNames = MODELS, **extra: Any
) -> Parameters:
    """The entries that are written."""
    found = collect_parameters(request, models, 7, 3, extra)
    return {key: value for key, value in found.items() if value is not None}


def with_options(**options: Any) -> GenerationRequest:
    return replace(PLAIN, options=Snapshot(**options))


def test_a_plain_job_tells_what_is_needed_to_draw_it_again_and_no_more() -> None:
    assert collect() == {
        "Steps": 20,
        "Sampler": "Euler",
        "Schedule type": "Automatic",
        "CFG scale": 7.0,
        "Seed": 7,
        "Size": "512x512",
        "Model hash": "0123456789",
        "Model": "painter",
    }


@pytest.mark.parametrize(
    ("changed", "entry"),
    [
        (with_options(CLIP_stop_at_last_layers=2), {"Clip skip": 2}),
        (with_options(randn_source="CPU"), {"RNG": "CPU"}),
        (with_options(token_merging_ratio=0.3), {"Token merging ratio": 0.3}),
        (replace(PLAIN, tiling=True), {"Tiling": True}),
        (replace(PLAIN, version="v9"), {"Version": "v9"}),
        (
            replace(PLAIN, seeds=Seeds(7, 3, 0.4)),
            {"Variation seed": 3, "Variation seed strength": 0.4},
        ),
        (
            replace(PLAIN, seeds=Seeds(7, resize_from_width=64, resize_from_height=96)),
            {"Seed resize from": "64x96"},
        ),
        (replace(PLAIN, origin=Origin(("",), fingerprint="ab")), {"Init image hash": "ab"}),
        (
            replace(
                with_options(token_merging_ratio_hr=0.2), hires=HiresFix(0.5)
            ),
            {"Token merging ratio hr": 0.2},
        ),
        (
            replace(with_options(add_user_name_to_info=True), user_name="ann"),
            {"User": "ann"},
        ),
        (
            replace(with_options(eta_noise_seed_delta=31337), sampling=Sampling("Euler a")),
            {"Sampler": "Euler a", "ENSD": 31337},
        ),
    ],
)  # fmt: skip
def test_what_is_not_usual_is_told(changed: GenerationRequest, entry: dict[str, Any]) -> None:
    assert collect(changed) == collect() | entry


@pytest.mark.parametrize(
    "changed",
    [
        with_options(eta_noise_seed_delta=31337),  # Euler draws no noise that it would move
        replace(PLAIN, seeds=Seeds(7, resize_from_width=64)),  # one side alone resizes nothing
        with_options(token_merging_ratio_hr=0.2),  # there is no second pass
        replace(PLAIN, user_name="ann"),
        with_options(inpainting_mask_weight=0.5),  # the checkpoint is none for inpainting
        replace(with_options(add_version_to_infotext=False), version="v9"),
    ],
)
def test_what_changes_no_picture_is_not_told(changed: GenerationRequest) -> None:
    assert collect(changed) == collect()


def test_names_of_models_are_left_out_where_an_option_says_so() -> None:
    without = with_options(add_model_hash_to_info=False, add_model_name_to_info=False)
    assert set(collect()) - set(collect(without)) == {"Model hash", "Model"}
    vae = ModelNames("painter", None, "soft.pt", "9876543210")
    found = collect(PLAIN, vae)
    assert (found["VAE"], found["VAE hash"]) == ("soft.pt", "9876543210")
    assert "Model hash" not in found
    assert (MODELS.title, vae.title) == ("painter [0123456789]", "painter")


def test_a_models_name_holds_no_separators() -> None:
    assert collect(PLAIN, ModelNames("a, b: c", None))["Model"] == "a b c"


def test_kinds_of_checkpoints_have_keys_of_their_own() -> None:
    inpainting = ModelNames("painter", None, is_inpainting=True)
    assert collect(PLAIN, inpainting)["Conditional mask weight"] == 1.0
    pix2pix = ModelNames("painter", None, is_instruct_pix2pix=True)
    origin = Origin(("",), image_guidance=1.5)
    assert collect(replace(PLAIN, origin=origin), pix2pix)["Image CFG scale"] == 1.5
    assert "Image CFG scale" not in collect(replace(PLAIN, origin=origin))


def test_extra_entries_follow_and_replace_usual_ones_in_place() -> None:
    found = collect(**{"CFG scale": 3, "Mine": "x"})
    assert list(found).index("CFG scale") == list(collect()).index("CFG scale")
    assert (found["CFG scale"], list(found)[-1]) == (3, "Mine")
    last = collect(replace(PLAIN, version="v9"), **{"Mine": "x"})
    assert list(last)[-1] == "Version"


plain_texts = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=10)


@given(
    st.integers(1, 150), st.integers(0, 2**32), st.integers(8, 512), st.integers(8, 512),
    st.sampled_from(SAMPLER_NAMES), st.sampled_from(SCHEDULE_NAMES), plain_texts, plain_texts,
)  # fmt: skip
@settings(max_examples=25)
def test_a_written_job_reads_back_as_it_was_asked(
    steps, seed, width, height, sampler, schedule, prompt, negative
) -> None:
    request = replace(
        PLAIN,
        width=width * 8,
        height=height * 8,
        sampling=Sampling(sampler.name, schedule.label, steps),
        version="v9",
    )
    parameters = collect_parameters(request, MODELS, seed, 0, {})
    found = parse_infotext(write_infotext(f"a, {prompt}.", negative, parameters))
    assert found.prompt == f"a, {prompt}."
    assert found.negative_prompt == negative
    read = found.parameters
    assert (read["Steps"], read["Seed"]) == (str(steps), str(seed))
    assert read["Size"] == f"{width * 8}x{height * 8}"
    assert (read["Sampler"], read["Schedule type"]) == (sampler.name, schedule.label)
    assert list(read) == [*(key for key in KEYS if key in read), "Version"]


def notes(sampler: str, label: str = "Automatic", sampling: Sampling | None = None, **options: Any):
    """What sampling adds."""
    request = replace(
        PLAIN, sampling=sampling or Sampling(sampler, label), options=Snapshot(**options)
    )
    return sampling_notes(request, SAMPLERS[sampler], label)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_usual_options_add_nothing_but_the_schedule(sampler: str) -> None:
    assert notes(sampler) == {}
    karras = {} if SAMPLERS[sampler].kind == "timestep" else {"Schedule type": "Karras"}
    assert notes(sampler, "Karras") == karras


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(
    ("option", "key"),
    [
        ({"s_churn": 5.0}, "Sigma churn"),
        ({"s_tmin": 0.5}, "Sigma tmin"),
        ({"s_tmax": 9.0}, "Sigma tmax"),
        ({"s_noise": 1.1}, "Sigma noise"),
    ],
)
def test_churn_is_told_by_samplers_that_take_it(sampler: str, option: dict, key: str) -> None:
    (name, value), = option.items()  # fmt: skip
    takes = name in SAMPLERS[sampler].takes
    assert notes(sampler, **option) == ({key: value} if takes else {})


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_eta_is_told_under_the_name_of_its_kind(sampler: str) -> None:
    timestep, takes = SAMPLERS[sampler].kind == "timestep", "eta" in SAMPLERS[sampler].takes
    found = notes(sampler, sampling=Sampling(sampler, eta=0.5))
    assert found == ({("Eta DDIM" if timestep else "Eta"): 0.5} if takes else {})
    by_option = notes(sampler, eta_ddim=0.5, eta_ancestral=0.5)
    assert by_option == found


@pytest.mark.parametrize(
    ("label", "options", "entries"),
    [
        ("Karras", {"sigma_min": 0.1}, {"Schedule min sigma": 0.1}),
        ("Karras", {"sigma_max": 9.0}, {"Schedule max sigma": 9.0}),
        ("Karras", {"rho": 5.0}, {"Schedule rho": 5.0}),
        ("Karras", {"rho": 7.0}, {}),  # its own
        ("Exponential", {"rho": 5.0}, {}),  # it has none
        ("Automatic", {"sigma_min": 0.1}, {}),
        ("Beta", {}, {"Beta schedule alpha": 0.6, "Beta schedule beta": 0.6}),
        ("Karras", {"sgm_noise_multiplier": True}, {"SGM noise multiplier": True}),
        (
            "Karras",
            {"always_discard_next_to_last_sigma": True},
            {"Discard penultimate sigma": True},
        ),
    ],
)
def test_what_bends_a_schedule_is_told(label: str, options: dict, entries: dict) -> None:
    schedule = {} if label == "Automatic" else {"Schedule type": label}
    assert notes("Euler", label, **options) == schedule | entries


def test_a_sampler_that_discards_anyway_does_not_say_so() -> None:
    assert notes("DPM2", always_discard_next_to_last_sigma=True) == {}


@pytest.mark.parametrize(
    ("options", "entries"),
    [
        ({"use_downcasted_alpha_bar": True}, {"Downcast alphas_cumprod": True}),
        ({"sd_noise_schedule": "Zero Terminal SNR"}, {"Noise Schedule": "Zero Terminal SNR"}),
        ({"s_min_uncond": 2.0}, {"NGMS": 2.0}),
        ({"s_min_uncond": 2.0, "s_min_uncond_all": True}, {"NGMS": 2.0, "NGMS all steps": True}),
        ({"s_min_uncond_all": True}, {}),
        ({"skip_early_cond": 0.2}, {"Skip Early CFG": 0.2}),
    ],
)
@pytest.mark.parametrize("sampler", ["Euler", "DDIM"])
def test_what_bends_guidance_or_the_table_is_told(sampler: str, options, entries) -> None:
    assert notes(sampler, **options) == entries


def test_a_requests_own_threshold_beats_the_option() -> None:
    asked = Sampling("Euler", s_min_uncond=3.0)
    assert notes("Euler", sampling=asked, s_min_uncond=2.0) == {"NGMS": 3.0}
