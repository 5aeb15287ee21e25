"""Files as answers of Flask's views."""

from typing import cast

from flask import Response, request

from filebrowser.file_response import ServeOptions, respond


def answer_file(fd: int, options: ServeOptions) -> Response:
    """The answer to the current request with the open file ``fd``, which it closes.

    Raises as :func:`filebrowser.file_response.respond`.
    """
    return cast("Response", Response.force_type(respond(fd, options, request)))
