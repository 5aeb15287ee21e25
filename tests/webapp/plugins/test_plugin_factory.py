"""Which plugins a process wants, and without which no job is drawn."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from webapp.plugins.plugin_factory import CENSOR, read_choice
from webapp.settings.config import Config

ON, OFF = frozenset({CENSOR}), frozenset[str]()


@pytest.mark.parametrize(
    ("flags", "options", "enabled", "required"),
    [
        ({}, {}, OFF, OFF),
        ({}, {}, ON, ON),
        ({"nsfw_censor": True}, {}, OFF, ON),
        ({"nsfw_censor": True}, {"disabled_extensions": [CENSOR]}, OFF, ON),
        ({"nsfw_censor": True}, {"disable_all_extensions": "all"}, OFF, ON),
        ({}, {"disabled_extensions": [CENSOR]}, ON, OFF),
        ({}, {"disable_all_extensions": "all"}, ON, OFF),
        ({}, {"disable_all_extensions": "extra"}, ON, ON),
    ],
)
def test_the_censor_is_required_where_somebody_wants_it(
    tmp_path: Path,
    flags: dict[str, Any],
    options: dict[str, Any],
    enabled: frozenset[str],
    required: frozenset[str],
) -> None:
    choice = read_choice(replace(Config(tmp_path), **flags), options, enabled)
    assert choice.required == required
