"""Rules on which files may lie where: by name at the start, by content at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from filebrowser.access.gate import Place
from filebrowser.errors import WrongContent
from filebrowser.safetensors_header import read_header

SAFETENSORS = ".safetensors"


@dataclass(frozen=True, slots=True)
class FolderRule:
    """Which endings may lie in and below a folder of a root: "models/Lora"; "" is the root.

    Endings are in lower case, with their dot; "" is a name without one. ``taken`` are those that
    may lie there, and None means all that are not ``refused``. ``weights`` are those of models.
    """

    root: str
    folder: str
    allowed_endings: frozenset[str] | None = None
    why: str = ""  # said to who brings another one
    refused_endings: frozenset[str] = frozenset()
    weight_endings: frozenset[str] = frozenset()

    def allows(self, ending: str) -> bool:
        """Whether a file with this ending may lie there."""
        return ending not in self.refused_endings and (
            self.allowed_endings is None or ending in self.allowed_endings
        )

    def applies_to(self, place: Place) -> bool:
        """Whether this rule speaks of the file at ``place``."""
        names = tuple(name for name in self.folder.split("/") if name)
        return place.root.name == self.root and place.names[: len(names)] == names


@dataclass(frozen=True, slots=True)
class ContentRules:
    """All rules; the one with the longest folder decides. What no rule speaks of is let in."""

    folders: Sequence[FolderRule] = ()

    def check_name(self, place: Place) -> None:
        """Raises :class:`WrongContent` where no file of this name may lie."""
        rule, ending = self._rule_for(place), _ending_of(place)
        if rule is not None and not rule.allows(ending):
            allowed_text = (
                rule.allowed_endings
                and f" Taken are: {', '.join(sorted(rule.allowed_endings - {''}))}."
            )
            where = f"/{rule.root}/{rule.folder}".rstrip("/")
            raise WrongContent(
                f"{place.names[-1]!r} may not lie in {where}. {rule.why}{allowed_text or ''}"
            )

    def is_weights(self, place: Place) -> bool:
        """Whether a file of this name would be a model's: an empty one is none."""
        rule, ending = self._rule_for(place), _ending_of(place)
        return ending == SAFETENSORS or (rule is not None and ending in rule.weight_endings)

    def _rule_for(self, place: Place) -> FolderRule | None:
        return max(
            (rule for rule in self.folders if rule.applies_to(place)),
            key=lambda rule: len(rule.folder),
            default=None,
        )

    def check_content(self, place: Place, file: int) -> None:
        """Raises :class:`WrongContent` where an open, whole file is not what its name says."""
        self.check_name(place)
        if place.names[-1].lower().endswith(SAFETENSORS):
            read_header(file)


def _ending_of(place: Place) -> str:
    return PurePosixPath(place.names[-1]).suffix.lower()
