"""Styles as spreadsheets and people write them."""

from pathlib import Path

import pytest

from generator.errors import BadRequest
from generator.prompt.styles import Style, apply_named_styles, read_styles, rows_of, unread_styles

CANVAS = {"étoile": ("une étoile, {prompt}", "flou")}
TABLE = 'name,prompt,negative_prompt\nétoile,"une étoile, {prompt}",flou\n'
TABBED = "name\tprompt\tnegative_prompt\nétoile\tune étoile, {prompt}\tflou\n"
SEMICOLONS = 'Name;Prompt;Negative_Prompt\nétoile;"une étoile, {prompt}";flou\n'
FILES = {
    "latin-1": TABLE.encode("latin-1"),
    "utf-8": TABLE.encode(),
    "utf-8-mark": TABLE.encode("utf-8-sig"),
    "utf-16": TABLE.encode("utf-16"),
    "utf-16-be-unmarked": TABLE.encode("utf-16-be"),
    "utf-16-le-unmarked": TABLE.encode("utf-16-le"),
    "windows-lines": TABLE.replace("\n", "\r\n").encode(),
    "mac-lines": TABLE.replace("\n", "\r").encode(),
    "semicolons": SEMICOLONS.encode(),
    "separator-line": f"sep=;\r\n{SEMICOLONS}".encode("utf-8-sig"),
    "tabs": TABBED.encode("utf-16"),
    "old-column": 'name,text,negative_prompt\nétoile,"une étoile, {prompt}",flou\n'.encode(),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_tables_of_every_kind(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "styles.csv"
    path.write_bytes(FILES[kind])
    found = read_styles([path])
    assert {name: (s.prompt, s.negative_prompt) for name, s in found.items()} == CANVAS
    assert unread_styles([path]) == []


def test_quotes_and_lines_inside_quotes(tmp_path: Path) -> None:
    path = tmp_path / "styles.csv"
    path.write_bytes(b'name,prompt\r\na,"say ""hi"",\r\nthen go"\r\n')
    assert rows_of(path)[0].prompt == 'say "hi",\r\nthen go'


def test_the_recorded_file(shared: Path) -> None:
    found = read_styles([shared / "cases" / "styles-latin1.csv"])
    assert found["étoile"].prompt == "une étoile, {prompt}"


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\0\0junk", b"hello\nworld", b"\xff" * 99])
def test_nonsense_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "styles.csv"
    path.write_bytes(content)
    assert read_styles([path]) == {}
    (reason,) = unread_styles([path, tmp_path / "absent.csv"])
    assert reason.startswith("styles.csv: its first line names no column `name`")
    with pytest.raises(BadRequest, match="name,prompt,negative_prompt"):
        rows_of(path)


def test_an_empty_file_has_no_styles(tmp_path: Path) -> None:
    (tmp_path / "styles.csv").write_bytes(b" \n")
    assert rows_of(tmp_path / "styles.csv") == []
    assert unread_styles([tmp_path / "styles.csv"]) == []


def test_a_style_is_no_part_of_the_comment_before_it() -> None:
    styles = {"ink": Style("ink", "in ink", "blur")}
    both = apply_named_styles("a fox # for ann", "dog #", ["ink"], styles, comments=True)
    assert both == ("a fox, in ink", "dog, blur")
    assert apply_named_styles("a fox # 1", "", ["ink"], styles)[0] == "a fox # 1, in ink"
    assert apply_named_styles("a fox # 1", "", [], styles, comments=True)[0] == "a fox # 1"
