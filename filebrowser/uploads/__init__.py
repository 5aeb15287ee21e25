"""Files that arrive in pieces, survive whatever happens on the way, and appear whole or not at all.

Nothing here knows HTTP: verbs are :class:`filebrowser.uploads.uploads.Uploads`' and speak of
offsets, lengths and sources of bytes.
"""
