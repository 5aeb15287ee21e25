"""The current caller's access to files: trees and rights."""

from filebrowser.access.file_access import FileAccess
from webapp.files.caller_rights import access_of
from webapp.routes.context import caller
from webapp.services import Services


def caller_access(services: Services) -> FileAccess:
    """The access of the authenticated caller."""
    return access_of(caller(), services.config)
