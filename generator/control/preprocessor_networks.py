"""Preprocessors that are networks: loads their weights and draws maps through controlnet-aux.

The package's own loaders read files with ``torch.load`` or fetch them; here its networks get
tensors that were read without running anything of the file.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial
from importlib import import_module
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from generator.control import network_weights as weights
from generator.control.annotators import Dials
from generator.control.map_resize import Pixels
from generator.control.modules import Module
from generator.control.network_files import INSTALL, find_network_files
from generator.control.network_weights import WEIGHTS_BY_MODULE, WeightFile
from generator.control.units import CONTROLNET_FIELD
from generator.errors import BadRequest, ModelUnreadable
from generator.models import torchvision_ops
from generator.models.index import ModelFile
from generator.models.registry import Registry
from generator.models.residency import Residency, ResidentKind, ram_headroom_of
from generator.models.resident_loading import load_resident
from generator.models.weights import check_finite, read_tensors

PACKAGE = "controlnet_aux"
WRAPPINGS = ("", "state_dict.", "model.", "depth_model.", "params.")
"""Under what training programs file a network's tensors."""
DATA_PARALLEL = "module."  # before each name that torch's DataParallel wrote
STEP_COUNT = ".num_batches_tracked"  # of training; files of the first torch lack it

PREPROCESSOR = ResidentKind.PREPROCESSOR
Package = Callable[[str], Any]  # a module of controlnet-aux, by its name inside the package
DrawMap = Callable[[Package, Sequence[nn.Module], Pixels, Dials], Pixels]


class PreprocessorNetworks:
    """The networks of one device, kept as memory allows. Not for several threads."""

    def __init__(
        self, registry: Registry, device: torch.device, residency: Residency | None = None
    ) -> None:
        self._registry = registry
        self._device = device
        self._residency = residency or Residency(ram_headroom_of())

    def for_user(self, registry: Registry) -> "PreprocessorNetworks":
        """The same with one user's models; networks in memory are shared."""
        mine = copy(self)
        mine._registry = registry
        return mine

    @torch.no_grad()
    def draw(
        self, module: Module, image: Pixels, dials: Dials, say: Callable[[str], object] = str
    ) -> Pixels:
        """The map (H,W,3) of ``image`` (H,W,3), whose sides are multiples of 64.

        ``say`` hears what takes its time. Raises :class:`BadRequest` where weights or package are
        missing, :class:`ModelUnreadable` for weights that are damaged or another network's.
        """
        files = find_network_files(module, self._registry)
        known = WEIGHTS_BY_MODULE[module.name]
        networks = [self._load(each, file, say) for each, file in zip(known, files, strict=True)]
        return MAPS[module.name](_import_part, networks, image, dials)

    def _load(self, known: WeightFile, file: ModelFile, say: Callable[[str], object]) -> nn.Module:
        def load() -> nn.Module:
            say(f"Loading weights from {file.name}")
            network = NETWORKS[known](_import_part)
            tensors = _fit_names(file, read_tensors(file.path, file.kept_in), network)
            network.load_state_dict({**network.state_dict(), **tensors})
            return network.to(self._device).float().eval().requires_grad_(False)

        return load_resident(self._residency, PREPROCESSOR, file, load)


def _import_part(name: str) -> Any:
    torchvision_ops.prepare()  # before torchvision, which controlnet-aux imports
    try:
        return import_module(f"{PACKAGE}.{name}")
    except (ImportError, AttributeError, RuntimeError) as error:
        lacking = f" for want of {error.name}" if isinstance(error, ImportError) else ""
        raise BadRequest(
            f"{CONTROLNET_FIELD}: {PACKAGE}.{name} cannot be imported here{lacking} "
            f"({type(error).__name__}). Run {INSTALL}.",
            CONTROLNET_FIELD,
        ) from error


