"""The figures of a soak as Markdown, and whether they hold."""

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from benchmarks.soak.client import HUNG, OutcomeCounts

MAX_LATENCY = 2.0  # seconds for /healthz
MAX_MIB = 1536.0  # MiB for the web process
HEAD = "Traceback (most recent call last):"
LAST_LINE = re.compile(r"^[\s|]*([\w.]+(?:Error|Exception|Refused|Lost|Left|Warning|Full)\b.*)$")


@dataclass(slots=True)
class SoakResult:
    """What happened. Times in seconds."""

    tally: OutcomeCounts
    seconds: float = 0.0
    starts: list[float] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    kills: int = 0
    failed_starts: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    sight: dict[str, Any] = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)
    own_cpu: float = 0.0


def failures(soak: SoakResult) -> list[str]:
    """What does not hold, in sentences."""
    sight, problems = soak.sight, list(soak.failed_starts)
    worst = max(sight["latencies"], default=0.0)
    if not sight["latencies"]:
        problems.append("/healthz was never asked.")
    if worst > MAX_LATENCY:
        problems.append(f"/healthz took {worst:.2f} s; {MAX_LATENCY:g} s are allowed.")
    if sight["failures"]:
        problems.append(f"/healthz was not answered with 200 {sight['failures']} times.")
    if sight["web_mib"] > MAX_MIB:
        problems.append(
            f"The web process took {sight['web_mib']:.0f} MiB; {MAX_MIB:.0f} are allowed."
        )
    hung = soak.tally.counts["the owner's draw", HUNG]
    if hung:
        problems.append(f"{hung} of the owner's draws had no answer within two minutes.")
    return problems


def tracebacks(log: str) -> Counter[str]:
    """Last lines of the tracebacks of a log."""
    last_lines: Counter[str] = Counter()
    for part in log.split(HEAD)[1:]:
        lines = (LAST_LINE.match(line) for line in part.splitlines()[:200])
        last = next((line[1] for line in lines if line), "?")
        last_lines[re.sub(r"\d+|0x[0-9a-f]+", "#", last)[:120]] += 1
    return last_lines


def as_markdown(soak: SoakResult, machine: str, log: str) -> str:
    """The whole page."""
    traces = tracebacks(log)
    rows = [
        *_figures(soak, sum(traces.values())),
        "",
        "| requests | how they ended | slowest, s |",
        "|---|---|---|",
        *_requests(soak.tally),
    ]
    if slow := soak.sight["slow"]:
        names = list(slow[0])
        rows += ["", "Answers of `/healthz` over a second:", "", f"| {' | '.join(names)} |"]
        rows += [f"|{'---|' * len(names)}"]
        rows += [f"| {' | '.join(str(x) for x in answer.values())} |" for answer in slow]
    if traces:
        rows += ["", "Tracebacks:", ""]
        rows += [f"* {count} × `{line}`" for line, count in traces.items()]
    head = f"{soak.seconds / 60:.0f} minutes on {machine}."
    failed = [f"* **Missed:** {line}" for line in failures(soak)]
    return "\n".join([head, "", *failed, *([""] if failed else []), *rows, ""])


def _figures(soak: SoakResult, traces: int) -> list[str]:
    sight = soak.sight
    latencies = sorted(sight["latencies"]) or [0.0]
    loads = soak.loads or [0.0]
    hundredth = latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))]
    figures = (
        (
            f"`/healthz`, {len(latencies)} times: worst, s",
            f"{latencies[-1]:.2f}",
            f"≤ {MAX_LATENCY:g}",
        ),
        ("`/healthz`: 99th percentile, s", f"{hundredth:.3f}", ""),
        ("`/healthz`: median, s", f"{latencies[len(latencies) // 2]:.3f}", ""),
        ("web process, largest, MiB", f"{sight['web_mib']:.0f}", f"≤ {MAX_MIB:.0f}"),
        ("web process: threads, open files", f"{sight['web_threads']}, {sight['web_files']}", ""),
        ("worker, largest, MiB", f"{sight['worker_mib']:.0f}", ""),
        ("another child, largest, MiB", f"{sight['other_mib']:.0f}", ""),
        ("restarts with damaged databases", f"{max(0, len(soak.starts) - 1)}", ""),
        ("slowest start, s", f"{max(soak.starts, default=0):.1f}", ""),
        ("workers killed", f"{soak.kills}", ""),
        ("answers 500", f"{soak.tally.total('500')}", ""),
        ("tracebacks in the log", f"{traces}", ""),
        ("the load itself, s of CPU", f"{soak.own_cpu:.0f}", ""),
        ("load average, least to most", f"{min(loads):.1f} to {max(loads):.1f}", ""),
    )
    table = [f"| {name} | {value} | {bar} |" for name, value, bar in figures]
    return ["| figure | value | bar |", "|---|---|---|", *table]


def _requests(tally: OutcomeCounts) -> list[str]:
    by_kind: dict[str, list[str]] = defaultdict(list)
    for (kind, outcome), count in sorted(tally.counts.items()):
        by_kind[kind].append(f"{count} × {outcome}")
    return [
        f"| {kind} | {', '.join(lines)} | {tally.slowest.get(kind, 0):.1f} |"
        for kind, lines in by_kind.items()
    ]


def as_json(soak: SoakResult) -> str:
    """What a closer look needs: slow moments, memory over time, samples of answers 500."""
    sight = soak.sight
    content = {
        "slow": sight["slow"],
        "minutes": sight["series"],
        "samples": soak.tally.samples,
        "damage": soak.damage,
        "starts": soak.starts,
        "stops": soak.stops,
    }
    return json.dumps(content, indent=1)
