"""The preprocessors ("modules") that a unit may name: one table, no torch.

Names, labels, order and sliders are the ControlNet extension's (contract section 10.7), networks
of their own included, so that a request means the same here and is refused by name where it
cannot be done. ``runs`` tells which ones Easel does by itself; those of
:mod:`generator.control.network_weights` run with weights and a package that the user adds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

HIDDEN_VALUE = 0.5
"""What a slider that a module does not have stands at (gradio's default; goldens ``cn_*``)."""


@dataclass(frozen=True, slots=True)
class Slider:
    """One number of a preprocessor. Whole numbers stay whole: the infotext shows them so."""

    name: str
    value: int | float
    least: int | float
    most: int | float
    step: int | float = 1

    def settle(self, wanted: float) -> int | float:
        """``wanted`` within the range, else the default."""
        return wanted if self.least <= wanted <= self.most else self.value


@dataclass(frozen=True, slots=True)
class Module:
    """A preprocessor: from a picture to the map that a ControlNet reads."""

    name: str
    own_label: str = ""  # "" is the name
    tags: tuple[str, ...] = ()  # the kinds of control it serves
    a: Slider | None = None
    b: Slider | None = None
    resolution: int | None = 512  # pixels of the short side; None: the picture's own
    runs: bool = False  # False: a network of its own
    model_free: bool = False  # steers without a ControlNet
    from_plugin: bool = False  # a plugin draws its map

    @property
    def label(self) -> str:
        """How a page calls it."""
        return self.own_label or self.name

    @property
    def reads_mask(self) -> bool:
        """Whether it reads a mask."""
        return self.name.startswith("inpaint")

    @property
    def is_reference(self) -> bool:
        """Whether it steers by attention to a reference picture."""
        return self.name.startswith("reference")

    @property
    def is_image_prompt(self) -> bool:
        """Whether it shows its picture to the U-Net itself, through an IP-Adapter."""
        return self.runs and self.name.startswith("ip-adapter")

    @property
    def sliders(self) -> tuple[Slider, ...]:
        """The visible ones: resolution, A, B."""
        candidates = (self.resolution_slider, self.a, self.b)
        return tuple(slider for slider in candidates if slider is not None)

    @property
    def resolution_slider(self) -> Slider | None:
        """Its working resolution in pixels, where it has one."""
        if self.resolution is None:
            return None
        return Slider("Resolution", self.resolution, 64, 2048, 8)


def _network_module(name: str, label: str = "", *tags: str) -> Module:
    return Module(name, label, tags)


_GAMMA = Slider("Gamma Correction", 1.0, 0.1, 2.0, 0.001)
_FIDELITY = Slider("Style Fidelity (only for Balanced mode)", 0.5, 0.0, 1.0, 0.01)
_NOISE = Slider("Noise Augmentation", 0.0, 0.0, 1.0, 0.01)
_VARIATION = Slider("Variation", 8.0, 3.0, 32.0, 1.0)
_SHARPNESS = Slider("Sharpness", 1.0, 0.0, 2.0, 0.01)
_NEAR = Slider("Remove Near %", 0, 0, 100, 0.1)
_BACKGROUND = Slider("Remove Background %", 0, 0, 100, 0.1)
_SAFE = Slider("Safe Steps", 2, 0, 10)
_INVERTED = ("Canny", "Lineart", "MLSD", "Scribble")

MODULES: tuple[Module, ...] = (
    Module("none", runs=True),
    Module("ip-adapter-auto", tags=("IP-Adapter",), runs=True),
    Module(
        "tile_resample",
        tags=("Tile",),
        a=Slider("Down Sampling Rate", 1.0, 1.0, 8.0, 0.01),
        runs=True,
    ),
    _network_module("pidinet", "softedge_pidinet", "SoftEdge"),
    _network_module("oneformer_ade20k", "seg_ofade20k", "Segmentation"),
    _network_module("pidinet_scribble", "scribble_pidinet", "Scribble", "SparseCtrl"),
    Module("revision_clipvision", tags=("Revision",), a=_NOISE, model_free=True),
    Module("reference_only", tags=("Reference",), a=_FIDELITY, runs=True, model_free=True),
    Module("recolor_luminance", tags=("Recolor",), a=_GAMMA, runs=True),
    _network_module("openpose_full", "", "OpenPose"),
    _network_module("normal_bae", "", "NormalMap"),
    Module(
        "mlsd",
        tags=("MLSD",),
        a=Slider("MLSD Value Threshold", 0.1, 0.01, 2.0, 0.01),
        b=Slider("MLSD Distance Threshold", 0.1, 0.01, 20.0, 0.01),
    ),
    Module(
        "lineart_standard",
        "lineart_standard (from white bg & black line)",
        tags=("Lineart",),
        runs=True,
    ),
    Module("ip-adapter_clip_sd15", "ip-adapter_clip_h", tags=("IP-Adapter",), runs=True),
    Module("inpaint_only", tags=("Inpaint",), resolution=None, runs=True),
    _network_module("depth", "depth_midas", "Depth"),
    Module(
        "canny",
        tags=("Canny",),
        a=Slider("Low Threshold", 100, 1, 255),
        b=Slider("High Threshold", 200, 1, 255),
        runs=True,
    ),
    Module(
        "invert",
        "invert (from white bg & black line)",
        tags=_INVERTED,
        resolution=None,
        runs=True,
    ),
    Module("tile_colorfix+sharp", tags=("Tile",), a=_VARIATION, b=_SHARPNESS, runs=True),
    Module("tile_colorfix", tags=("Tile",), a=_VARIATION, runs=True),
    Module("threshold", a=Slider("Binarization Threshold", 127, 0, 255, 0.01), runs=True),
    _network_module("clip_vision", "t2ia_style_clipvision", "T2I-Adapter"),
    _network_module("pidinet_sketch", "t2ia_sketch_pidi", "T2I-Adapter"),
    Module("color", "t2ia_color_grid", tags=("T2I-Adapter",), runs=True),
    Module("softedge_teed", tags=("SoftEdge",), a=_SAFE),
    _network_module("pidinet_safe", "softedge_pidisafe", "SoftEdge"),
    _network_module("hed_safe", "softedge_hedsafe", "SoftEdge"),
    _network_module("hed", "softedge_hed", "SoftEdge"),
    Module("softedge_anyline", tags=("SoftEdge",), a=_SAFE, resolution=1280),
    Module("shuffle", tags=("Shuffle",), resolution=None, runs=True),
    _network_module("segmentation", "seg_ufade20k", "Segmentation"),
    _network_module("oneformer_coco", "seg_ofcoco", "Segmentation"),
    _network_module("anime_face_segment", "seg_anime_face", "Segmentation"),
    Module(
        "scribble_xdog",
        tags=("Scribble", "SparseCtrl"),
        a=Slider("XDoG Threshold", 32, 1, 64, 0.01),
        runs=True,
    ),
    _network_module("scribble_hed", "", "Scribble", "SparseCtrl"),
    Module("revision_ignore_prompt", tags=("Revision",), a=_NOISE, model_free=True),
    Module("reference_adain+attn", tags=("Reference",), a=_FIDELITY, runs=True, model_free=True),
    Module("reference_adain", tags=("Reference",), a=_FIDELITY, runs=True, model_free=True),
    Module("recolor_intensity", tags=("Recolor",), a=_GAMMA, runs=True),
    _network_module("openpose_hand", "", "OpenPose"),
    _network_module("openpose_faceonly", "", "OpenPose"),
    _network_module("openpose_face", "", "OpenPose"),
    _network_module("openpose", "", "OpenPose"),
    Module(
        "normal_map",
        "normal_midas",
        tags=("NormalMap",),
        a=Slider("Normal Background Threshold", 0.4, 0.0, 1.0, 0.01),
    ),
    Module(
        "normal_dsine",
        tags=("NormalMap",),
        a=Slider("Fov", 60, 0, 360, 0.1),
        b=Slider("Iterations", 5, 1, 20),
    ),
    _network_module("mobile_sam", "", "Segmentation"),
    Module(
        "mediapipe_face",
        a=Slider("Max Faces", 1, 1, 10),
        b=Slider("Min Face Confidence", 0.5, 0.01, 1.0, 0.01),
    ),
    _network_module("lineart", "lineart_realistic", "Lineart"),
    _network_module("lineart_coarse", "", "Lineart"),
    _network_module("lineart_anime_denoise", "", "Lineart"),
    _network_module("lineart_anime", "", "Lineart"),
    Module("ip-adapter_pulid", tags=("IP-Adapter",), resolution=None),
    _network_module("ip-adapter_face_id_plus", "", "IP-Adapter"),
    _network_module("ip-adapter_face_id", "", "IP-Adapter"),
    Module("ip-adapter_clip_sdxl_plus_vith", tags=("IP-Adapter",), runs=True),
    Module("ip-adapter_clip_sdxl", "ip-adapter_clip_g", tags=("IP-Adapter",), runs=True),
    _network_module("instant_id_face_keypoints", "", "Instant-ID"),
    _network_module("instant_id_face_embedding", "", "Instant-ID"),
    Module("inpaint_only+lama", tags=("Inpaint",), resolution=None),
    Module("inpaint", "inpaint_global_harmonious", tags=("Inpaint",), resolution=None, runs=True),
    Module("facexlib", resolution=None),
    _network_module("dw_openpose_full", "", "OpenPose"),
    _network_module("depth_zoe", "", "Depth"),
    Module("depth_leres++", tags=("Depth",), a=_NEAR, b=_BACKGROUND),
    Module("depth_leres", tags=("Depth",), a=_NEAR, b=_BACKGROUND),
    _network_module("depth_hand_refiner", "", "Depth"),
    _network_module("depth_anything_v2", "", "Depth"),
    _network_module("depth_anything", "", "Depth"),
    _network_module("densepose_parula", "densepose_parula (black bg & blue torso)", "OpenPose"),
    _network_module("densepose", "densepose (pruple bg & purple torso)", "OpenPose"),
    Module("blur_gaussian", tags=("Tile",), a=Slider("Sigma", 9.0, 0.01, 64.0, 0.01), runs=True),
    _network_module("animal_openpose", "", "OpenPose"),
)
"""In the order of the extension's lists: none, then by importance, then backwards by label."""

FACE_MODULES = frozenset(
    {
        "ip-adapter_face_id", "ip-adapter_face_id_plus", "ip-adapter_pulid",
        "instant_id_face_embedding", "instant_id_face_keypoints",
    }
)  # fmt: skip
"""Those that need insightface."""

_BY_NAME: Mapping[str, Module] = MappingProxyType(
    {module.label: module for module in MODULES} | {module.name: module for module in MODULES}
)


NO_PLUGIN_MODULES: Mapping[str, Module] = MappingProxyType({})


def find_module(
    wanted: str, plugin_modules: Mapping[str, Module] = NO_PLUGIN_MODULES
) -> Module | None:
    """The preprocessor of that name or label; ``plugin_modules`` are those of plugins, by name."""
    own = _BY_NAME.get(wanted)
    if own is not None:
        return own
    labelled = (module for module in plugin_modules.values() if module.label == wanted)
    return plugin_modules.get(wanted) or next(labelled, None)
