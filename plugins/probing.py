"""Test imports of unknown plugins in a child process, with a timeout.

``python -m plugins.probing SIDE`` reads places of plugins from its standard input, one JSON list
a line, and answers ``{"fault": ...}`` for each in turn. A plugin
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
from plugins.child_clock import ChildClock
from plugins.errors import Unfit
from plugins.finding import Found, Origin
from plugins.importing import files_of, import_part, refusing
from plugins.nouns import Side

PATIENCE = {Side.WEB: 5.0, Side.WORKER: 60.0}  # seconds of an import that computes or sleeps
PAUSE = 0.1  # seconds between two looks at the child
HERE = Path(__file__).parents[1]


def probe(found: Sequence[Found], side: Side, seen: Path, version: str) -> dict[str, str]:
    """Name -> what is wrong with it, "" for nothing, of each plugin.

    ``seen`` is the file that remembers which passed; it may be absent, and is written anew.
    """
    marks = {each.name: fingerprint(each, side, version) for each in found}
    known = _read(seen)
    faults = {name: "" for name, mark in marks.items() if mark in known}
    left = [each for each in found if each.name not in faults]
    while left:
        answers = _ask(left, side)
        faults |= answers
        left = [each for each in left if each.name not in answers]
    passed = {marks[name] for name, fault in faults.items() if not fault}
    if not passed <= known:
        _write(seen, known | passed)
    return faults


def fingerprint(found: Found, side: Side, version: str) -> str:
    """Changes with the files of a plugin, with Python and with Easel."""
    stats = [(str(path), path.stat()) for path in files_of(found.folder)]
    facts = [(name, each.st_size, each.st_mtime_ns) for name, each in stats]
    return hashlib.sha256(repr((facts, side, sys.version, version)).encode()).hexdigest()


def _read(seen: Path) -> set[str]:
    try:
        return set(map(str, json.loads(seen.read_text())))
    except (OSError, ValueError, TypeError, RecursionError):
        return set()  # then they are probed again


def _write(seen: Path, marks: set[str]) -> None:
    seen.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(seen, json.dumps(sorted(marks)).encode())


def _ask(found: Sequence[Found], side: Side) -> dict[str, str]:
    """Faults of as many as one child came to; of at least one."""
    child = subprocess.Popen(
        [sys.executable, "-m", "plugins.probing", side],
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(HERE), *filter(None, sys.path)))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        return _listen(child, found, PATIENCE[side])
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe:
                pipe.close()


def _listen(child: subprocess.Popen, found: Sequence[Found], patience: float) -> dict[str, str]:
    assert child.stdin
    assert child.stdout
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_pass_on, args=(child.stdout, lines), daemon=True)
    reader.start()
    places = "".join(json.dumps(_place(each)) + "\n" for each in found)
    child.stdin.write(places)
    child.stdin.close()
    faults: dict[str, str] = {}
    for each in found:
        line = _next(lines, ChildClock(child.pid, patience))
        if line is None:
            return faults | {each.name: f"Its import did not end within {patience:.0f} seconds."}
        if not line:
            return faults | {each.name: "Its import ended the interpreter."}
        faults[each.name] = json.loads(line)["fault"]
    return faults


def _next(lines: "queue.Queue[str]", clock: ChildClock) -> str | None:
    """The next line, None once the child has had its time."""
    while not clock.is_over():
        with suppress(queue.Empty):
            return lines.get(timeout=PAUSE)
    return None


def _pass_on(pipe: object, lines: "queue.Queue[str]") -> None:
    for line in pipe:  # type: ignore[attr-defined]
        lines.put(line)
    lines.put("")


def _place(found: Found) -> list[str]:
    return [found.name, str(found.folder), found.origin, found.package]


def main() -> None:
    """The child: its answers go to a descriptor that a plugin's prints do not reach."""
    side = Side(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        name, folder, origin, package = json.loads(line)
        found = Found(name, Path(folder), Origin(origin), package, None)
        print(json.dumps({"fault": fault_of(found, side)}), file=answers, flush=True)


def fault_of(found: Found, side: Side) -> str:
    """What the import of a plugin's part raises, "" for nothing."""
    try:
        if side is Side.WEB:
            with refusing():
                import_part(found, side)
        else:
            import_part(found, side)
    except Unfit as error:
        return str(error)
    return ""


def faults_at_import(
    found: Sequence[Found], side: Side, seen: Path, version: str
) -> Mapping[str, str]:
    """Faults of all plugins that have this side; shipped ones are trusted."""
    strangers = [each for each in found if each.origin is not Origin.SHIPPED and each.has(side)]
    return probe(strangers, side, seen, version)


if __name__ == "__main__":
    main()
