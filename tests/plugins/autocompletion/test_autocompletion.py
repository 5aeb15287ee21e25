"""Tag lists: what is found, in which order, and what a bad list does."""

import os
from functools import partial
from pathlib import Path

import pytest

from plugins.api import Ask, Home
from plugins.autocompletion import tags as tags_module
from plugins.autocompletion.tags import Tag, Tags, build_tags, list_stamps, parse_row, read_lists
from plugins.autocompletion.web import MAX_ANSWERS, Plugin
from tests.wait import assert_quick

LIST = """blue_sky,0,900,"azure_sky,sky blue"
blue_eyes,0,5000,
sky,0,7000,/heaven
dark_blue_hair,0,100,
hatsune_miku_(vocaloid),4,3000,miku
"""


def names(tags: Tags, words: str, most: int = 10) -> list[str]:
    return [match.tag.name for match in tags.find(words, most)]


@pytest.fixture
def tags(tmp_path: Path) -> Tags:
    (tmp_path / "a.csv").write_text(LIST)
    return build_tags(read_lists(list_stamps(tmp_path)))


def test_what_begins_so_comes_first_then_words_then_the_rest(tags: Tags) -> None:
    assert names(tags, "blue") == ["blue_eyes", "blue_sky", "dark_blue_hair"]
    assert names(tags, "sky") == ["sky", "blue_sky"]
    assert names(tags, "lue") == ["blue_eyes", "blue_sky", "dark_blue_hair"]


def test_case_blanks_and_underscores_are_the_same(tags: Tags) -> None:
    for words in ("Blue Sk", "blue_sk", " BLUE__sk "):
        assert names(tags, words) == ["blue_sky"]


def test_an_alias_leads_to_its_tag_and_is_told(tags: Tags) -> None:
    (found,) = tags.find("azure", 5)
    assert (found.tag.name, found.alias) == ("blue_sky", "azure_sky")
    assert names(tags, "miku") == ["hatsune_miku_(vocaloid)"]
    assert names(tags, "(voc") == ["hatsune_miku_(vocaloid)"]


def test_never_more_than_asked_each_tag_once_and_nothing_for_nothing(tags: Tags) -> None:
    assert names(tags, "sky", 1) == ["sky"]
    assert len(names(tags, "e", 50)) == len(set(names(tags, "e", 50)))
    assert names(tags, " _ ") == []
    assert names(tags, "nowhere") == []
    assert names(tags, "\n") == []
    assert names(Tags(), "sky") == []


def test_every_place_of_the_text_finds_its_own_term() -> None:
    many = build_tags(Tag(f"tag {number:05d} end", count=number) for number in range(2000))
    for number in (0, 1, 999, 1998, 1999):
        assert names(many, f"tag {number:05d}") == [f"tag {number:05d} end"]
        assert names(many, f"{number:05d} e") == [f"tag {number:05d} end"]


def test_of_two_with_one_name_the_more_used_counts() -> None:
    both = build_tags([Tag("Blue Sky", count=1), Tag("blue_sky", count=9)])
    assert names(both, "blue") == ["blue_sky"]
    assert both.count == 1


@pytest.mark.parametrize(
    "row",
    [
        *([], [""], ["name", "category", "count"], ["x", "0", "-4"]),
        *(["x" * 300, "0", "1"], ["x", "0", "9" * 40], ["x", "0", "\u00b2"]),
    ],
)
def test_lines_that_are_no_tag(row: list[str]) -> None:
    assert parse_row(row) is None


def test_short_lines_and_broken_bytes_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"\xef\xbb\xbfonly a name\ncaf\xe9,0,2\nnul\0l,0,1\n")
    assert [tag.name for tag in read_lists(list_stamps(tmp_path))] == [
        "only a name",
        "caf\ufffd",
        "null",
    ]


def test_the_lists_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text("a,0,1\nb,0,1\nc,0,1\n")
    monkeypatch.setattr(tags_module, "MAX_TAGS", 2)
    assert len(list(read_lists(list_stamps(tmp_path)))) == 2
    monkeypatch.setattr(tags_module, "MAX_LIST_BYTES", 3)
    assert list_stamps(tmp_path) == {}


def test_a_search_of_a_large_list_is_quick() -> None:
    """Measured: 2 ms for 200,000 tags."""
    syllables = ("blu", "sky", "hair", "eye", "cat", "dog", "tree", "sun")
    many = build_tags(
        Tag("_".join(syllables[(number >> shift) % 8] for shift in (0, 3, 6)) + f"_{number}")
        for number in range(200_000)
    )

    for words in ("blu", "nothing like it", "199999"):
        assert_quick(partial(many.find, words, 20), 0.05)


def asking(**query: str) -> Ask:
    return Ask("GET", "/match", query, None, "", owner=True)


def test_the_route_answers_from_the_lists_as_they_are_now(tmp_path: Path) -> None:
    options: dict[str, object] = {"most": 2}
    plugin = Plugin(Home("autocompletion", tmp_path, tmp_path / "own", lambda: options))
    assert plugin.match(asking(q="blue")).body == {"matches": []}
    folder = tmp_path / "tags"
    folder.mkdir()
    path = folder / "danbooru.csv"
    path.write_text(LIST)
    first = plugin.match(asking(q="blue")).body["matches"]
    assert [match["name"] for match in first] == ["blue_eyes", "blue_sky"]
    assert first[0] == {"name": "blue_eyes", "category": "0", "count": 5000, "alias": ""}
    path.write_text("blue_moon,0,1\n")
    os.utime(path, ns=(1, 1))
    assert [match["name"] for match in plugin.match(asking(q="blue")).body["matches"]] == [
        "blue_moon"
    ]
    path.unlink()
    assert plugin.match(asking()).body == {"matches": []}
    assert plugin.setup(asking()).body == {
        **{"most": 2, "after": 2, "spaces": True, "comma": True},
        "tags": 0,
    }


def test_settings_keep_to_what_one_request_may_answer(tmp_path: Path) -> None:
    plugin = Plugin(Home("autocompletion", tmp_path, tmp_path / "own", dict))
    (most, *_) = plugin.settings()
    assert (most.name, most.most) == ("most", MAX_ANSWERS)
