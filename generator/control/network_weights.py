"""Preprocessors that are networks, and the files of weights that each needs. No torch.

The networks are those of the package controlnet-aux, which runs them where it is installed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ANNOTATORS = "lllyasviel/Annotators"


@dataclass(frozen=True, slots=True)
class WeightFile:
    """The weights of one network, by the name that they are published under."""

    name: str
    source: str = ANNOTATORS  # a repository on Hugging Face
    other_names: tuple[str, ...] = ()

    @property
    def stems(self) -> tuple[str, ...]:
        """What the file may be called without its suffix, in small letters."""
        return tuple(name.rpartition(".")[0].lower() for name in (self.name, *self.other_names))


HED = WeightFile("ControlNetHED.pth")
PIDINET = WeightFile("table5_pidinet.pth")
TEED = WeightFile("7_model.pth", "bdsqlsz/qinglong_controlnet-lllite", ("5_model.pth", "teed.pth"))
LINEART, LINEART_COARSE = WeightFile("sk_model.pth"), WeightFile("sk_model2.pth")
LINEART_ANIME = WeightFile("netG.pth")
MLSD = WeightFile("mlsd_large_512_fp32.pth")
BODY, HAND = WeightFile("body_pose_model.pth"), WeightFile("hand_pose_model.pth")
FACE = WeightFile("facenet.pth")
MIDAS = WeightFile("dpt_hybrid-midas-501f0c75.pt")
ZOE = WeightFile("ZoeD_M12_N.pt")
LERES = WeightFile("res101.pth")
NORMAL_BAE = WeightFile("scannet.pt")

WEIGHTS_BY_MODULE: Mapping[str, tuple[WeightFile, ...]] = MappingProxyType(
    {
        "hed": (HED,),
        "hed_safe": (HED,),
        "scribble_hed": (HED,),
        "pidinet": (PIDINET,),
        "pidinet_safe": (PIDINET,),
        "pidinet_scribble": (PIDINET,),
        "pidinet_sketch": (PIDINET,),
        "softedge_teed": (TEED,),
        "lineart": (LINEART,),
        "lineart_coarse": (LINEART_COARSE,),
        "lineart_anime": (LINEART_ANIME,),
        "mlsd": (MLSD,),
        "openpose": (BODY,),
        "openpose_hand": (BODY, HAND),
        "openpose_face": (BODY, FACE),
        "openpose_faceonly": (BODY, FACE),
        "openpose_full": (BODY, HAND, FACE),
        "depth": (MIDAS,),
        "normal_map": (MIDAS,),
        "depth_zoe": (ZOE,),
        "depth_leres": (LERES,),
        "normal_bae": (NORMAL_BAE,),
    }
)
"""The preprocessors that controlnet-aux has a network for, and the weights of each."""
