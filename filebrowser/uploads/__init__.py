"""Resumable uploads: chunks are staged, survive crashes, and the finished file appears atomically.

Nothing here knows HTTP: verbs are :class:`filebrowser.uploads.upload_store.UploadStore`' and speak
of offsets, lengths and sources of bytes.
"""
