"""Side files of desktop systems (``.DS_Store``, ``Thumbs.db``): accepted and discarded."""

import re

SIDE_FILE_NAMES = frozenset(
    {".ds_store", "desktop.ini", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", ".localized"}
    | {".apdisk", ".volumeicon.icns", ".directory", ".metadata_never_index"}
    | {".metadata_never_index_unless_rootfs", ".metadata_direct_scope_only"}
    | {".com.apple.timemachine.donotpresent", ".ql_disablecache"}
    | {".ql_disablethumbnails"}
)
"""Names in lower case: settings of a folder's window, thumbnails, hints for an indexer."""

SIDE_FOLDER_NAMES = frozenset(
    {".spotlight-v100", ".trashes", ".fseventsd", ".temporaryitems", ".documentrevisions-v100"}
    | {".appledouble", ".appledb", ".appledesktop", "network trash folder", "temporary items"}
    | {"$recycle.bin", "system volume information"}
)
"""Folders that desktops make at the top of a drive, in lower case; all that lies in them too."""

APPLE_DOUBLE = "._"  # begins the name of a file's second half, where Finder puts attributes
OWNER_FILE_PATTERN = re.compile(r"~\$.+|\.~lock\..+#")
"""What Office and LibreOffice lay beside an open document, to tell others who has it."""


def is_side_file(path: str) -> bool:
    """Whether the last name of a path, or a folder on the way to it, is none of the user's own."""
    *folders, name = path.strip("/").split("/")
    last = name.lower()
    return (
        last in SIDE_FILE_NAMES
        or last in SIDE_FOLDER_NAMES
        or last.startswith(APPLE_DOUBLE)
        or any(folder.lower() in SIDE_FOLDER_NAMES for folder in folders)
    )


def is_owner_file(name: str) -> bool:
    """Whether a program made this file to mark a document as open."""
    return OWNER_FILE_PATTERN.fullmatch(name) is not None