def _fit_names(
    file: ModelFile, tensors: Mapping[str, Tensor], network: nn.Module
) -> dict[str, Tensor]:
    """The tensors by the network's own names. Raises :class:`ModelUnreadable`."""
    wanted = network.state_dict()
    given = max(
        map(partial(_unwrap, tensors), WRAPPINGS), key=lambda each: len(each.keys() & wanted)
    )
    fitting = {
        name: given.get(name, given.get(_without_part(name)))
        for name in wanted
        if name in given or not name.endswith(STEP_COUNT)
    }
    for name, tensor in fitting.items():
        if tensor is None or tensor.shape != wanted[name].shape:
            found = "is not there" if tensor is None else f"is {list(tensor.shape)}"
            raise ModelUnreadable(
                f"{file.path.name} was asked for as {type(network).__name__}, whose {name} is "
                f"{list(wanted[name].shape)}; in the file it {found}. Copy the file again from "
                "where it is published"
            )
    whole = cast(dict[str, Tensor], fitting)
    check_finite(file.path.name, whole)
    return whole


def _unwrap(tensors: Mapping[str, Tensor], wrapping: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(wrapping).removeprefix(DATA_PARALLEL): tensor
        for name, tensor in tensors.items()
        if name.startswith(wrapping)
    }


def _without_part(name: str) -> str:
    """What OpenPose's files call a layer: its name without the group that it is in."""
    return name.partition(".")[2]


def _zoe(package: Package) -> nn.Module:
    config = package("zoe.zoedepth.utils.config").get_config("zoedepth", "infer")
    model = package("zoe.zoedepth.models.zoedepth.zoedepth_v1").ZoeDepth.build_from_config(config)
    return cast(nn.Module, model)


def _normal_bae(package: Package) -> nn.Module:
    how = SimpleNamespace(
        mode="client",
        architecture="BN",
        pretrained="scannet",
        sampling_ratio=0.4,
        importance_ratio=0.7,
    )
    return cast(nn.Module, package("normalbae.nets.NNET").NNET(how))


def _lineart_anime(package: Package) -> nn.Module:
    norm = partial(nn.InstanceNorm2d, affine=False, track_running_stats=False)
    generator = package("lineart_anime").UnetGenerator
    return cast(nn.Module, generator(3, 1, 8, 64, norm_layer=norm, use_dropout=False))


NETWORKS: Mapping[WeightFile, Callable[[Package], nn.Module]] = MappingProxyType(
    {
        weights.HED: lambda package: package("hed").ControlNetHED_Apache2(),
        weights.PIDINET: lambda package: package("pidi.model").pidinet(),
        weights.TEED: lambda package: package("teed.ted").TED(),
        weights.LINEART: lambda package: package("lineart").Generator(3, 1, 3),
        weights.LINEART_COARSE: lambda package: package("lineart").Generator(3, 1, 3),
        weights.LINEART_ANIME: _lineart_anime,
        weights.MLSD: lambda package: package("mlsd.models.mbv2_mlsd_large").MobileV2_MLSD_Large(),
        weights.BODY: lambda package: package("open_pose.model").bodypose_model(),
        weights.HAND: lambda package: package("open_pose.model").handpose_model(),
        weights.FACE: lambda package: package("open_pose.face").FaceNet(),
        weights.MIDAS: lambda package: package("midas.midas.dpt_depth").DPTDepthModel(
            backbone="vitb_rn50_384", non_negative=True
        ),
        weights.ZOE: _zoe,
        weights.LERES: lambda package: package(
            "leres.leres.multi_depth_model_woauxi"
        ).RelDepthModel(backbone="resnext101"),
        weights.NORMAL_BAE: _normal_bae,
    }
)
"""The network of each file, without weights."""


def _detector(
    part: str,
    name: str,
    set_dials: Callable[[Dials], dict[str, object]] = lambda _: {},
    **fixed: Any,
) -> DrawMap:
    """Draws with a detector of the package, made around one network."""

    def draw(
        package: Package, networks: Sequence[nn.Module], image: Pixels, dials: Dials
    ) -> Pixels:
        detect = getattr(package(part), name)(*networks)
        return _detect(detect, image, **fixed, **set_dials(dials))

    return draw


