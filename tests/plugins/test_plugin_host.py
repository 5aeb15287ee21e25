"""Plugins are found, called in turn, timed, and kept from harming the rest."""

from pathlib import Path

import pytest

from plugins.api import Side
from plugins.errors import HookFailed, Withheld
from plugins.hookspecs import HOOKS, WebHooks, WorkerHooks
from plugins.host import Choice
from plugins.plugin_status import State
from tests.plugins.plugin_files import load_host, make_plugin, status_of

UPPER = """
    @hook
    def expand_prompt(prompt):
        return prompt.upper()
"""
MORE = """
    @hook
    def expand_prompt(prompt, negative_prompt):
        return prompt + " on a hill"
"""


def test_the_table_and_the_classes_name_the_same_hooks() -> None:
    named = {
        side: {name for name in vars(each) if not name.startswith("_")}
        for side, each in ((Side.WEB, WebHooks), (Side.WORKER, WorkerHooks))
    }
    for side, names in named.items():
        assert names == {name for name, terms in HOOKS.items() if terms.side is side}


def expand_cat_prompt(host) -> str:
    return host.chain("expand_prompt", prompt="a cat", negative_prompt="", request=None)


def test_a_value_is_handed_from_plugin_to_plugin(tmp_path: Path) -> None:
    make_plugin(tmp_path, "a-upper", worker=UPPER, hooks="expand_prompt")
    make_plugin(tmp_path, "b-more", worker=MORE, hooks="expand_prompt")
    assert expand_cat_prompt(load_host(tmp_path)) == "A CAT on a hill"


def test_a_plugin_may_ask_to_be_last(tmp_path: Path) -> None:
    last = UPPER.replace("@hook", "@hook(trylast=True)")
    make_plugin(tmp_path, "a-upper", worker=last, hooks="expand_prompt")
    make_plugin(tmp_path, "b-more", worker=MORE, hooks="expand_prompt")
    assert expand_cat_prompt(load_host(tmp_path)) == "A CAT ON A HILL"


def test_disabled_plugins_are_listed_and_silent(tmp_path: Path) -> None:
    make_plugin(tmp_path, "upper", worker=UPPER, hooks="expand_prompt")
    host = load_host(tmp_path, choice=Choice(disabled=frozenset({"upper"})))
    assert expand_cat_prompt(host) == "a cat"
    assert status_of(host, "upper").state is State.OFF
    host.load(Choice())
    assert expand_cat_prompt(host) == "A CAT"


def test_reloading_reads_the_files_anew(tmp_path: Path) -> None:
    folder = make_plugin(tmp_path, "upper", worker=UPPER, hooks="expand_prompt")
    host = load_host(tmp_path)
    text = (folder / "worker.py").read_text().replace("upper()", "title() + '!'")
    (folder / "worker.py").write_text(text)
    host.load(Choice())
    assert expand_cat_prompt(host) == "A Cat!"


def test_a_hook_that_raises_is_logged_with_its_name(tmp_path: Path, caplog) -> None:
    code = UPPER.replace("return prompt.upper()", "raise KeyError('lost')")
    make_plugin(tmp_path, "a-broken", worker=code, hooks="expand_prompt")
    make_plugin(tmp_path, "b-more", worker=MORE, hooks="expand_prompt")
    host = load_host(tmp_path)
    assert expand_cat_prompt(host) == "a cat on a hill"
    assert "plugin a-broken: expand_prompt failed" in caplog.text
    assert "lost" in status_of(host, "a-broken").last_error


def test_a_closed_hook_that_raises_ends_the_job(tmp_path: Path) -> None:
    code = "@hook\ndef release(image):\n    return image.nothing\n"
    make_plugin(tmp_path, "guard", worker=code, hooks="release")
    with pytest.raises(HookFailed, match="guard"):
        load_host(tmp_path).chain_release(object(), "picture", None, "")


def test_a_plugin_may_withhold(tmp_path: Path) -> None:
    code = (
        "from plugins.errors import Withheld\n"
        "@hook\ndef release(image):\n    raise Withheld('Not this one.')\n"
    )
    make_plugin(tmp_path, "guard", worker=code, hooks="release")
    with pytest.raises(Withheld, match="Not this one"):
        load_host(tmp_path).chain_release(object(), "picture", None, "")


def test_three_times_over_its_time_takes_a_plugin_out(tmp_path: Path, monkeypatch) -> None:
    code = (
        "import time\n@hook\ndef at_step(estimate):\n    time.sleep(0.3)\n    return estimate + 1\n"
    )
    make_plugin(tmp_path, "slow", worker=code, hooks="at_step")
    host = load_host(tmp_path)
    facts = {"progress": None, "request": None}
    found = [host.chain("at_step", estimate=0, **facts) for _ in range(5)]
    assert found == [1, 1, 1, 0, 0]
    assert status_of(host, "slow").state is State.STRUCK
    assert "0.25 s are allowed" in status_of(host, "slow").fault


