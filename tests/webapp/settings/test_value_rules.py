"""One judgement of values for options, flags, plugins' settings and forms."""

from pathlib import Path
from typing import Any

import pytest

from generator.errors import GeneratorError
from plugins.api import Input, Setting
from webapp.errors import Refused
from webapp.plugins.web_plugins import check_setting
from webapp.requests.plugin_panels import check_field
from webapp.settings.config import UnknownFlag, parse
from webapp.settings.option_store import OptionStore
from webapp.value_rules import has_type, is_in_range, is_number, unknown_choices


@pytest.mark.parametrize(
    ("value", "kind", "fits"),
    [(1, float, True), (1.5, int, True), (True, int, False), (True, bool, True), (1, bool, False),
     ("1", int, False), ("a", str, True), ([], list, True), (None, str, False)],
)  # fmt: skip
def test_types(value: object, kind: type, fits: bool) -> None:
    assert has_type(value, kind) is fits


def test_limits_are_included_and_none_is_no_limit() -> None:
    assert is_in_range(1, 1, 2)
    assert is_in_range(2, 1, 2)
    assert is_in_range(9, 1, None)
    assert not is_in_range(0.9, 1, None)
    assert not is_in_range(2.1, None, 2)
    assert not is_in_range(float("nan"), None, None)
    assert is_number(0.0)
    assert not is_number(False)
    assert unknown_choices(["a", "c", {}], ("a", "b")) == ["c", {}]


def test_each_door_says_it_in_its_own_words(tmp_path: Path) -> None:
    def refusal(act: Any, *args: Any) -> str:
        with pytest.raises((GeneratorError, UnknownFlag, Refused)) as refused:
            act(*args)
        return str(refused.value)

    store = OptionStore(tmp_path / "config.json")
    assert refusal(store.update, {"jpeg_quality": 101}) == (
        "The option jpeg_quality takes 1 to 100, not 101."
    )
    assert refusal(parse, ["--port", "0"], {}) == "--port takes 1 to 65535, not 0."
    assert refusal(parse, ["--max-queued-jobs", "0"], {}) == (
        "--max-queued-jobs takes 1 or more, not 0."
    )
    setting = Setting("level", 3, choices=(1, 3, 7), least=2, most=5)
    assert refusal(check_setting, setting, 2) == "settings.level: 2 is none of 1, 3, 7."
    assert refusal(check_setting, setting, 7) == "settings.level: 7 is not between 2 and 5."
    assert refusal(check_setting, Setting("on", 3), True) == (
        "settings.on: expected a number, not True."
    )
    panel = Input("strength", "Strength", "number", 1, least=0, most=2)
    assert refusal(check_field, "x", panel, "1") == "x: expected a number, not '1'."
    assert refusal(check_field, "x", panel, 3) == "x: 3 is not between 0 and 2."
