"""The current caller's access to files: trees and rights."""

from filebrowser.visit import Visit
from webapp.browsing import visit_of
from webapp.routes.context import caller, services


def visit() -> Visit:
    """The access of the authenticated caller."""
    return visit_of(caller(), services().config)
