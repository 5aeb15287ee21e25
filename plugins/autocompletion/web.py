"""Autocompletion's route, options and what it adds to the prompt fields."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plugins import hook
from plugins.api import Ask, Home, Part, Reply, Route, Scope, Setting, Slot
from plugins.autocompletion.tags import FOLDER, Match, Tags, build_tags, list_stamps, read_lists

MAX_ANSWERS = 50  # answers of one request
DEFAULTS = {"most": 12, "after": 2, "spaces": True, "comma": True}


class Plugin:
    """Keeps the lists in memory, and reads them anew when their files change."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.lock = threading.Lock()
        self.stamps: Mapping[Path, tuple[int, int]] = {}
        self.tags = Tags()

    @hook
    def routes(self) -> Sequence[Route]:
        """For the page; they change nothing."""
        return (
            Route("/match", self.match, scope=Scope.READERS),
            Route("/setup", self.setup, scope=Scope.READERS),
        )

    @hook
    def parts(self) -> Sequence[Part]:
        """Without a title: it works on the prompt fields and has no place of its own."""
        return (Part(Slot.PANEL, "", module="panel.js"),)

    @hook
    def settings(self) -> Sequence[Setting]:
        """How much is offered, and how it is written."""
        return (
            Setting("most", DEFAULTS["most"], "Offers shown at once.", least=1, most=MAX_ANSWERS),
            Setting("after", DEFAULTS["after"], "Letters before anything is offered.", (), 1, 10),
            Setting("spaces", DEFAULTS["spaces"], "blue_sky is written as blue sky."),
            Setting("comma", DEFAULTS["comma"], "Write a comma after a tag."),
        )

    def setup(self, ask: Ask) -> Reply:
        """The settings in force, and how many tags there are."""
        return Reply({**self.options(), "tags": self.current_tags().count})

    def match(self, ask: Ask) -> Reply:
        """Tags that fit ``q``."""
        matches = self.current_tags().find(ask.query.get("q", ""), int(self.options()["most"]))
        return Reply({"matches": [to_json(each) for each in matches]})

    def options(self) -> dict[str, Any]:
        """The settings in force."""
        own = self.home.options()
        return {name: own.get(name, usual) for name, usual in DEFAULTS.items()}

    def current_tags(self) -> Tags:
        """The tags of the lists as they are now."""
        with self.lock:
            current_stamps = list_stamps(self.home.data_dir / FOLDER)
            if current_stamps != self.stamps:
                self.tags, self.stamps = build_tags(read_lists(current_stamps)), current_stamps
            return self.tags


def to_json(match: Match) -> dict[str, Any]:
    """A match as the page gets it."""
    tag = match.tag
    return {"name": tag.name, "category": tag.category, "count": tag.count, "alias": match.alias}
