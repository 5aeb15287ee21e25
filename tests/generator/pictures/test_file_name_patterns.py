"""Patterns of file names: each token, and that none of them leaves its folder."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.pictures.file_names import (
    LONGEST_NAME,
    TOKENS,
    FileNameFacts,
    NamingRules,
    render_pattern,
)

FACTS = FileNameFacts(
    seed=9,
    now=datetime(2024, 7, 27, 13, 5, 59, tzinfo=UTC),
    first_seed=7,
    last_seed=10,
    steps=20,
    guidance=7.0,
    width=64,
    height=96,
    styles=("Oil", "Pen: thin"),
    sampler="DPM++ 2M",
    schedule="Karras",
    model="dir/painter v1",
    model_hash="0123456789",
    vae="soft.vae.pt",
    job_timestamp="20240727130500",
    prompt="a (red:1.2) cat, on a mat of straw and hay",
    bare_prompt="a (red:1.2) cat",
    negative_prompt="dog",
    batch_number=1,
    batch_size=2,
    generation_number=3,
    clip_skip=2,
    denoising=0.7,
    user="ann",
    pixels=lambda: b"pixels",
)


def sha(text: str) -> str:
    """Hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("[seed]", "9"),
        ("[SEED]_[Steps]", "9_20"),
        ("[seed_first]-[seed_last]", "7-10"),
        ("[cfg] [width]x[height]", "7.0 64x96"),
        ("[styles]", "Oil, Pen_ thin"),
        ("[sampler]", "DPM++ 2M"),
        ("[scheduler]", "Karras"),
        ("[sampler_scheduler]", "DPM++ 2M Karras"),
        ("[model_name]-[model_hash]", "dir_painter v1-0123456789"),
        ("[vae_filename]", "soft"),
        ("[date]", "2024-07-27"),
        ("[datetime]", "20240727130559"),
        ("[datetime<%H:%M>]", "13_05"),
        ("[datetime<%H%M><Asia/Tokyo>]", "2205"),
        ("[datetime<><Asia/Tokyo>]", "20240727220559"),
        ("[datetime<%H><No/Where>]", "13"),
        ("[job_timestamp]", "20240727130500"),
        ("[prompt_hash]", sha(FACTS.prompt)[:8]),
        ("[prompt_hash<12>]", sha(FACTS.prompt)[:12]),
        ("[negative_prompt_hash<4>]", sha("dog")[:4]),
        ("[full_prompt_hash]", sha(FACTS.prompt + " dog")[:8]),
        ("[image_hash]", sha("pixels")),
        ("[image_hash<6>]", sha("pixels")[:6]),
        ("[prompt]", "a_(red_1.2)_cat,_on_a_mat_of_straw_and_hay"),
        ("[prompt_spaces]", "a (red_1.2) cat, on a mat of straw and hay"),
        ("[prompt_no_styles]", "a (red_1.2) cat"),
        ("[prompt_words]", "a red 1 2 cat on a mat"),
        ("[hasprompt<cat><dog|beast><girl>]", "catbeast"),
        ("[batch_number] of [batch_size]", "1 of 2"),
        ("a-[generation_number]", "a-3"),
        ("[clip_skip] [denoising] [user]", "2 0.7 ann"),
        ("[none]", ""),
        ("[unknown] [odd<a>]x", "[unknown] [odd<a>]x"),
        ("plain", "plain"),
    ],
)
def test_tokens(pattern: str, name: str) -> None:
    assert render_pattern(pattern, FACTS) == name


@pytest.mark.parametrize("token", ["batch_number", "generation_number", "seed_last", "denoising"])
def test_what_does_not_apply_vanishes_with_the_text_before_it(token: str) -> None:
    alone = replace(
        FACTS, batch_number=None, generation_number=None, last_seed=None, denoising=None
    )
    assert render_pattern(f"[seed]-n[{token}] end", alone) == "9 end"


def test_a_prompt_without_words_and_a_sampler_of_its_own_schedule() -> None:
    bare = replace(FACTS, prompt="(())", schedule="Automatic", styles=())
    assert (
        render_pattern("[prompt_words] [sampler_scheduler] [styles]", bare) == "empty DPM++ 2M None"
    )


def test_the_usual_names() -> None:
    rules = NamingRules()
    assert rules.stem(FACTS) == "9"
    assert rules.folders(FACTS) == ("2024-07-27",)
    assert rules.stem(FACTS, grid=True) == ""
    flat = NamingRules(picture_folders=False, grid_folders=False, long_grid_names=True)
    assert flat.stem(FACTS) == flat.stem(FACTS, grid=True)
    assert flat.stem(FACTS) == "9-a (red_1.2) cat, on a mat of straw and hay"
    assert flat.folders(FACTS) == flat.folders(FACTS, grid=True) == ()


def test_folders_lie_in_one_another() -> None:
    rules = NamingRules(folder_pattern="[model_name]/[date]\\../ . /x")
    assert rules.folders(FACTS) == ("dir_painter v1", "2024-07-27", "x")
    assert NamingRules(folder_pattern="", words=2).folders(FACTS) == ("a red",)


def test_long_prompts_are_cut() -> None:
    long = replace(FACTS, prompt="猫" * 500)
    assert render_pattern("[prompt]", long) == "猫" * 128
    assert NamingRules("[prompt]").stem(long) == "猫" * (LONGEST_NAME // 3)


texts = st.text(st.characters(), max_size=60)
patterns = st.lists(
    st.one_of(
        st.sampled_from([f"[{name}]" for name in TOKENS]),
        st.sampled_from(["/", "\\", "..", "../", "\0", "[datetime<%s%%>]", "[datetime<\0>]"]),
        texts,
        texts.map(lambda text: f"[datetime<{text}><{text}>]"),
        texts.map(lambda text: f"[hasprompt<{text}>]"),
    ),
    max_size=8,
).map("".join)


@given(patterns, texts, texts)
def test_no_name_leaves_its_folder(pattern: str, prompt: str, model: str) -> None:
    facts = replace(FACTS, prompt=prompt, bare_prompt=prompt, model=model, user=prompt)
    rules = NamingRules(pattern, pattern, long_grid_names=True)
    root = Path("/pictures")
    names = (*rules.folders(facts), *rules.folders(facts, grid=True), "00000-" + rules.stem(facts))
    for name in names:
        assert len(name.encode()) <= LONGEST_NAME + 6
        assert "\0" not in name
        assert (root / name).parent == root
        assert (root / name).resolve() == root / name
