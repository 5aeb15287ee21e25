"""The house rules that tools can check: arrows, a light web process, honest packaging."""

import ast
import configparser
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "torchvision", "diffusers", "transformers")


def imported_by(statement: str) -> set[str]:
    """Top-level modules in memory after ``statement`` ran in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint(*{{m.partition('.')[0] for m in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module", ["webapp.app", "webapp.processes.web_server", "webapp.processes.supervisor"]
)
def test_web_process_and_supervisor_never_import_torch(module: str) -> None:
    assert imported_by(f"import {module}").isdisjoint(HEAVY)


def test_supervisor_is_light() -> None:
    assert imported_by("import webapp.processes.supervisor").isdisjoint(
        {*HEAVY, "flask", "gunicorn"}
    )


def test_generator_works_without_the_web() -> None:
    assert imported_by("import generator.engine").isdisjoint({"flask", "webapp", "gunicorn"})


def test_arrows_between_the_packages() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    if not tool.exists():
        pytest.skip("import-linter is not installed; make test installs it")
    done = subprocess.run([str(tool), "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_contract_of_built_in_plugins_names_each_of_them() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    named = settings["importlinter:contract:built-in-plugins"]["source_modules"].split()
    manifests = (ROOT / "plugins").glob("*/easel-plugin.toml")
    assert sorted(named) == sorted(f"plugins.{path.parent.name}" for path in manifests)


def test_packaging_names_every_package() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    listed = set(settings["options"]["packages"].split())
    tops = ("webapp", "filebrowser", "generator", "plugins")
    found = {
        ".".join(init.parent.relative_to(ROOT).parts)
        for top in tops
        for init in (ROOT / top).rglob("__init__.py")
    }
    assert listed == found | {"static"}  # the built page; no Python in it


def test_lock_file_pins_torch_without_a_local_build() -> None:
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line for line in lock if line and not line.startswith("#")]
    assert "torch==2.13.0" in pins
    assert "torchvision==0.28.0" in pins
    assert all("==" in pin and "+" not in pin for pin in pins)


def test_no_two_test_files_share_a_name() -> None:
    """pytest imports them by their bare names."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_no_test_file_imports_another() -> None:
    """What several of them need lies in a module beside them."""
    pattern = re.compile(r"^from tests\.(?:\w+\.)*test_\w+ import", re.M)
    paths = (ROOT / "tests").rglob("*.py")
    assert not [path for path in paths if pattern.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("name", [".easel", ".trash", ".uploads", "config.json"])
def test_names_on_the_disk_have_one_owner(name: str) -> None:
    """Other modules import them; ``config.json`` of a folder of weights is another file."""
    owners = [
        path
        for top in ("webapp", "filebrowser", "generator", "plugins")
        for path in (ROOT / top).rglob("*.py")
        if any(
            isinstance(node, ast.Constant) and node.value == name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
        and not (name == "config.json" and top in ("generator", "plugins"))
    ]
    assert len(owners) == 1, owners


def test_both_readers_of_pictures_know_the_same_damage() -> None:
    """The file browser, which imports none of ours, judges too large pictures apart."""
    from PIL import Image

    from filebrowser.pictures import image_open
    from generator.pictures import base64_images

    too_large = {MemoryError, Image.DecompressionBombError}
    ours = set(base64_images.DAMAGED_PICTURE_ERRORS)
    assert ours - too_large == set(image_open.DAMAGED_PICTURE_ERRORS)


def code_of(path: Path, names: dict[str, str]) -> str:
    """The syntax tree of a module without its docstrings, with some names replaced."""
    text = path.read_text(encoding="utf-8")
    for name, other in names.items():
        text = text.replace(name, other)
    tree = ast.parse(text)
    for node in ast.walk(tree):
        described = ast.Module | ast.ClassDef | ast.FunctionDef
        if isinstance(node, described) and ast.get_docstring(node):
            del node.body[0]
    return ast.dump(tree)


def test_both_openers_of_databases_are_the_same_code() -> None:
    """The file browser and the generator may not import each other; names apart they are equal."""
    names = {
        "filebrowser.": "generator.",
        "FileDatabaseDamaged": "Damaged",
        "FileDatabaseSchema": "CacheSchema",
        "FileDatabase": "CacheDatabase",
    }
    twin = code_of(ROOT / "filebrowser" / "database.py", names)
    assert twin == code_of(ROOT / "generator" / "database.py", {})


def test_databases_are_opened_in_one_way() -> None:
    """By ``open_database`` and its kin, which check and migrate them; the queue's readers apart."""
    openers = [
        str(path.relative_to(ROOT))
        for top in ("webapp", "filebrowser", "generator", "plugins")
        for path in sorted((ROOT / top).rglob("*.py"))
        if "sqlite3.connect(" in path.read_text(encoding="utf-8")
    ]
    assert openers == [
        "webapp/queues/sqlite/reader_pool.py",
        "webapp/queues/sqlite/salvage.py",  # a damaged file, to read what is left
        "filebrowser/database.py",
        "generator/database.py",
    ]


MOST_LINES = 50  # of a function, from def to its end, without the docstring


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or 0) - docstring.lineno + 1
    return lines


def test_no_function_of_the_product_is_long() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": lines_of(node)
        for top in ("webapp", "filebrowser", "generator", "plugins")
        for path in (ROOT / top).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and lines_of(node) > MOST_LINES
    }
    assert not long


LINK = re.compile(r"\]\(([^)\s:]*?)(?:#([^)\s]+))?\)")
FENCED = re.compile(r"^```.*?^```", re.M | re.S)
HEADING = re.compile(r"^#+ (.*)$", re.M)


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = HEADING.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def test_links_of_the_documentation_lead_somewhere() -> None:
    broken = []
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "training/RECORD.md"):
        for path, anchor in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
            target = page.parent / path if path else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {path}#{anchor}")
    assert not broken


MOST_FILE_LINES = 400
LONGER_FILES = {
    "webapp/settings/flags.py": "one table, a row a flag",
    "webapp/settings/options_table.py": "one table, a row an option",
    "webapp/worker/loop.py": "one class, the lease loop; its handlers lie beside it",
    "webapp/errors.py": "the classes of refusals and the table of their answers, read together",
    "generator/request.py": "the frozen nouns of a job, a field a line",
    "generator/engine.py": "one class that joins the parts which a request goes through",
    "webapp/processes/web_worker.py": "gunicorn's worker: one class whose state is its connections",
    "generator/models/families/detection_table.py": "one ordered table, a row a family",
    "generator/models/pickle_reader.py": "one machine: its stack and every instruction of it",
    "filebrowser/access/gate.py": "all code that opens callers' paths, to be reviewed whole",
}
"""Files beyond, and why they are not cut."""


def test_long_files_have_a_reason() -> None:
    longer = {
        str(path.relative_to(ROOT))
        for top in ("webapp", "filebrowser", "generator", "plugins")
        for path in (ROOT / top).rglob("*.py")
        if len(path.read_text(encoding="utf-8").splitlines()) > MOST_FILE_LINES
    }
    assert longer <= set(LONGER_FILES), "cut them where a subject ends, or give a reason here"
