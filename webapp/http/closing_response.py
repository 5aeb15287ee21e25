"""Responses that release descriptors and queue places even if they never start."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response

from webapp.http.thread_admission import mark_waiting


class ClosingResponse(Response):
    """Closes itself where the server refuses its head: nobody else would, and it holds files."""

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Begin the answer; whatever goes wrong before the first byte closes it."""
        if self.is_streamed:  # at the pace of its client
            mark_waiting()
        try:
            return super().__call__(environ, start_response)
        except BaseException:
            self.close()
            raise


class ClosingFlask(Flask):
    """Flask whose answers are closed when a hook that sees them afterwards fails."""

    response_class = ClosingResponse

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: none here is a coroutine, and every hook would be looked at."""
        return func

    def process_response(self, response: Response) -> Response:
        """Run the hooks of ``after_request``."""
        try:
            return super().process_response(response)
        except BaseException:
            response.close()
            raise
