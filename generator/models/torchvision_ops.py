"""Makes torchvision importable beside a torch that was built without its compiled operators.

torchvision describes the shapes of its operators to ``torch.library`` when it is imported, and
fails with "operator torchvision::nms does not exist" where the compiled half did not load. diffusers
and transformers import torchvision when it is installed, though nothing here calls it.
"""

import torch

NMS = "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
QNMS = "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def prepare() -> None:
    """Declare ``torchvision::nms`` and ``qnms`` where they are missing; harmless when repeated.

    Call it before the first import of diffusers or transformers.
    """
    for schema in (NMS, QNMS):
        name = schema.partition("(")[0]
        if not _known(name):
            torch.library.define(f"torchvision::{name}", schema.removeprefix(name))


def _known(name: str) -> bool:
    try:
        getattr(torch.ops.torchvision, name)
    except AttributeError:
        return False
    return True
