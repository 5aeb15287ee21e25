"""A lease keeper that also keeps each drawn picture for whoever watches the job. No torch."""

from typing import TYPE_CHECKING, Any

from webapp.queues.drawn_pictures import DrawnPictures
from webapp.worker.lease_keeper import LeaseKeeper, encode_png

if TYPE_CHECKING:
    from PIL.Image import Image


class PictureKeeper(LeaseKeeper):
    """A ``PictureWatch``. ``terms`` are those of a ``LeaseKeeper``."""

    def __init__(self, pictures: DrawnPictures, *terms: Any) -> None:
        super().__init__(*terms)
        self.pictures = pictures

    def take_picture(self, number: int, image: "Image") -> None:
        """Keep a picture for watchers. Where the disk does not let us the job goes on."""
        job, why = self.lease.frame.id, ""
        try:
            if not self.pictures.write(job, number, encode_png(image)):
                why = "the disk is nearly full"
        except OSError as error:
            why = error.strerror or str(error)
        if why:
            self.log.warning(
                "job %s: picture %d is not shown before the answer: %s", job, number, why
            )
