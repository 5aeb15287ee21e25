"""What may lie where: by a file's name before its first byte comes, by its content at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from filebrowser.errors import WrongContent
from filebrowser.gate import Place
from filebrowser.tensors import read_tensors

SAFETENSORS = ".safetensors"


@dataclass(frozen=True, slots=True)
class FolderRule:
    """Which endings may lie in and below a folder of a root: "models/Lora"; "" is the root."""

    root: str
    folder: str
    endings: frozenset[str]  # lower case, with their dot; "" is a name without an ending
    why: str = ""  # said to who brings another one

    def holds(self, place: Place) -> bool:
        """Whether this rule speaks of the file at ``place``."""
        names = tuple(name for name in self.folder.split("/") if name)
        return place.root.name == self.root and place.names[: len(names)] == names


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules; the one with the longest folder decides. What no rule speaks of is let in."""

    folders: Sequence[FolderRule] = ()

    def check_name(self, place: Place) -> None:
        """Raises :class:`WrongContent` where no file of this name may lie."""
        rule = max(
            (rule for rule in self.folders if rule.holds(place)),
            key=lambda rule: len(rule.folder),
            default=None,
        )
        ending = PurePosixPath(place.names[-1]).suffix.lower()
        if rule is not None and ending not in rule.endings:
            shown = ", ".join(sorted(rule.endings - {""}))
            where = f"/{rule.root}/{rule.folder}".rstrip("/")
            raise WrongContent(
                f"{place.names[-1]!r} may not lie in {where}. {rule.why} Taken are: {shown}."
            )

    def check_content(self, place: Place, file: int) -> None:
        """Raises :class:`WrongContent` where an open, whole file is not what its name says."""
        self.check_name(place)
        if place.names[-1].lower().endswith(SAFETENSORS):
            read_tensors(file)
