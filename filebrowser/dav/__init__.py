"""WebDAV over the path gate: wsgidav speaks the protocol; paths are resolved by ``FileAccess``."""
