"""Makes torchvision importable where its compiled half cannot be loaded.

torchvision describes the shapes of its operators to ``torch.library`` when it is imported, and
fails with "operator torchvision::nms does not exist" beside a torch that its binary was not built
for (PyPI's torchvision beside a CPU-only torch). diffusers and transformers import torchvision
when it is installed, though nothing here calls those operators.
"""

from importlib.util import find_spec
from pathlib import Path

import torch

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def prepare() -> None:
    """Load torchvision's operators, or declare them where they cannot be loaded.

    Harmless when repeated. Call it before the first import of diffusers or transformers.
    """
    if _is_registered("nms") or _compiled_half_loads():
        return
    for schema in SCHEMAS:
        name = schema.partition("(")[0]
        torch.library.define(f"torchvision::{name}", schema.removeprefix(name))


def _compiled_half_loads() -> bool:
    # Declaring an operator that the binary then registers too would break a sound torchvision.
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True
    try:
        torch.ops.load_library(str(Path(spec.origin).with_name("_C.so")))
    except OSError:
        return False
    return True


def _is_registered(name: str) -> bool:
    try:
        getattr(torch.ops.torchvision, name)
    except AttributeError:
        return False
    return True
