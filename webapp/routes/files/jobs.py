"""The caller's jobs on files: how far they are, and their end."""

from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify

from webapp.openapi import Note, described
from webapp.routes.files.asking import JOB, job_json
from webapp.routes.files.visiting import visit
from webapp.scopes import Scope, allowed

if TYPE_CHECKING:
    from webapp.filing import Filing

ALL = {"type": "object", "properties": {"jobs": {"type": "array", "items": JOB}}}


def blueprint(filing: "Filing") -> Blueprint:
    """The routes; a caller sees and ends no others' jobs."""
    jobs = Blueprint("jobs", __name__, url_prefix="/api/files/jobs")

    @jobs.get("")
    @allowed(Scope.FILES)
    @described(Note("The caller's own jobs of the last day, the latest first", answer=ALL))
    def own() -> Response:
        """Any right."""
        return jsonify({"jobs": [job_json(job) for job in filing.jobs.of(visit().who)]})

    @jobs.get("/<name>")
    @allowed(Scope.FILES)
    @described(Note("How far a job is", answer=JOB))
    def one(name: str) -> Response:
        """Any right."""
        return jsonify(job_json(filing.jobs.get(visit().who, name)))

    @jobs.delete("/<name>")
    @allowed(Scope.USER)
    @described(Note("End a job; what it has done stays done", answer=JOB))
    def end(name: str) -> Response:
        """Any right."""
        return jsonify(job_json(filing.jobs.cancel(visit().who, name)))

    return jobs
