"""The caller's jobs on files: how far they are, and their end."""

from flask import Blueprint, Response, jsonify
from typing_extensions import TypedDict

from webapp.access.scopes import AccessScope, requires
from webapp.http.openapi import RouteNote, with_note
from webapp.routes.files.caller_access import caller_access
from webapp.routes.files.params import FileJobFacts, job_json
from webapp.services import Services


class FileJobList(TypedDict):
    """The caller's own jobs of the last day."""

    jobs: list[FileJobFacts]


def blueprint(services: Services) -> Blueprint:
    """The routes; a caller sees and ends no others' jobs."""
    filing = services.file_services()
    jobs = Blueprint("jobs", __name__, url_prefix="/api/files/jobs")

    @jobs.get("")
    @requires(AccessScope.FILES)
    @with_note(
        RouteNote("The caller's own jobs of the last day, the latest first", answer=FileJobList)
    )
    def own() -> Response:
        """Any right."""
        return jsonify(
            {"jobs": [job_json(job) for job in filing.jobs.jobs_of(caller_access(services).who)]}
        )

    @jobs.get("/<name>")
    @requires(AccessScope.FILES)
    @with_note(RouteNote("How far a job is", answer=FileJobFacts))
    def one(name: str) -> Response:
        """Any right."""
        return jsonify(job_json(filing.jobs.get(caller_access(services).who, name)))

    @jobs.delete("/<name>")
    @requires(AccessScope.USER)
    @with_note(RouteNote("End a job; what it has done stays done", answer=FileJobFacts))
    def end(name: str) -> Response:
        """Any right."""
        return jsonify(job_json(filing.jobs.cancel(caller_access(services).who, name)))

    return jobs
