"""The visit of the current request: what its caller may do with which trees."""

from filebrowser.visit import Visit
from webapp.browsing import visit_of
from webapp.routes.context import caller, services


def visit() -> Visit:
    """The visit of who asks, as the gate of credentials found out."""
    return visit_of(caller(), services().config)
