"""Calls into plugins that do not end are broken off; where they cannot be, the process is left."""

import threading
from pathlib import Path

import pytest

from plugins.call_timeouts import Hung, Watchdog
from plugins.errors import HookFailed
from plugins.host import Choice
from plugins.hung_mark import clear_hung, mark_hung
from plugins.plugin_status import State
from tests.plugins.plugin_files import load_host, make_plugin, status_of

ENDLESS = """
    @hook
    def {hook}({argument}):
        while True:
            try:
                while True:
                    pass
            except Exception:
                pass
"""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (
        ("BUDGET_FACTOR", 0.0),
        ("MIN_SECONDS", 0.4),
        ("RETHROW_SECONDS", 0.2),
        ("LEAVE_SECONDS", 0.5),
    ):
        monkeypatch.setattr(f"plugins.call_timeouts.{name}", seconds)


def test_a_hook_that_hangs_is_broken_off_and_the_job_goes_on(tmp_path: Path) -> None:
    code = ENDLESS.format(hook="expand_prompt", argument="prompt")
    make_plugin(tmp_path, "a-stuck", worker=code, hooks="expand_prompt")
    code = "@hook\ndef expand_prompt(prompt):\n    return prompt + '!'\n"
    make_plugin(tmp_path, "b-good", worker=code, hooks="expand_prompt")
    host = load_host(tmp_path)
    facts = {"negative_prompt": "", "request": None}
    assert host.chain("expand_prompt", prompt="a cat", **facts) == "a cat!"
    assert status_of(host, "a-stuck").state is State.STRUCK
    assert "expand_prompt did not end" in status_of(host, "a-stuck").fault.casefold()
    assert host.chain("expand_prompt", prompt="a cat", **facts) == "a cat!"
    assert status_of(host, "b-good").state is State.ON


def test_one_that_guards_the_way_out_fails_the_job_instead(tmp_path: Path) -> None:
    code = ENDLESS.format(hook="release", argument="image")
    make_plugin(tmp_path, "guard", worker=code, hooks="release")
    host = load_host(tmp_path)
    with pytest.raises(HookFailed, match="'guard' failed: release did not end"):
        host.chain_release(object(), "picture", None, "")
    assert status_of(host, "guard").state is State.ON  # and the next job fails, too


def test_a_hook_that_hangs_inside_another_is_the_one_that_is_ended(tmp_path: Path) -> None:
    outer = """
        @hook
        def expand_prompt(prompt):
            return prompt + str(HOST[0].chain("before_generate", request=3))
        HOST = []
    """
    inner = ENDLESS.format(hook="before_generate", argument="request")
    make_plugin(tmp_path, "a-outer", worker=outer, hooks="expand_prompt")
    make_plugin(tmp_path, "b-inner", worker=inner, hooks="before_generate")
    host = load_host(tmp_path)
    host.watchdog = Watchdog()
    function = host._implementation("a-outer", "expand_prompt").function
    function.__globals__["HOST"].append(host)
    facts = {"negative_prompt": "", "request": None}
    found = host.chain("expand_prompt", prompt="a", **facts)
    states = {name: status_of(host, name).state for name in ("a-outer", "b-inner")}
    assert states["b-inner"] is State.STRUCK
    # Both were over the same short time here: the outer one may have been ended as well.
    assert (found, states["a-outer"]) in (("a3", State.ON), ("a", State.STRUCK))


def test_the_process_is_left_for_one_that_hears_nothing() -> None:
    left: list[tuple[str, str]] = []
    ended = threading.Event()

    def leave(plugin: str, what: str) -> None:
        left.append((plugin, what))
        ended.set()

    def deaf() -> None:
        while not ended.is_set():
            try:
                while not ended.is_set():
                    pass
            except Hung:
                pass

    dog = Watchdog(leave)
    with dog.watch("stuck", "at_step", 0.1, may_leave=True):
        deaf()
    assert left == [("stuck", "at_step")]


def test_what_ends_in_time_is_let_be() -> None:
    dog = Watchdog(lambda plugin, what: pytest.fail("left"))
    for _ in range(3):
        with dog.watch("quick", "at_step", 0.1, may_leave=True):
            pass
    threading.Event().wait(0.8)  # past the time of all three: nothing is thrown into this thread


def test_a_plugin_that_a_process_was_left_for_is_kept_out_until_a_reload(tmp_path: Path) -> None:
    make_plugin(tmp_path, "stuck", worker="x = 1", hooks="at_step")
    host = load_host(tmp_path)
    assert status_of(host, "stuck").state is State.ON
    mark_hung(tmp_path / ".easel", "stuck", "at_step")
    host.load(Choice())
    assert status_of(host, "stuck").state is State.STRUCK
    assert status_of(host, "stuck").fault.startswith("At_step did not end")
    host.load(Choice(required=frozenset({"stuck"})))  # its absence would let pictures out
    assert status_of(host, "stuck").state is State.ON
    clear_hung(tmp_path / ".easel")
    host.load(Choice())
    assert status_of(host, "stuck").state is State.ON
