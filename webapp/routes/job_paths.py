"""The routes that a job may stand for, and the frames that they put into the queue."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from webapp.errors import Refused
from webapp.queues.contracts.frame import Frame
from webapp.requests.extras import ExtrasBatch, ExtrasSingle
from webapp.requests.fields import Body, read_body
from webapp.requests.img2img import Img2Img
from webapp.requests.txt2img import Txt2Img
from webapp.routes import controlnet, extras, generation, interrogate
from webapp.services import Services

ToFrame = Callable[[Services, object], Frame]
"""Checks a JSON body as its route does. Raises what the route would answer."""

TXT2IMG, IMG2IMG = "/sdapi/v1/txt2img", "/sdapi/v1/img2img"


def reader(
    model: type[Body], to_frame: Callable[[Services, Body], Frame], *, as_sdapi: bool = True
) -> ToFrame:
    """Reads a body of this model and makes the frame.

    ``as_sdapi``: as generously as the service reads what AUTOMATIC1111's clients send.
    """

    def read(services: Services, body: object) -> Frame:
        lenient = as_sdapi and generation.is_lenient(services)
        return to_frame(services, read_body(model, body, lenient=lenient))

    return read


QUEUED_PATHS: Mapping[str, ToFrame] = MappingProxyType(
    {
        TXT2IMG: reader(Txt2Img, generation.to_frame),
        IMG2IMG: reader(Img2Img, generation.to_frame),
        "/sdapi/v1/extra-single-image": reader(ExtrasSingle, extras.single_frame),
        "/sdapi/v1/extra-batch-images": reader(ExtrasBatch, extras.batch_frame),
        "/sdapi/v1/interrogate": reader(
            interrogate.InterrogateBody, interrogate.to_frame, as_sdapi=False
        ),
        "/controlnet/detect": reader(controlnet.DetectBody, controlnet.to_frame, as_sdapi=False),
    }
)


def find_path(path: str) -> ToFrame:
    """How a path's body becomes a frame. Raises ``Refused`` with the known paths."""
    to_frame = QUEUED_PATHS.get(path)
    if to_frame is None:
        known = ", ".join(QUEUED_PATHS)
        raise Refused(f"path: {path[:200]!r} cannot be queued; these can: {known}.")
    return to_frame
