"""Small tables that all web processes of a service share: texts to what JSON can hold. No Flask."""

import json
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from filebrowser.access.gate import Place, PlaceKey, Root
from filebrowser.dav.placeholders import AnnouncedFile
from webapp.queues.redis.server import PREFIX, RedisServer

BYTES_KEY = "bytes in latin-1"


class RedisTable(MutableMapping[str, Any]):
    """One table. What it gives are copies: who changes one puts it back. What another process has
    taken away meanwhile can be deleted once more.

    Raises ``StoreUnavailable`` while the server is away.
    """

    def __init__(self, server: RedisServer, name: str) -> None:
        self.server, self.key = server, f"{PREFIX}table:{name}"

    def __getitem__(self, name: str) -> Any:
        with self.server.explain_errors():
            value: Any = self.server.client.hget(self.key, _encode_text(name))
        if value is None:
            raise KeyError(name)
        return _decode(value)

    def __setitem__(self, name: str, value: Any) -> None:
        text = json.dumps(value, default=_encode_bytes)
        with self.server.explain_errors():
            self.server.client.hset(self.key, _encode_text(name), text)

    def __delitem__(self, name: str) -> None:
        with self.server.explain_errors():
            self.server.client.hdel(self.key, _encode_text(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def items(self) -> Any:
        """All at one moment, asked for once."""
        return self._all().items()

    def values(self) -> Any:
        """The same."""
        return self._all().values()

    def _all(self) -> dict[str, Any]:
        with self.server.explain_errors():
            rows: Any = self.server.client.hgetall(self.key)
        return {
            name.decode("utf-8", "surrogateescape"): _decode(value) for name, value in rows.items()
        }


def _encode_text(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _encode_bytes(value: object) -> object:
    if isinstance(value, bytes):
        return {BYTES_KEY: value.decode("latin-1")}
    raise TypeError(f"{type(value).__name__} cannot be kept in a table")


def _decode(value: bytes) -> Any:
    def hook(found: dict[str, Any]) -> Any:
        return found[BYTES_KEY].encode("latin-1") if found.keys() == {BYTES_KEY} else found

    return json.loads(value, object_hook=hook)


class AnnouncedFiles(MutableMapping[PlaceKey, AnnouncedFile]):
    """Files announced by WebDAV clients in a table; machines may mount ``data_dir`` elsewhere."""

    def __init__(self, table: RedisTable, data_dir: Path) -> None:
        self.table, self.data_dir = table, Path(os.path.abspath(data_dir))

    def __getitem__(self, key: PlaceKey) -> AnnouncedFile:
        return self._file(self.table[self._name(key)])

    def __setitem__(self, key: PlaceKey, value: AnnouncedFile) -> None:
        root = value.place.root.name, self._shown(value.place.root.path), value.place.names
        facts = value.owner, value.expires_at, value.announced_at, value.modified
        self.table[self._name(key)] = [root, facts]

    def __delitem__(self, key: PlaceKey) -> None:
        del self.table[self._name(key)]

    def __iter__(self) -> Iterator[PlaceKey]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self.table)

    def items(self) -> Any:
        """All at one moment, asked for once."""
        return self._all().items()

    def _all(self) -> dict[PlaceKey, AnnouncedFile]:
        return {each.place.key: each for each in map(self._file, self.table.values())}

    def _file(self, value: Any) -> AnnouncedFile:
        (name, shown, names), facts = value
        return AnnouncedFile(Place(Root(name, self.data_dir / shown), tuple(names)), *facts)

    def _name(self, key: PlaceKey) -> str:
        path, names = key
        return "/".join((self._shown(path), *names))

    def _shown(self, path: Path) -> str:
        whole = Path(os.path.abspath(path))
        inside = whole.is_relative_to(self.data_dir)
        return str(whole.relative_to(self.data_dir) if inside else whole)
