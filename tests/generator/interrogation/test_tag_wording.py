"""Tags as a prompt: which are chosen, how each is written; where networks are looked for."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.errors import ModelNotFound
from generator.interrogation.requests import (
    TagRules,
    find_interrogation_network,
    find_interrogation_networks,
)
from generator.interrogation.tags import format_tag, normalize_tag, tags_to_prompt

tags = st.dictionaries(
    st.from_regex(r"[a-z]([a-z_]{0,6}[a-z])?(_\([a-z]{1,3}\))?", fullmatch=True),
    st.floats(0, 1),
    max_size=8,
)
PLAIN = TagRules(spaces=False, escaped=False)


@given(tags, st.floats(0, 1))
@settings(max_examples=25)
def test_tags_at_the_threshold_and_above_are_chosen_and_no_others(scores: dict, threshold) -> None:
    rules = TagRules(threshold, spaces=False, escaped=False)
    chosen = [tag for tag in tags_to_prompt(scores, rules).split(", ") if tag]
    assert chosen == sorted(tag for tag, score in scores.items() if score >= threshold)


@given(tags)
@settings(max_examples=25)
def test_the_surest_come_first_where_letters_do_not_count(scores: dict) -> None:
    rules = TagRules(0.0, alphabetic=False, spaces=False, escaped=False)
    chosen = [tag for tag in tags_to_prompt(scores, rules).split(", ") if tag]
    assert [scores[tag] for tag in chosen] == sorted(scores.values(), reverse=True)


@given(tags, st.booleans(), st.booleans())
@settings(max_examples=25)
def test_what_is_left_out_is_left_out_in_any_spelling(
    scores: dict, spaced: bool, upper: bool
) -> None:
    if not scores:
        return
    out = next(iter(scores))
    spelled = out.replace("_", " ") if spaced else out
    spelled = spelled.upper() if upper else spelled
    rules = TagRules(0.0, spaces=False, escaped=False, left_out=(f" {spelled}  ".rstrip() + " ",))
    kept = tags_to_prompt(scores, rules).split(", ")
    assert (normalize_tag(out) in map(normalize_tag, kept)) is False


@given(st.sampled_from(["rating:safe", "rating:explicit"]), st.floats(0, 1))
@settings(max_examples=25)
def test_ratings_are_no_words_of_a_prompt(rating: str, score: float) -> None:
    assert tags_to_prompt({rating: score, "cat": 1.0}, TagRules(0.0)) == "cat"


@given(st.text("ab_()\\ ", min_size=1, max_size=8))
@settings(max_examples=25)
def test_escaped_brackets_come_back_when_they_are_unescaped(tag: str) -> None:
    written = format_tag(tag, 0.5, TagRules(spaces=False))
    assert re.sub(r"\\([\\()])", r"\1", written) == tag
    assert not re.search(r"(?<!\\)(\\\\)*[()]", written)


@given(st.floats(0, 1))
@settings(max_examples=25)
def test_scores_are_written_as_weights(score: float) -> None:
    assert format_tag("cat", score, TagRules(with_scores=True)) == f"(cat:{score:.3f})"


def test_spaces_stand_for_underscores_where_they_should() -> None:
    assert format_tag("long_hair", 1.0, TagRules()) == "long hair"
    assert format_tag("long_hair", 1.0, PLAIN) == "long_hair"


def make_networks(root: Path, *names: str) -> None:
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "config.json").write_text("{}")


def test_networks_are_found_in_the_order_of_roots_and_names(tmp_path: Path) -> None:
    make_networks(tmp_path / "one", "b", "a")
    make_networks(tmp_path, "two")
    (tmp_path / "one" / "empty").mkdir()
    roots = [tmp_path / "one", tmp_path / "two", tmp_path / "absent"]
    found = list(find_interrogation_networks(roots))
    assert found == [tmp_path / "one" / "a", tmp_path / "one" / "b", tmp_path / "two"]
    assert find_interrogation_network(iter(roots)) == found[0]


@pytest.mark.parametrize("roots", [(), ("absent",), ("absent", "other")])
def test_where_a_network_would_be_looked_for_is_told(tmp_path: Path, roots: tuple) -> None:
    with pytest.raises(ModelNotFound, match="no network that describes pictures") as refusal:
        find_interrogation_network(tmp_path / root for root in roots)
    assert all(root in str(refusal.value) for root in roots)
