"""Styles: reading, writing, applying."""

from pathlib import Path

from generator.prompt.styles import (
    Style,
    apply_named_styles,
    apply_styles,
    read_styles,
    write_styles,
)


def test_recorded_styles(goldens: Path) -> None:
    styles = read_styles([goldens / "checkpoint" / "styles.csv"])
    both = apply_named_styles("a red cat", "blurry", ["teststyle", "plainstyle", "unknown"], styles)
    assert both == (
        "a red cat, in the style of (watercolor:1.2), cinematic lighting",
        "blurry, text, watermark, ugly",
    )


def test_round_trip_with_backup_comments_and_old_column(tmp_path: Path) -> None:
    path = tmp_path / "styles.csv"
    path.write_text("\ufeffname,text\n#note,x\nold,some words\n", encoding="utf-8")
    assert read_styles([path])["old"].prompt == "some words"
    assert len(read_styles([path, tmp_path / "missing.csv"])) == 1
    write_styles(path, [Style("new", 'a, "b"\nc', "bad")])
    assert read_styles([path])["new"].prompt == 'a, "b"\nc'
    assert "old" in path.with_name("styles.csv.bak").read_text()


def test_empty_sides_leave_no_comma() -> None:
    assert apply_styles("", ["x"]) == "x"
    assert apply_styles(" a ", [""]) == "a"
    assert apply_styles("a", ["{prompt} and {prompt}"]) == "a and a"
