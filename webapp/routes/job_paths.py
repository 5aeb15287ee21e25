"""The routes that a job may stand for, and the frames that they put into the queue."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from webapp.errors import Refused
from webapp.queues.contracts.frame import Frame
from webapp.requests.extras import ExtrasBatch, ExtrasSingle
from webapp.requests.fields import read_body
from webapp.requests.img2img import Img2Img
from webapp.requests.txt2img import Txt2Img
from webapp.routes import controlnet, extras, generation, interrogate
from webapp.services import Services

ToFrame = Callable[[Services, object], Frame]
"""Checks a JSON body as its route does. Raises what the route would answer."""

TXT2IMG, IMG2IMG = "/sdapi/v1/txt2img", "/sdapi/v1/img2img"


def _txt2img(services: Services, body: object) -> Frame:
    lenient = generation.is_lenient(services)
    return generation.to_frame(services, read_body(Txt2Img, body, lenient=lenient))


def _img2img(services: Services, body: object) -> Frame:
    lenient = generation.is_lenient(services)
    return generation.to_frame(services, read_body(Img2Img, body, lenient=lenient))


def _extras_single(services: Services, body: object) -> Frame:
    lenient = generation.is_lenient(services)
    return extras.single_frame(services, read_body(ExtrasSingle, body, lenient=lenient))


def _extras_batch(services: Services, body: object) -> Frame:
    lenient = generation.is_lenient(services)
    return extras.batch_frame(services, read_body(ExtrasBatch, body, lenient=lenient))


def _interrogate(services: Services, body: object) -> Frame:
    return interrogate.to_frame(services, read_body(interrogate.InterrogateBody, body))


def _detect(services: Services, body: object) -> Frame:
    return controlnet.to_frame(services, read_body(controlnet.DetectBody, body))


QUEUED_PATHS: Mapping[str, ToFrame] = MappingProxyType(
    {
        TXT2IMG: _txt2img,
        IMG2IMG: _img2img,
        "/sdapi/v1/extra-single-image": _extras_single,
        "/sdapi/v1/extra-batch-images": _extras_batch,
        "/sdapi/v1/interrogate": _interrogate,
        "/controlnet/detect": _detect,
    }
)


def find_path(path: str) -> ToFrame:
    """How a path's body becomes a frame. Raises ``Refused`` with the known paths."""
    to_frame = QUEUED_PATHS.get(path)
    if to_frame is None:
        known = ", ".join(QUEUED_PATHS)
        raise Refused(f"path: {path[:200]!r} cannot be queued; these can: {known}.")
    return to_frame
