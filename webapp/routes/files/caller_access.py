"""The current caller's access to files: trees and rights."""

from filebrowser.access.file_access import FileAccess
from webapp.files.file_access import access_of
from webapp.routes.context import caller, services


def caller_access() -> FileAccess:
    """The access of the authenticated caller."""
    return access_of(caller(), services().config)
