"""Files of ours are written whole: by the ``atomic_file`` of their package and nobody else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("webapp", "filebrowser", "generator", "plugins", "training")
TOOLS = ("training/", "plugins/nsfw_censor/convert_weights.py")
"""Run by developers, on their own files."""

ALLOWED = {
    "filebrowser/atomic_file.py": "writes whole files",
    "generator/atomic_file.py": "likewise",
    "filebrowser/operations/copy_tree.py": "copies into a folder that gets its name at the end",
    "filebrowser/archive.py": "writes into an archive that is being sent",
    "filebrowser/dav/folders.py": "an empty file that a lock makes",
    "filebrowser/database.py": "an empty database, and a lock",
    "filebrowser/operations/extract.py": "unpacks into a folder that gets its name at the end",
    "filebrowser/operations/renames.py": "keeps a name free for a moment",
    "filebrowser/text_files.py": "trades its draft for what is there",
    "filebrowser/uploads/cross_device_copy.py": "copies uploads to another disk",
    "filebrowser/uploads/staging_area.py": "the bytes of uploads, which grow",
    "generator/database.py": "an empty database, and a lock",
    "generator/models/torch_to_safetensors.py": "writes where its caller told it, a draft",
    "plugins/installer.py": "unpacks into a folder that gets its name at the end",
    "plugins/template.py": "a new plugin of the person at the keyboard",
    "webapp/api_document.py": "a developer's tool",
    "webapp/documentation.py": "a developer's tool",
    "webapp/queues/sqlite/ballast_file.py": "room that is freed on a full disk",
    "webapp/queues/bell_pipes.py": "pipes",
    "webapp/queues/notifier.py": "pipes",
    "webapp/settings/secret_files.py": "an empty file to hold a lock on",
    "webapp/accounts/database.py": "an empty database",
    "webapp/access/revoked_logins.py": "one line more in a file that grows",
    "webapp/processes/log_limit.py": "a long log, put aside and emptied under those who write it",
    "webapp/service_files/service_folder.py": "a file to hold a lock on, and the log of a service",
}
NEVER = frozenset({"write_text", "write_bytes", "NamedTemporaryFile", "mkstemp"})
FLAGS = re.compile(r"O_(WRONLY|RDWR|CREAT|APPEND|TRUNC)")
MODE = re.compile(r"^[rb]*[wax+]")


def writes(source: str) -> Iterator[str]:
    """The calls that open a file to write."""
    tree = ast.parse(source)
    flags = {  # names that stand for such flags
        ast.unparse(node.targets[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and FLAGS.search(ast.unparse(node.value))
    }
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func).rpartition(".")[2]
        given = [*call.args, *(word.value for word in call.keywords)]
        opens = name in ("open", "open_place", "open_file") and any(map(is_writing, given))
        named = name in ("open", "open_place") and flags & {ast.unparse(each) for each in given}
        if name in NEVER or opens or named:
            yield ast.unparse(call)


def is_writing(given: ast.expr) -> bool:
    """Whether an argument of ``open`` says that something will be written."""
    if isinstance(given, ast.Constant):
        return isinstance(given.value, str) and MODE.match(given.value) is not None
    return FLAGS.search(ast.unparse(given)) is not None


def modules() -> list[str]:
    found = (path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return sorted(str(each) for each in found if not str(each).startswith(TOOLS))


def test_files_are_written_whole() -> None:
    found = {each: list(writes((ROOT / each).read_text("utf-8"))) for each in modules()}
    assert {each: calls for each, calls in found.items() if calls and each not in ALLOWED} == {}
    assert [each for each in ALLOWED if not found.get(each)] == []


@pytest.mark.parametrize(
    "line",
    [
        "open(path, 'w')",
        "path.open('xb')",
        "open(path, mode='a')",
        "open(path, 'r+b')",
        "path.write_text('')",
        "os.open(path, os.O_CREAT | os.O_WRONLY)",
        "tempfile.mkstemp()",
    ],
)
def test_what_would_be_found(line: str) -> None:
    assert list(writes(line))
