"""docs/plugins.md tells of every hook, and its examples run; so does what `plugin new` writes."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from generator.control.annotators import Dials
from generator.hooks import Stage
from generator.request import GenerationRequest, Progress, Seeds
from plugins.api import Ask, Side
from plugins.discovery import SHIPPED_FOLDER
from plugins.hookspecs import HOOKS
from plugins.manifest import FILE, read_manifest
from plugins.plugin_status import State
from plugins.template import write_plugin
from tests.conftest import ROOT
from tests.plugins.plugin_files import load_host, make_plugin, status_of
from webapp.__main__ import main
from webapp.plugins.plugin_catalogue import script_entries, to_modules

PAGE = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"^### (\w+)\n(.*?)```python\n(.*?)```", re.S | re.M)
ROW = re.compile(r"^\| \[(\w+)\]\(#\w+\)( \*\*fails\*\*)? \| ([\d.]+) \| (–|[a-z, -]+) \|$", re.M)
SECTIONS = {side: PAGE.split(f"\n## Hooks of `{side}.py`\n")[1].split("\n## ")[0] for side in Side}
IMPORT = "from plugins import hook\n"
EXAMPLES = {name: IMPORT + code for name, _, code in EXAMPLE.findall(PAGE)}

IMAGE = Image.new("RGB", (64, 64), "red")
REQUEST = GenerationRequest("a cat", Seeds(1), width=2048, panels={"greeter": {"amount": 1}})
LATENT, SIGMAS = torch.ones(1, 4, 8, 8), torch.tensor([2.0, 1.0, 0.0])
FACTS: dict[str, Any] = {
    "verb": "count", "body": 3, "tell": lambda share, text: True, "prompt": "a cat",
    "negative_prompt": "", "request": REQUEST, "latent": LATENT, "sigmas": SIGMAS,
    "estimate": LATENT * 9, "progress": Progress("a", 0, 1, 3, 4), "image": IMAGE, "number": 0,
    "draw": None, "label": "picture", "stage": Stage.PICTURE, "caller": "",
    "paths": [Path("a.png")], "error": ValueError("no"),
}  # fmt: skip


def example(tmp_path: Path, name: str) -> Any:
    """The host of a plugin that is the example of one hook."""
    side = HOOKS[name].side
    make_plugin(tmp_path, "greeter", hooks=name)
    (tmp_path / f"extensions/greeter/{side}.py").write_text(EXAMPLES[name])
    host = load_host(tmp_path, side)
    assert status_of(host, "greeter").state is State.ON, status_of(host, "greeter").fault
    assert name in status_of(host, "greeter").hooks
    return host


def test_every_hook_has_an_example_and_its_terms() -> None:
    assert set(EXAMPLES) == set(HOOKS)
    told = {name: (float(seconds), bool(fails)) for name, fails, seconds, _ in ROW.findall(PAGE)}
    assert told == {name: (terms.budget, terms.closed) for name, terms in HOOKS.items()}
    for side, section in SECTIONS.items():
        names = {name for name, _, _ in EXAMPLE.findall(section)}
        assert names == {name for name, terms in HOOKS.items() if terms.side is side}


def test_the_page_tells_which_hooks_our_own_plugins_use() -> None:
    shipped = [read_manifest(path.parent) for path in sorted(SHIPPED_FOLDER.glob(f"*/{FILE}"))]
    told = {name: users for name, _, _, users in ROW.findall(PAGE)}
    for name in HOOKS:
        users = ", ".join(each.name for each in shipped if name in each.hooks)
        assert told[name] == (users or "–")


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_the_example_of_each_hook_runs(tmp_path: Path, name: str) -> None:
    host = example(tmp_path, name)
    facts = FACTS | {"home": host.home("greeter")}
    answer = host.ask_one("greeter", name, **facts)
    assert status_of(host, "greeter").last_error == ""
    if name == "routes":
        ask = Ask("GET", "/hello", {}, 3, "ann", owner=False)
        assert [type(route.answer(ask)).__name__ for route in answer] == ["Reply", "Task"]
    elif name == "metrics":
        assert answer[0].values() == {("kind",): 3}
    elif name == "tools":
        sampled = answer["samplers"]["Leap"](lambda x, sigma: x * 0.5, LATENT, SIGMAS, None)
        assert sampled.shape == LATENT.shape
        assert answer["schedules"]["Straight"](3, 0.1, 1.0)[-1] == 0
        assert answer["upscalers"]["Mirror"](IMAGE, 2).size == (128, 128)
        told: list[str] = []

        def draw(request: GenerationRequest) -> Any:
            told.append(request.prompt)
            return SimpleNamespace(stopped=False)

        assert len(answer["scripts"]["Count down"](REQUEST, (2, "less"), draw)) == 2
        assert told == ["a cat less 2", "a cat less 1"]
        assert answer["preprocessors"]["posterise"](IMAGE, Dials(a=4)).size == IMAGE.size
    elif name == "scripts":
        assert [entry.title for entry in script_entries(answer, "txt2img")] == ["count down"]
        assert script_entries(answer, "img2img") == ()
    elif name == "preprocessors":
        assert to_modules(answer)["posterise"].a.most == 16
    elif name == "task":
        assert answer == {"counted": 3}
    elif name == "before_generate":
        assert answer.width == 1024
    elif HOOKS[name].chain or HOOKS[name].closed:
        assert answer is not None


def test_a_new_plugin_works_and_passes_its_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugin", "new", "first-try", "--data-dir", str(tmp_path)]) == 0
    folder = tmp_path / "extensions/first-try"
    assert str(folder) in capsys.readouterr().out
    for side in Side:
        assert status_of(load_host(tmp_path, side), "first-try").state is State.ON
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_names_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("Upper", "1st", "a b", "../up", ""):
        with pytest.raises(ValueError, match="name"):
            write_plugin(name, tmp_path)
    write_plugin("a", tmp_path)
    assert main(["plugin", "new", "a", "--data-dir", str(tmp_path)]) == 1
    assert "there already" in capsys.readouterr().err
    assert main(["plugin", "old", "--data-dir", str(tmp_path)]) == 2
