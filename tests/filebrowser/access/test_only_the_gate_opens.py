"""Nothing but the gate opens paths of users: the sources themselves are read.

A call that takes a path is allowed with ``dir_fd`` (a name in an open folder), with a descriptor
that somebody opened through the gate, and in the few modules below whose paths are Easel's own.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ("filebrowser", "webapp/routes/files")
GATE = "filebrowser/access/gate.py"
OS = frozenset(
    {"open", "stat", "lstat", "access", "listdir", "scandir", "walk", "fwalk", "mkdir", "makedirs"}
    | {"rename", "renames", "replace", "link", "symlink", "unlink", "remove", "rmdir"}
    | {"removedirs", "truncate", "chmod", "chown", "lchown", "utime", "mkfifo", "mknod"}
    | {"readlink", "statvfs", "getxattr", "setxattr", "chdir", "chroot", "startfile"}
)
WITH_FOLDERS = frozenset({"dir_fd", "src_dir_fd", "dst_dir_fd"})
PATH_VERBS = frozenset(
    {"open", "read_text", "read_bytes", "write_text", "write_bytes", "stat", "lstat", "iterdir"}
    | {"glob", "rglob", "walk", "mkdir", "rmdir", "unlink", "touch", "symlink_to", "hardlink_to"}
    | {"chmod", "lchmod", "is_file", "is_dir", "exists", "is_symlink", "readlink", "samefile"}
)
ANY_PATH = frozenset({"shutil", "tempfile", "glob", "fileinput", "linecache"})

OUR_OWN = {
    "filebrowser/atomic_file.py": "thumbnails in .easel; all else by descriptors",
    "filebrowser/database.py": "databases in .easel",
    "filebrowser/index/file_index.py": "the size of .easel/files.db",
    "filebrowser/index/schema.py": ".easel/files.db",
    "filebrowser/watch/mounts.py": "/proc/mounts, and where the owner's folders lie",
    "filebrowser/watch/debounce.py": "the watcher looks at names and times in the owner's folders",
    "filebrowser/watch/folder_walk.py": "likewise",
    "filebrowser/watch/watcher.py": "likewise",
    "filebrowser/pictures/disk_cache.py": "thumbnails in .easel, named by digests",
}
"""Modules whose paths no caller names, and what those paths are."""

OF_TREES = {
    ("filebrowser/listing/tree.py", "os.stat(place.root.path)"),
    ("webapp/routes/files/folders.py", "shutil.disk_usage(root.path)"),
}
"""Looks at a tree's own folder, which its owner named in a flag."""


def modules() -> list[str]:
    return sorted(
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if str(path.relative_to(ROOT)) not in (GATE, *OUR_OWN)
    )