def test_a_required_plugin_that_is_not_there_stops_jobs(tmp_path: Path) -> None:
    make_plugin(tmp_path, "guard", worker="raise RuntimeError('no')", hooks="release")
    host = load_host(tmp_path, choice=Choice(required=frozenset({"guard"})))
    with pytest.raises(HookFailed, match=r"guard.*RuntimeError: no"):
        host.check_required()
    host.load(Choice())
    host.check_required()


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("raise ValueError('at once')", "ValueError: at once"),
        ("import sys; sys.exit(3)", "ends the interpreter"),
        ("import os; os._exit(3)", "ended the interpreter"),
        ("import torch", "may not import torch"),
        ("from flask import Flask", "may not import flask"),
        ("@hook\ndef routes(colour): return []", "colour"),
        ("@hook\ndef rutes(): return []", "rutes"),
        ("@hook\ndef parts(): return []", "does not name parts"),
        ("@hook(wrapper=True)\ndef routes():\n    return (yield)", "wrappers"),
        ("def f(:", "SyntaxError"),
    ],
)
def test_a_bad_web_part_is_told_and_the_others_work(tmp_path: Path, code: str, fault: str) -> None:
    make_plugin(tmp_path, "bad", web=code, hooks="routes")
    make_plugin(tmp_path, "good", web="@hook\ndef routes(): return ['r']", hooks="routes")
    host = load_host(tmp_path, Side.WEB)
    assert status_of(host, "bad").state is State.FAULTY
    assert fault in status_of(host, "bad").fault
    assert ("good", ["r"]) in host.ask("routes")
    assert "bad" not in dict(host.ask("routes"))


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("raise ValueError('at once')", "ValueError: at once"),
        ("import sys; sys.exit(3)", "ends the interpreter"),
        ("import os; os._exit(3)", "ended the interpreter"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended the interpreter"),
        ("@hook\ndef at_step(colour): return None", "colour"),
        ("@hook\ndef at_stop(): return None", "at_stop"),
        ("@hook\ndef release(image): return None", "does not name release"),
        ("@hook(wrapper=True)\ndef at_step():\n    return (yield)", "wrappers"),
        ("class Plugin:\n    def __init__(self, home): raise OSError('no home')", "no home"),
        ("import no_such_module", "no_such_module"),
        ("def f(:", "SyntaxError"),
    ],
)
def test_a_bad_worker_part_is_told_and_the_others_work(
    tmp_path: Path, code: str, fault: str
) -> None:
    make_plugin(tmp_path, "bad", worker=code, hooks="at_step")
    make_plugin(tmp_path, "good", worker=UPPER, hooks="expand_prompt")
    host = load_host(tmp_path)
    assert status_of(host, "bad").state is State.FAULTY
    assert fault in status_of(host, "bad").fault
    assert expand_cat_prompt(host) == "A CAT"


def test_an_import_that_hangs_in_the_worker_is_given_up(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("plugins.import_probe.IMPORT_TIMEOUTS", {Side.WORKER: 5.0})
    make_plugin(tmp_path, "a-stuck", worker="while True: pass", hooks="at_step")
    make_plugin(tmp_path, "b-good", worker=UPPER, hooks="expand_prompt")
    host = load_host(tmp_path)
    assert "did not end within" in status_of(host, "a-stuck").fault
    assert expand_cat_prompt(host) == "A CAT"


def test_seconds_in_hooks_are_counted_once(tmp_path: Path) -> None:
    make_plugin(tmp_path, "upper", worker=UPPER, hooks="expand_prompt")
    host = load_host(tmp_path)
    host.take_seconds()
    expand_cat_prompt(host)
    host.run("upper", "the route /x", lambda: None)
    spent = host.take_seconds()
    assert {hook for name, hook in spent if name == "upper"} == {"expand_prompt", "other"}
    assert 0 < spent["upper", "expand_prompt"] < 1
    assert host.take_seconds() == {}


def test_an_import_that_hangs_is_given_up(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("plugins.import_probe.IMPORT_TIMEOUTS", {Side.WEB: 5.0})
    make_plugin(tmp_path, "a-stuck", web="while True: pass", hooks="routes")
    make_plugin(tmp_path, "b-good", web="@hook\ndef routes(): return ['r']", hooks="routes")
    host = load_host(tmp_path, Side.WEB)
    assert "did not end within" in status_of(host, "a-stuck").fault
    assert status_of(host, "b-good").state is State.ON


def test_what_passed_is_not_probed_again_until_it_changes(tmp_path: Path, monkeypatch) -> None:
    folder = make_plugin(tmp_path, "good", web="@hook\ndef routes(): return []", hooks="routes")
    host = load_host(tmp_path, Side.WEB)

    def no_child(*_) -> None:
        raise AssertionError("a child was started")

    with monkeypatch.context() as patch:
        patch.setattr("plugins.import_probe.subprocess.Popen", no_child)
        host.load(Choice())
    (folder / "web.py").write_text("import os; os._exit(1)")
    host.load(Choice())
    assert status_of(host, "good").state is State.FAULTY
