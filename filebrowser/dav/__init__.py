"""WebDAV over the gate: wsgidav speaks the protocol, and every path is the visit's."""
