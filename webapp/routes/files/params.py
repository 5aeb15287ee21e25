"""Query parameters of the file routes, and the JSON of entries, results and jobs."""

import os
from collections.abc import Mapping, Sequence
from typing import Annotated, NotRequired

from flask import Response, jsonify, make_response, request
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from filebrowser.access.file_access import FileAccess, Right, resolve_path
from filebrowser.access.gate import Place
from filebrowser.errors import BadPath
from filebrowser.listing.sort_order import Sort
from filebrowser.listing.tree import DirectoryEntry, open_folder
from filebrowser.operations.job_store import FileJob, FileJobState
from filebrowser.operations.move import LeftOutReason, StepResult, StepStatus
from webapp.errors import BadValue, Refused

MAX_PATH_LENGTH = 4096
MAX_PATHS = 10_000

Path = Annotated[str, Field(max_length=MAX_PATH_LENGTH)]
Paths = Annotated[list[Path], Field(min_length=1, max_length=MAX_PATHS)]
TEXT: Mapping[str, object] = {"type": "string"}
PATH = {"path": TEXT}


class FileEntry(TypedDict):
    """One name of a listing; ``modified`` in seconds since 1970."""

    name: str
    kind: str
    size: int | None
    modified: float


class LeftOutEntry(TypedDict):
    """A name that an operation left where it was, and why."""

    name: str
    reason: LeftOutReason
    error: str


class OperationResult(TypedDict):
    """What became of one path; ``error`` and ``left_out`` only where there are any."""

    path: str
    to: str | None
    status: StepStatus
    error: NotRequired[str]
    left_out: NotRequired[list[LeftOutEntry]]
    left_out_count: NotRequired[int]


class OperationAnswer(TypedDict):
    """The results of an operation, or the id of the job that goes on with it."""

    results: list[OperationResult]
    job: str | None


class FileJobFacts(TypedDict):
    """Where a job on files stands; ``began`` in seconds since 1970."""

    id: str
    verb: str
    state: str
    began: float
    done: int
    total: int
    steps: int
    results: list[OperationResult]
    error: str


LATER = {"202": OperationAnswer}


class StrictBody(BaseModel):
    """A body whose fields are known and of the types that are written here."""

    model_config = ConfigDict(extra="forbid")


def path_param() -> str:
    """The query's ``path``. Raises ``BadPath`` where there is none."""
    path = request.args.get("path")
    if path is None:
        raise BadPath("Which path? Ask with ?path=/data/...")
    return path


def folder_param(access: FileAccess) -> Place | None:
    """The folder of the query's ``path``, None for all trees. Raises as the gate for no folder."""
    path = request.args.get("path", "/")
    if not path.strip("/"):
        return None
    place = resolve_path(access, path, Right.VIEW)
    os.close(open_folder(place))
    return place


def int_param(name: str, default: int, most: int) -> int:
    """A whole number of the query, 0 to ``most``. Raises ``BadValue``."""
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 12 or int(text) > most:
        raise BadValue(f"{name} takes a whole number from 0 to {most}, not {text[:40]!r}.")
    return int(text)


def sort_param(default: str) -> tuple[Sort, bool]:
    """The query's ``sort``, and whether it begins with a minus. Raises ``BadValue``."""
    text = request.args.get("sort", default)
    name = text.removeprefix("-")
    if name not in list(Sort):
        orders = ", ".join(f"{sort}, -{sort}" for sort in Sort)
        raise BadValue(f"sort is one of {orders}, not {text[:40]!r}.")
    return Sort(name), text.startswith("-")


def flag_param(name: str) -> bool:
    """A boolean of the query: 1 or true, 0 or false; false where it is missing."""
    text = request.args.get(name, "0").lower()
    if text not in ("0", "1", "true", "false"):
        raise BadValue(f"{name} takes 1 or 0, not {text[:40]!r}.")
    return text in ("1", "true")


def entry_json(entry: DirectoryEntry) -> FileEntry:
    """One name of a listing."""
    return {
        "name": entry.name,
        "kind": entry.kind,
        "size": entry.size,
        "modified": entry.modified,
    }


def results_json(results: Sequence[StepResult]) -> list[OperationResult]:
    """What became of each path; ``error`` and ``left_out`` only where there are any."""
    return [result_json(each) for each in results]


def result_json(result: StepResult) -> OperationResult:
    """What became of one path."""
    outcome: OperationResult = {"path": result.path, "to": result.to, "status": result.status}
    if result.error:
        outcome["error"] = result.error
    if result.left_out:
        outcome["left_out"] = [
            {"name": each.name, "reason": each.reason, "error": each.error}
            for each in result.left_out
        ]
        outcome["left_out_count"] = result.left_out_count
    return outcome


def job_json(job: FileJob) -> FileJobFacts:
    """Where a job stands."""
    return {
        "id": job.id,
        "verb": job.spec.verb,
        "state": job.state,
        "began": round(job.began, 3),
        "done": job.done,
        "total": job.total,
        "steps": len(job.spec.steps),
        "results": results_json(job.results),
        "error": job.error,
    }


def job_answer(job: FileJob, more: Mapping[str, object] | None = None) -> Response:
    """200 with the results of a job that is over, else 202 with its id."""
    body = {
        **(more or {}),
        "results": results_json(job.results),
        "job": None if job.state.is_over else job.id,
    }
    if job.state is FileJobState.FAILED and not job.results:
        raise Unable(job.error)
    return make_response(jsonify(body), 200 if job.state.is_over else 202)


class Unable(Refused):
    """A verb failed before its first step."""

    status = 507
