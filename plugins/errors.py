"""Errors of plugins; their texts are shown on the Extensions page and in answers."""


class PluginError(Exception):
    """Root of the errors of :mod:`plugins`."""


class BadManifest(PluginError):
    """``easel-plugin.toml`` is missing, cannot be read, or asks for what there is not."""


class BadPackage(PluginError):
    """An archive that holds no plugin, or what no plugin needs."""


class Unfit(PluginError):
    """A plugin whose code cannot be used: it does not import, or does not match its hooks."""


class Unmet(PluginError):
    """A plugin wants another Easel, or packages that are not installed."""


class HookFailed(PluginError):
    """A hook raised whose failure ends the job."""


class Withheld(PluginError):
    """A plugin refuses to let a picture out; the request fails."""
