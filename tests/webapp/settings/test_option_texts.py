"""Every option that acts has a name and help in English and Chinese, in the page's one table."""

import json
import re
from pathlib import Path

from webapp.settings.options_table import OPTIONS

TABLE = json.loads(
    (Path(__file__).parents[3] / "static/locales/options.json").read_text(encoding="utf-8")
)
ACTING = [option for option in OPTIONS if not option.idle]
HAN = re.compile(r"[\u4e00-\u9fff]")
WORDS = {"choices", "options", "sections"}


def test_the_table_has_every_option_that_acts_and_no_other() -> None:
    assert set(TABLE) == WORDS
    assert sorted(TABLE["options"]) == sorted(option.name for option in ACTING)
    assert set(TABLE["sections"]) == {option.section for option in ACTING}


def test_each_text_stands_in_both_languages() -> None:
    for name, row in TABLE["options"].items():
        assert set(row) == {"en", "zh"}, name
        (label, help_), (zh_label, zh_help) = row["en"], row["zh"]
        assert all((label, help_, zh_label)), name
        assert HAN.search(zh_help), f"{name}: its help is not Chinese"
    for name, row in (TABLE["sections"] | TABLE["choices"]).items():
        assert set(row) == {"en", "zh"}, name
        assert all(row.values()), name


def test_each_fixed_choice_has_a_name() -> None:
    choices = {choice for option in ACTING for choice in option.choices}
    assert choices <= set(TABLE["choices"])