def offences(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each call that takes a path by itself."""
    tree = ast.parse(source)
    numbers = descriptors(tree)
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if opens_a_path(call, numbers):
            yield call.lineno, ast.unparse(call)


def opens_a_path(call: ast.Call, numbers: frozenset[str]) -> bool:
    """Whether a call names a path without an open folder."""
    words = {word.arg for word in call.keywords}
    first = call.args[0] if call.args else None
    of_number = first is not None and is_number(first, numbers)
    called = call.func
    if isinstance(called, ast.Name):
        return called.id == "open" and not of_number
    if not isinstance(called, ast.Attribute):
        return False
    owner = ast.unparse(called.value)
    if owner == "os":
        folder = bool(words & WITH_FOLDERS)
        return called.attr in OS and not folder and not of_number
    if owner == "sqlite3":
        return called.attr == "connect"
    if owner == "os.path":
        return called.attr not in ("splitext", "basename", "join", "normpath") and not of_number
    if owner in ANY_PATH:
        return not folder_or_number(owner, called.attr, words, of_number)
    return called.attr in PATH_VERBS and looks_like_a_path(owner)


def folder_or_number(owner: str, name: str, words: set[str | None], of_number: bool) -> bool:
    """What of the wider modules touches no path of its own."""
    if owner == "shutil":
        return name in ("copyfileobj", "which") or bool(words & WITH_FOLDERS) or of_number
    return owner == "glob" and name in ("escape", "translate")


def looks_like_a_path(owner: str) -> bool:
    """Whether the receiver of ``.stat()`` and the like is a path, as far as a name can tell."""
    last = owner.rpartition(".")[2]
    return owner.startswith(("Path(", "pathlib.")) or "path" in last.lower() or "root" in last


def is_number(node: ast.expr, numbers: frozenset[str]) -> bool:
    """Whether an argument is an open descriptor: an ``int`` by its annotation or its maker."""
    if isinstance(node, ast.Name):
        return node.id in numbers
    if isinstance(node, ast.Attribute):
        return node.attr in numbers
    return made_by(node) in MAKERS or made_by(node) == "fileno"


MAKERS = frozenset(
    {"open_place", "open_folder", "open_data", "open_subfolder", "open_by_kernel", "open", "dup"}
    | {"open_file", "open_inside"}
)


LENDERS = frozenset(
    {
        "open_parent",
        "open_parent_to_read",
        "open_own_folder",
        "open_upload",
        "open_staging",
        "open_data",
        "open_target",
        "_opened",
        "_open_root",
    }
)
"""Context managers that lend an open folder or file, and close it."""


def made_by(node: ast.expr) -> str:
    """The last name of what is called, "" for what is no call."""
    return ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""


def descriptors(tree: ast.AST) -> frozenset[str]:
    """Names that hold descriptors: annotated ``int``, or made by who opens through the gate."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            name = node.arg if isinstance(node, ast.arg) else ast.unparse(node.target)
            if ast.unparse(node.annotation) in ("int", "int | None"):
                found.add(name)
        if isinstance(node, ast.Assign) and made_by(node.value) in MAKERS:
            found |= {ast.unparse(target) for target in node.targets}
        lent = isinstance(node, ast.withitem) and made_by(node.context_expr) in LENDERS
        if lent and node.optional_vars is not None:
            found |= set(ast.unparse(node.optional_vars).strip("()").split(", "))
    return frozenset(found)


@pytest.mark.parametrize("module", modules())
def test_paths_of_users_are_opened_by_the_gate_alone(module: str) -> None:
    found = [
        (line, text)
        for line, text in offences((ROOT / module).read_text(encoding="utf-8"))
        if (module, text) not in OF_TREES
    ]
    assert found == []


def test_the_lists_name_what_is_there() -> None:
    assert all((ROOT / module).is_file() for module in OUR_OWN)
    for module, text in OF_TREES:
        assert text in [call for _, call in offences((ROOT / module).read_text())]


@pytest.mark.parametrize(
    "line",
    [
        "open(path)",
        "os.open(path, os.O_RDONLY)",
        "os.stat(root.path / name)",
        "os.scandir(path)",
        "os.rename(a, b)",
        "os.path.exists(text)",
        "shutil.rmtree(path)",
        "shutil.copyfile(a, b)",
        "tempfile.mkstemp()",
        "path.read_bytes()",
        "Path(text).open()",
        "self.path.unlink()",
        "glob.glob(text)",
    ],
)
def test_what_would_be_found(line: str) -> None:
    assert list(offences(f"def verb(text: str) -> None:\n    {line}\n"))


@pytest.mark.parametrize(
    "line",
    [
        "os.stat(name, dir_fd=folder, follow_symlinks=False)",
        "os.rename(a, b, src_dir_fd=one, dst_dir_fd=two)",
        "os.scandir(folder)",
        "open(open_place(place), 'rb')",
        "shutil.rmtree(name, dir_fd=folder)",
        "shutil.copyfileobj(one, two)",
        "os.path.splitext(name)",
    ],
)
def test_what_is_in_order(line: str) -> None:
    assert not list(offences(f"def verb(folder: int) -> None:\n    {line}\n"))