def _detect(detect: Callable[..., Any], image: Pixels, **how: Any) -> Pixels:
    """The map at the size of the picture, which the detector then does not resize."""
    side = min(image.shape[:2])
    sides = {"detect_resolution": side, "image_resolution": side, "output_type": "np"}
    return np.asarray(detect(image, **(sides | how)), np.uint8)


def _lineart(
    package: Package, networks: Sequence[nn.Module], image: Pixels, dials: Dials
) -> Pixels:
    (network,) = networks  # the fine one or the coarse one; the detector wants both
    return _detect(package("lineart").LineartDetector(network, network), image)


def _teed(package: Package, networks: Sequence[nn.Module], image: Pixels, dials: Dials) -> Pixels:
    detect = package("teed").TEEDdetector(*networks)
    side = min(image.shape[:2])
    drawn = detect(image, detect_resolution=side, safe_steps=int(dials.a), output_type="np")
    return np.asarray(drawn, np.uint8)


def _leres(package: Package, networks: Sequence[nn.Module], image: Pixels, dials: Dials) -> Pixels:
    detect = package("leres").LeresDetector(*networks, None)  # without the network that refines
    return _detect(detect, image, thr_a=dials.a, thr_b=dials.b)


def _normals_of_depth(
    package: Package, networks: Sequence[nn.Module], image: Pixels, dials: Dials
) -> Pixels:
    side = min(image.shape[:2])
    _, normals = package("midas").MidasDetector(*networks)(
        image,
        bg_th=dials.a,
        depth_and_normal=True,
        detect_resolution=side,
        image_resolution=side,
        output_type="np",
    )
    return np.asarray(normals, np.uint8)


def _pose(body: bool, hand: bool, face: bool) -> DrawMap:
    """Draws what is asked for of the people in a picture."""

    def draw(
        package: Package, networks: Sequence[nn.Module], image: Pixels, dials: Dials
    ) -> Pixels:
        own = iter(networks)
        parts = package("open_pose.body"), package("open_pose.hand"), package("open_pose.face")
        estimators = [
            _around(part, name, next(own)) if wanted else None
            for part, name, wanted in zip(
                parts, ("Body", "Hand", "Face"), (True, hand, face), strict=True
            )
        ]
        detect = package("open_pose").OpenposeDetector(*estimators)
        return _detect(detect, image, include_body=body, include_hand=hand, include_face=face)

    return draw


def _around(part: Any, name: str, network: nn.Module) -> Any:
    """An estimator with its network; its constructor would read a file with ``torch.load``."""
    kind = getattr(part, name)
    estimator = kind.__new__(kind)
    estimator.model = network
    return estimator


_HED, _PIDINET = (
    partial(_detector, "hed", "HEDdetector"),
    partial(_detector, "pidi", "PidiNetDetector"),
)

MAPS: Mapping[str, DrawMap] = MappingProxyType(
    {
        "hed": _HED(),
        "hed_safe": _HED(safe=True),
        "scribble_hed": _HED(scribble=True),
        "pidinet": _PIDINET(),
        "pidinet_safe": _PIDINET(safe=True),
        "pidinet_scribble": _PIDINET(scribble=True),
        "pidinet_sketch": _PIDINET(apply_filter=True),
        "softedge_teed": _teed,
        "lineart": _lineart,
        "lineart_coarse": _lineart,
        "lineart_anime": _detector("lineart_anime", "LineartAnimeDetector"),
        "mlsd": _detector("mlsd", "MLSDdetector", lambda d: {"thr_v": d.a, "thr_d": d.b}),
        "openpose": _pose(True, False, False),
        "openpose_hand": _pose(True, True, False),
        "openpose_face": _pose(True, False, True),
        "openpose_faceonly": _pose(False, False, True),
        "openpose_full": _pose(True, True, True),
        "depth": _detector("midas", "MidasDetector"),
        "normal_map": _normals_of_depth,
        "depth_zoe": _detector("zoe", "ZoeDetector"),
        "depth_leres": _leres,
        "normal_bae": _detector("normalbae", "NormalBaeDetector"),
    }
)
"""How each preprocessor of ``WEIGHTS_BY_MODULE`` draws."""
