"""The report of models as lines for a terminal."""

from collections.abc import Iterator, Sequence

from generator.model_tools.report import ModelReport, ReportedModel

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def report_lines(report: ModelReport) -> Iterator[str]:
    """One section after another; those without anything to tell are left out."""
    total = sum(kind.size for kind in report.kinds)
    yield f"Models: {sum(kind.files for kind in report.kinds)} files, {to_size(total)}"
    for kind in report.kinds:
        yield f"  {kind.kind.replace('_', ' '):<17}{kind.files:>6}  {to_size(kind.size):>10}"
    yield from _duplicate_lines(report)
    yield from _unused_lines(report)
    if report.baseless:
        yield "LoRA without a checkpoint of their base:"
    for each in report.baseless:
        yield f"  {each.model.name}: made for {each.base}"
    if report.misplaced:
        yield "In the wrong folder:"
    for file in report.misplaced:
        yield f"  {file.model.name}: {file.found}, not a checkpoint; move it to {file.folder}"
    if report.unjudged:
        yield f"  {report.unjudged} LoRA were not looked at yet"
    if report.unreadable:
        yield "Files that cannot be used:"
    for unreadable in report.unreadable:
        yield f"  {unreadable.file}: {unreadable.reason}"


def to_size(size: float) -> str:
    """Bytes as people read them: ``1.9 GiB``."""
    for unit in UNITS[:-1]:
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == UNITS[0] else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {UNITS[-1]}"


def _duplicate_lines(report: ModelReport) -> Iterator[str]:
    if report.duplicates:
        spare = sum(group.spare for group in report.duplicates)
        yield f"Duplicates ({to_size(spare)} could be spared):"
    for group in report.duplicates:
        yield f"  {group.sha256[:10]}: {', '.join(_names(group.models))}"
    if report.unhashed:
        yield f"  {report.unhashed} files of equal sizes have no hash: they may be duplicates too"


def _unused_lines(report: ModelReport) -> Iterator[str]:
    if report.unused is None:
        yield "Never used: not known (no index of pictures here; the service makes one)"
    elif report.unused:
        yield f"Never used (by what {report.pictures} saved pictures and all jobs tell):"
        for model in report.unused:
            yield f"  {model.kind}: {model.name}, {to_size(model.size)}"


def _names(models: Sequence[ReportedModel]) -> list[str]:
    return [f"{model.name} ({model.kind})" for model in models]
