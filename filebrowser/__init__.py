"""Files of the data directory: browsing, operations, search, uploads, shares, WebDAV."""
