"""The embedded prompt writer keeps the subject and speaks the checkpoint's words."""

from pathlib import Path

import pytest

from generator.prompt.tokenizer import clip_tokenizer
from plugins.api import Home
from plugins.beautiful_prompt.expander import GROUNDS, HINTS, TIMES, expand_by_table
from plugins.beautiful_prompt.worker import Plugin
from training.vocabulary import known_tokens


def test_the_prompt_is_kept_and_something_is_added() -> None:
    for seed in range(50):
        for fuller in expand_by_table("a red cat", 5, seed):
            assert fuller.startswith("a red cat, ")
            assert len(fuller.split(", ")) >= 3


def test_one_seed_gives_the_same_and_results_differ() -> None:
    assert expand_by_table("a cat", 5, 3) == expand_by_table("a cat", 5, 3)
    assert len(set(expand_by_table("a cat", 20, 3))) == 20


@pytest.mark.parametrize(
    ("prompt", "topic"),
    [
        ("a cat at night", "time"),
        ("a cat in the snow", "ground"),
        ("a cat in the rain", "weather"),
        ("a cat with mountains", "hills"),
        ("a cat in autumn", "season"),
        ("a cat under the moon", "light"),
    ],
)
def test_what_the_prompt_speaks_of_is_left_alone(prompt: str, topic: str) -> None:
    for seed in range(40):
        for fuller in expand_by_table(prompt, 3, seed):
            added = fuller.removeprefix(prompt).replace("with falling snow", "")
            assert not set(added.replace(",", " ").split()) & set(HINTS[topic]), fuller


def test_what_is_added_goes_with_what_is_said() -> None:
    for seed in range(60):
        assert "with a sun" not in expand_by_table("a cat at night", 1, seed)[0]
        assert "summer" not in expand_by_table("a cat in the snow", 1, seed)[0]


def test_the_colour_of_the_subject_says_nothing_of_the_scene() -> None:
    skies = {expand_by_table("a pink cat", 1, seed)[0].count("pink sky") for seed in range(40)}
    assert skies == {0, 1}
    assert not any("water" in expand_by_table("a blue cat", 1, seed)[0] for seed in range(40))


def test_sun_and_moon_stand_in_a_clear_sky() -> None:
    for seed in range(200):
        fuller = expand_by_table("a cat", 1, seed)[0]
        assert sum(word in fuller for word in (" sun", "moon", "clouds", "falling")) <= 1 + (
            "sunset" in fuller or "sunrise" in fuller
        )
        assert ("with stars" in fuller) == ("moon" in fuller)
    assert "night" in expand_by_table("a cat with stars", 1, 3)[0]
    assert "moon" in expand_by_table("a cat with stars", 1, 3)[0]


def test_a_plain_background_is_a_wish_too() -> None:
    assert (
        expand_by_table("a cat on a white background", 2, 1) == ["a cat on a white background"] * 2
    )


def test_it_never_runs_out() -> None:
    assert (
        len(expand_by_table("a boat on a lake at night in summer with hills and clouds", 50, 1))
        == 50
    )


def test_the_checkpoint_has_learned_every_word_that_is_added() -> None:
    tokenizer = clip_tokenizer()
    known = set(known_tokens(tokenizer, captions=6000))
    phrases = [phrase for table in (GROUNDS, TIMES) for each in table.values() for phrase in each]
    for seed in range(300):
        phrases += expand_by_table("cat", 2, seed)
    for phrase in phrases:
        words = phrase.replace(",", " , ")
        assert set(tokenizer.encode(words)) <= known, phrase


def test_every_prompt_is_expanded_where_the_option_says_so(tmp_path: Path) -> None:
    def plugin(**options: object) -> Plugin:
        return Plugin(Home("beautifulprompt", tmp_path, tmp_path, lambda: options))

    assert plugin().expand_prompt("a cat") is None
    fuller = plugin(expand_every_prompt=True).expand_prompt("a cat")
    assert fuller is not None
    assert fuller.startswith("a cat, ")
    assert plugin(expand_every_prompt=True).expand_prompt("  ") is None
