"""Restores the faces of one job's pictures, and tells what was not done."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from generator.errors import ModelNotFound, ModelUnreadable
from generator.faces.face_restorers import MOST_FACES, FaceRestorers
from generator.faces.restorer_files import RestorerFiles

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(slots=True, eq=False)
class JobFaces:
    """The restorer of one job. ``asked_by`` is the request's field, for what is told."""

    restorers: FaceRestorers
    wanted: str  # a restorer's name
    asked_by: str = "restore_faces"
    fidelity: float = 0.5  # CodeFormer's weight: 0 mends most, 1 keeps most
    may_stand_in: bool = False  # another restorer, where the one that is wanted lacks
    numbered: bool = True  # what is told says which picture of the job it is of
    remarks: dict[str, None] = field(default_factory=dict)
    """What was not done as asked, in sentences."""
    _files: RestorerFiles | None = None
    _failed: bool = False

    @property
    def name(self) -> str | None:
        """Of the restorer that mends; None where there is none."""
        files = self._find()
        return files.name if files else None

    def restore(
        self, image: "Image", number: int, go_on: Callable[[], bool] = lambda: True
    ) -> "Image":
        """``image``, the picture ``number`` of the job from 0, with its faces mended.

        It stays as it is, and that is told, where no face is found or no file can be used.
        ``go_on`` is asked before each face.
        """
        files = self._find()
        if files is None:
            return image
        try:
            restored = self.restorers.restore(image, files, self.fidelity, go_on)
        except ModelUnreadable as error:
            self._give_up(str(error))
            return image
        where = f" in picture {number + 1}" if self.numbered else ""
        if not restored.found:
            self._remark(f"{self.asked_by}: no face was found{where}.")
        if restored.found > restored.mended:
            self._remark(
                f"{self.asked_by}: {restored.mended} of {restored.found} faces{where} were "
                f"restored; at most {MOST_FACES} are."
            )
        return restored.image if restored.mended else image

    def _find(self) -> RestorerFiles | None:
        if self._files is None and not self._failed:
            if self.may_stand_in:
                self._choose()
            else:
                self._find_wanted()
        return None if self._failed else self._files

    def _choose(self) -> None:
        self._files, remark = self.restorers.choose(self.wanted)
        self._failed = self._files is None
        if remark:
            self._remark(f"{self.asked_by}: {remark}")

    def _find_wanted(self) -> None:
        try:
            self._files = self.restorers.find(self.wanted)
        except ModelNotFound as error:
            self._give_up(str(error))

    def _give_up(self, reason: str) -> None:
        self._failed = True
        self._remark(f"{self.asked_by}: faces are as drawn, for {reason.rstrip('.')}.")

    def _remark(self, sentence: str) -> None:
        self.remarks[sentence] = None
