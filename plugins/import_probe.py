"""Test imports of unknown plugins in a child process, with a timeout.

``python -m plugins.import_probe SIDE`` reads places of plugins from its standard input, one JSON
list a line, and answers ``{"fault": ...}`` for each in turn. A plugin
whose files have not changed since it passed is not probed again.
"""

import hashlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from generator.atomic_file import write_atomically
from plugins.api import Side
from plugins.child_clock import ChildClock
from plugins.discovery import DiscoveredPlugin, PluginOrigin
from plugins.errors import Unfit
from plugins.part_loader import import_part, imports_refused, python_files

IMPORT_TIMEOUTS = {Side.WEB: 5.0, Side.WORKER: 60.0}  # seconds of an import that computes or sleeps
POLL_SECONDS = 0.1  # seconds between two looks at the child
PROJECT_FOLDER = Path(__file__).parents[1]


def probe_imports(
    plugins: Sequence[DiscoveredPlugin], side: Side, seen_file: Path, version: str
) -> dict[str, str]:
    """Name -> what is wrong with it, "" for nothing, of each plugin.

    ``seen`` is the file that remembers which passed; it may be absent, and is written anew.
    """
    marks = {each.name: fingerprint(each, side, version) for each in plugins}
    known = _read_seen(seen_file)
    faults = {name: "" for name, mark in marks.items() if mark in known}
    left = [each for each in plugins if each.name not in faults]
    while left:
        answers = _probe_in_child(left, side)
        faults |= answers
        left = [each for each in left if each.name not in answers]
    passed = {marks[name] for name, fault in faults.items() if not fault}
    if not passed <= known:
        _write_seen(seen_file, known | passed)
    return faults


def fingerprint(plugin: DiscoveredPlugin, side: Side, version: str) -> str:
    """Changes with the files of a plugin, with Python and with Easel."""
    stats = [(str(path), path.stat()) for path in python_files(plugin.folder)]
    facts = [(name, each.st_size, each.st_mtime_ns) for name, each in stats]
    return hashlib.sha256(repr((facts, side, sys.version, version)).encode()).hexdigest()


def _read_seen(seen_file: Path) -> set[str]:
    try:
        return set(map(str, json.loads(seen_file.read_text())))
    except (OSError, ValueError, TypeError, RecursionError):
        return set()  # then they are probed again


def _write_seen(seen_file: Path, marks: set[str]) -> None:
    seen_file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(seen_file, json.dumps(sorted(marks)).encode())


def _probe_in_child(plugins: Sequence[DiscoveredPlugin], side: Side) -> dict[str, str]:
    """Faults of as many as one child came to; of at least one."""
    child = subprocess.Popen(
        [sys.executable, "-m", "plugins.import_probe", side],
        cwd=PROJECT_FOLDER,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(PROJECT_FOLDER), *filter(None, sys.path))),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        return _read_answers(child, plugins, IMPORT_TIMEOUTS[side])
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe:
                pipe.close()


def _read_answers(
    child: subprocess.Popen, plugins: Sequence[DiscoveredPlugin], timeout: float
) -> dict[str, str]:
    assert child.stdin
    assert child.stdout
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_copy_lines, args=(child.stdout, lines), daemon=True)
    reader.start()
    places = "".join(json.dumps(_to_list(each)) + "\n" for each in plugins)
    child.stdin.write(places)
    child.stdin.close()
    faults: dict[str, str] = {}
    for each in plugins:
        line = _next_line(lines, ChildClock(child.pid, timeout))
        if line is None:
            return faults | {each.name: f"Its import did not end within {timeout:.0f} seconds."}
        if not line:
            return faults | {each.name: "Its import ended the interpreter."}
        faults[each.name] = json.loads(line)["fault"]
    return faults


def _next_line(lines: "queue.Queue[str]", clock: ChildClock) -> str | None:
    """The next line, None once the child has had its time."""
    while not clock.is_over():
        with suppress(queue.Empty):
            return lines.get(timeout=POLL_SECONDS)
    return None


def _copy_lines(pipe: object, lines: "queue.Queue[str]") -> None:
    for line in pipe:  # type: ignore[attr-defined]
        lines.put(line)
    lines.put("")


def _to_list(plugin: DiscoveredPlugin) -> list[str]:
    return [plugin.name, str(plugin.folder), plugin.origin, plugin.package]


def main() -> None:
    """The child: its answers go to a descriptor that a plugin's prints do not reach."""
    side = Side(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        name, folder, origin, package = json.loads(line)
        plugin = DiscoveredPlugin(name, Path(folder), PluginOrigin(origin), package, None)
        print(json.dumps({"fault": import_fault(plugin, side)}), file=answers, flush=True)


def import_fault(plugin: DiscoveredPlugin, side: Side) -> str:
    """What the import of a plugin's part raises, "" for nothing."""
    try:
        if side is Side.WEB:
            with imports_refused():
                import_part(plugin, side)
        else:
            import_part(plugin, side)
    except Unfit as error:
        return str(error)
    return ""


def import_faults(
    plugins: Sequence[DiscoveredPlugin], side: Side, seen_file: Path, version: str
) -> Mapping[str, str]:
    """Faults of all plugins that have this side; shipped ones are trusted."""
    strangers = [
        each for each in plugins if each.origin is not PluginOrigin.SHIPPED and each.has(side)
    ]
    return probe_imports(strangers, side, seen_file, version)


if __name__ == "__main__":
    main()
