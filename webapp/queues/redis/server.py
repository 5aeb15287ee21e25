"""A connection to Redis or Valkey that runs acts of the script, and says plainly what fails."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from redis import BlockingConnectionPool, Redis
from redis import exceptions as errors
from redis.backoff import NoBackoff
from redis.retry import Retry

from webapp.queues.errors import QueueFull, QueueUnwritable, StoreUnavailable
from webapp.queues.redis.act_connections import ActConnections
from webapp.queues.redis.address import describe_address
from webapp.queues.redis.script import script_of

PREFIX = "easel:"  # of every key
MAX_CONNECTIONS = 64  # of a process, one of them the notifier's; further threads wait
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 10.0  # for an answer of the server, which may have to write pictures to its disk
SILENT_SECONDS = 2.0  # seconds without a try after one that was not answered: others wait behind
OFFSET_SECONDS = 10.0  # for which what the server's clock was asked for holds, ...
QUICK_SECONDS = 0.05  # ... where it answered as fast as this
CLOCK_SHIFT = 30 * 86400.0  # seconds, see scripts/0_common.lua

NOT_READY = ("LOADING", "BUSY", "MASTERDOWN", "READONLY", "NOREPLICAS", "NOAUTH")
UNREACHABLE = (
    errors.ConnectionError,  # a wrong password and a server that still loads, too
    errors.TimeoutError,
    errors.ReadOnlyError,
    errors.NoPermissionError,
    errors.ClusterError,
    OSError,
)


class RedisServer:
    """The server of a queue. Connects when it is first asked, and anew whenever it must.

    ``clock`` stands for the server's own in tests.
    """

    def __init__(self, address: str, clock: Callable[[], float] | None = None) -> None:
        self.name = describe_address(address)
        self.clock = clock
        pool = BlockingConnectionPool.from_url(
            address,
            max_connections=MAX_CONNECTIONS,
            timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 0),  # an act whose answer was lost may have happened
            protocol=2,
        )
        self.client = Redis(connection_pool=pool)
        self._acts = ActConnections(pool)
        self._silent_until = 0.0  # of time.monotonic
        self._offset = (0.0, 0.0)  # of the server's clock from that one; until when it is known

    def run(self, act: str, payload: bytes = b"", /, **arguments: Any) -> Any:
        """Run an act of the script; its reply. Raises as :meth:`explain_errors`."""
        arguments["now"] = self.clock() if self.clock else None
        arguments["shift"] = CLOCK_SHIFT if self.clock else 0
        words = (act, json.dumps(arguments, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        script = script_of(act)
        with self.explain_errors():
            try:
                return self._acts.run("EVALSHA", script.digest, 1, PREFIX, *words, payload)
            except errors.NoScriptError:  # of a server that was started anew
                self._acts.run("SCRIPT", "LOAD", script.text)
                return self._acts.run("EVALSHA", script.digest, 1, PREFIX, *words, payload)

    @contextmanager
    def explain_errors(self) -> Iterator[None]:
        """Raise ``StoreUnavailable``, ``QueueFull``, ``QueueUnwritable`` for what the server says.

        Their texts hold neither the password nor a body.
        """
        if time.monotonic() < self._silent_until:
            raise self._unavailable("it did not answer in time")
        try:
            yield
        except errors.OutOfMemoryError as error:
            raise self._full() from error
        except errors.TimeoutError as error:
            self._silent_until = time.monotonic() + SILENT_SECONDS
            raise self._unavailable(first_line(error)) from error
        except UNREACHABLE as error:
            raise self._unavailable(first_line(error)) from error
        except errors.ResponseError as error:
            text = str(error)
            if text.startswith("OOM"):
                raise self._full() from error
            if text.startswith("MISCONF"):
                raise QueueUnwritable(
                    f"The queue's server {self.name} cannot write to its disk: the request was not "
                    "stored. Send it again when the disk is well."
                ) from error
            if text.startswith(NOT_READY):
                raise self._unavailable(first_line(error)) from error
            raise

    def _unavailable(self, why: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"The queue's server {self.name} cannot be used now ({why}); "
            "send the request again in a moment."
        )

    def _full(self) -> QueueFull:
        return QueueFull(
            f"The memory of the queue's server {self.name} is full (its maxmemory): the request "
            "was not stored. Read results that wait, or give the server more memory."
        )

    def now(self) -> float:
        """Unix seconds of the server."""
        if self.clock:
            return self.clock()
        with self.explain_errors():
            seconds, microseconds = self.client.time()
        return float(seconds) + float(microseconds) / 1e6

    def now_at_least(self) -> float:
        """Unix seconds of the server, or of a moment before; it is asked once in a while."""
        if self.clock:
            return self.now()
        began = time.monotonic()
        offset, known_until = self._offset
        if began < known_until:
            return began + offset
        told, ended = self.now(), time.monotonic()
        if ended - began < QUICK_SECONDS:
            self._offset = (told - ended, ended + OFFSET_SECONDS)
        return told

    def forget_clock(self) -> None:
        """Ask the server for its time at the next need: its clock may have been set."""
        self._offset = (0.0, 0.0)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
        self.client.connection_pool.disconnect()


def first_line(error: Exception) -> str:
    """The first line of an error's text, cut; what a server says is short."""
    return str(error).partition("\n")[0].rstrip(". ")[:200] or type(error).__name__


def text_of(value: bytes | str) -> str:
    """A text of the server, or of its JSON."""
    return value if isinstance(value, str) else value.decode("utf-8", "surrogatepass")


def json_of(value: bytes) -> Any:
    """What JSON of the server says; an empty list may be an empty object."""
    return json.loads(text_of(value))


def texts_of(values: list[bytes]) -> list[str]:
    """Texts of the server."""
    return [text_of(value) for value in values]


def pairs_of(flat: list[bytes]) -> Mapping[str, bytes]:
    """A hash of the server by its fields."""
    return {text_of(name): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def elapsed_since(moment: float) -> float:
    """Seconds of this machine's clock since unix seconds of the same clock."""
    return time.time() - moment
