"""Removes the server's own paths from error answers.

Messages name files relative to the data directory by themselves; this is for those that come
from a library or a plugin.
"""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, Response

from generator.models.kinds import ModelKind
from webapp.files.roots import DATA
from webapp.plugins.model_registry import folders_of

if TYPE_CHECKING:
    from webapp.settings.config import Config

TEXTUAL = ("application/json", "application/xml", "text/")
MAX_CHARACTERS = 1 << 20  # characters of a refusal that are looked through
CODE_FOLDER = Path(__file__).resolve().parents[2]


class PublicPaths:
    """Writes paths below known folders as callers may see them."""

    def __init__(self, config: "Config") -> None:
        self._names = dict(_public_names(config))
        longest_first = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile(rf"({'|'.join(map(re.escape, longest_first))})(/|(?![\w.-]))")

    def rewrite(self, text: str) -> str:
        """``text`` with what lies in the data directory named relative to it.

        Other model folders, trees and the program's own folders stand there by their last name.
        """
        return self._pattern.sub(self._public_name, text)

    def _public_name(self, match: "re.Match[str]") -> str:
        name, slash = self._names[match[1]], match[2]
        return f"{name}{slash}" if name else "" if slash else "the data directory"


def _public_names(config: "Config") -> Iterable[tuple[str, str]]:
    """Paths as texts, also as JSON has them, and what stands for each; "" for the data directory.

    A path that callers know as one of theirs (``/data``) stays, and so does a whole disk.
    """
    replacements = {config.data_dir: ""}
    folders = folders_of(config)
    others = [path for _, path, _ in config.browse_roots]
    others += [place for kind in ModelKind for place in folders.of(kind)]
    others += [CODE_FOLDER, Path(sys.prefix), Path(sys.base_prefix)]
    for path in others:
        if not path.is_relative_to(config.data_dir):
            replacements[path] = path.name
    visible = {f"/{DATA}", *(f"/{name}" for name, _, _ in config.browse_roots)}
    for path, name in replacements.items():
        for text in {str(path), str(path.resolve())}:
            if len(Path(text).parts) > 1 and text not in visible:
                yield text, name
                yield json.dumps(text, ensure_ascii=False)[1:-1], name


def install(app: Flask, config: "Config") -> None:
    """Look at every answer from 400 on before it leaves."""
    paths = PublicPaths(config)

    def look(answer: Response) -> Response:
        kind = answer.content_type or ""
        if answer.status_code < 400 or answer.direct_passthrough or not kind.startswith(TEXTUAL):
            return answer
        text = answer.get_data(as_text=True)
        if len(text) <= MAX_CHARACTERS and (public := paths.rewrite(text)) != text:
            answer.set_data(public)
        return answer

    app.after_request(look)
