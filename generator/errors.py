"""Errors of generation. ``webapp/errors.py`` maps them to HTTP answers."""


class GeneratorError(Exception):
    """Root of all errors raised by :mod:`generator`; its text is meant for the caller to read."""


class BadRequest(GeneratorError):
    """The request cannot be drawn as written. ``field`` names the request field at fault.

    ``code``, one of ``webapp.refusal_codes``, and ``values`` say the same to programs.
    """

    code = ""

    def __init__(self, message: str, field: str = "", code: str = "", **values: object) -> None:
        super().__init__(message)
        self.field, self.values = field, values
        self.code = code or type(self).code


class ModelNotFound(BadRequest):
    """A checkpoint, VAE or other named model is not under ``models/``."""


class ModelUnreadable(GeneratorError):
    """A model file is truncated, corrupt or of a kind that cannot be loaded; names the file."""


class WrongArchitecture(BadRequest):
    """Weights made for one architecture were asked to run on another; the text names both."""


class NotANumber(GeneratorError):
    """A network produced NaN. The message is AUTOMATIC1111's (contract section 1.3)."""


class CannotSave(GeneratorError):
    """A picture could not be written (full disk, no permission). Nothing half-written is left."""
