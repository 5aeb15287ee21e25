"""Resumable uploads: chunks are staged, survive crashes, and the finished file appears atomically.

Nothing here knows HTTP: verbs are :class:`filebrowser.uploads.uploads.Uploads`' and speak of
offsets, lengths and sources of bytes.
"""
