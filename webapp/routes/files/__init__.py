"""The routes of files: saved pictures by their address, and the FileBrowser."""
