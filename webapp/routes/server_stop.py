"""An end or a new beginning of the service on request (``--api-server-stop``)."""

import os
import signal

from flask import Blueprint, Response

from webapp.access.scopes import AccessScope, requires
from webapp.errors import Unavailable
from webapp.http.openapi import RouteNote, with_note
from webapp.process_tree import SUPERVISOR_VARIABLE
from webapp.routes.context import require_owner
from webapp.services import Services


def blueprint(_: Services) -> Blueprint:
    """The routes of ``--api-server-stop``, for the owner alone."""
    routes = Blueprint("stopping", __name__, url_prefix="/sdapi/v1")

    @routes.post("/server-kill")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("End the service; running jobs are finished or given back", answer=str))
    def kill() -> Response:
        """As ``server-stop``: nothing is lost by a kind end."""
        return signal_supervisor(signal.SIGTERM, "Stopping.")

    @routes.post("/server-stop")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("End the service; running jobs are finished or given back", answer=str))
    def stop() -> Response:
        """End as after a SIGTERM."""
        return signal_supervisor(signal.SIGTERM, "Stopping.")

    @routes.post("/server-restart")
    @requires(AccessScope.OWNER)
    @with_note(RouteNote("Start every process of the service anew", answer=str))
    def restart() -> Response:
        """End as after a SIGTERM and start again, on the same port."""
        return signal_supervisor(signal.SIGUSR1, "Restarting.")

    return routes


def signal_supervisor(number: signal.Signals, words: str) -> Response:
    """Signal the supervisor. 501 where this process was started without one."""
    require_owner()
    supervisor = os.environ.get(SUPERVISOR_VARIABLE)
    if not supervisor:
        raise NotFromHere("This process was started by itself; end it as you started it.")
    os.kill(int(supervisor), number)
    return Response(words, content_type="text/plain; charset=utf-8")


class NotFromHere(Unavailable):
    """The service cannot do this to itself as it was started."""

    status = 501
    code = "not_built"
