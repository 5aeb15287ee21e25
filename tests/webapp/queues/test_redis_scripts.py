from pathlib import Path

import pytest

from webapp.queues.redis import script
from webapp.queues.redis.script import ADDING, COMMENT, FOLDER, READING, act_names, script_of


def test_no_line_of_the_files_is_lost() -> None:
    files = [path.read_text("utf-8") for path in sorted(FOLDER.glob("*.lua"))]
    told = "".join(part.text for part in script.script_parts())
    assert told.split() == COMMENT.sub("", "\n".join(files)).split()


def test_every_act_that_reads_or_adds_is_there() -> None:
    assert set(act_names()) >= READING | ADDING


@pytest.mark.parametrize("act", act_names())
def test_the_script_of_an_act_has_all_that_it_names(act: str) -> None:
    text = script_of(act).text
    for part in script.script_parts():
        is_named = any(name in script.NAME.findall(text) for name in part.names)
        assert not is_named or part.text in text


def test_a_script_is_its_act_and_little_else() -> None:
    whole = sum(path.stat().st_size for path in Path(FOLDER).glob("*.lua"))
    assert len(script_of("entry_put").text) < whole / 5
    assert "acts.answer =" not in script_of("entry_put").text
