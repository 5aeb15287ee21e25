"""Editions: presets of flags, over which what is given wins."""

import pytest

from webapp.settings.config import Config, UnknownFlag, parse
from webapp.settings.editions import EDITIONS, EDITIONS_BY_NAME, FLAGS_BY_NAME


def config_of(line: str, **environ: str) -> Config:
    return parse(line.split(), environ)


def test_flag_takes_the_editions_of_the_table() -> None:
    assert FLAGS_BY_NAME["edition"].choices == tuple(EDITIONS_BY_NAME)


@pytest.mark.parametrize("edition", EDITIONS, ids=lambda edition: edition.name)
def test_an_edition_is_what_its_flags_are(edition: object) -> None:
    name = edition.name  # type: ignore[attr-defined]
    presets = [(flag, text) for flag, text in EDITIONS_BY_NAME[name].presets]
    words = [f"--{flag}" + ("" if text is None else f"={text}") for flag, text in presets]
    known = [word for word, (flag, _) in zip(words, presets, strict=True) if flag in FLAGS_BY_NAME]
    plain, named = parse(known, {}), config_of(f"--edition {name}")
    for field in Config.__dataclass_fields__:
        if field not in ("edition", "ignored"):
            assert getattr(plain, field) == getattr(named, field), field
    assert named.edition == name


def test_api_edition_has_no_page_unless_one_is_asked_for() -> None:
    assert not config_of("--edition api").web_ui
    assert not config_of("--edition api").filebrowser
    assert config_of("--edition api --webui").web_ui
    assert config_of("--edition=api", EASEL_NOWEBUI="0").web_ui
    assert config_of("--edition=api", COMMANDLINE_ARGS="--webui").web_ui
    assert not config_of("", EASEL_EDITION="api").web_ui


def test_the_vendors_switch_of_the_cluster_edition() -> None:
    assert config_of("--cluster-status").edition == "cluster"
    assert config_of("--cluster-status --edition cluster").edition == "cluster"
    with pytest.raises(UnknownFlag, match="--edition api and --cluster-status"):
        config_of("--cluster-status --edition api")


def test_an_unknown_edition_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UnknownFlag, match="standard, api, cluster, serverless, not 'cloud'"):
        config_of("--edition cloud")


def test_every_preset_is_a_flag() -> None:
    assert {flag for each in EDITIONS for flag, _ in each.presets} <= set(FLAGS_BY_NAME)
    assert not any(config_of(f"--edition {each.name}").ignored for each in EDITIONS)
