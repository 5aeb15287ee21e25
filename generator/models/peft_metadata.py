"""What PEFT keeps beside its tensors, and diffusers writes into a LoRA file's metadata: alpha."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from generator.errors import ModelUnreadable
from generator.models.adapter_names import SECOND_TEXT, TEXT, UNET
from generator.models.index import ModelFile

KEY = "lora_adapter_metadata"
NETWORKS = ((UNET, "unet"), (TEXT, "text_encoder"), (SECOND_TEXT, "text_encoder_2"))
DOWN = "lora_down.weight"


@dataclass(frozen=True, slots=True)
class PeftSettings:
    """How the changes of one network are scaled."""

    prefix: str  # of the network's layers in kohya's words
    alpha: float
    patterns: Mapping[str, float]  # other alphas, by the end of a layer's name
    by_root: bool  # alpha is divided by the root of the rank (Kalajdzievski 2023, "rsLoRA")

    def alpha_of(self, layer: str, rank: int) -> float:
        """Alpha as it is divided by the rank."""
        own = (alpha for end, alpha in self.patterns.items() if layer.endswith(f"_{end}"))
        alpha = next(own, self.alpha)
        return alpha * math.sqrt(rank) if self.by_root else alpha


def apply_peft_metadata(file: ModelFile, layers: Mapping[str, dict[str, Tensor]]) -> None:
    """Give each LoRA of ``layers`` its alpha, unless it has one. Raises ModelUnreadable."""
    try:
        settings = _read_settings(file.metadata.get(KEY) or "{}")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelUnreadable(f"{file.name}: its {KEY} is no JSON object ({error})") from error
    for layer, factors in layers.items():
        own = next((network for network in settings if layer.startswith(network.prefix)), None)
        if own is not None and DOWN in factors:
            down = factors[DOWN]
            factors.setdefault("alpha", down.new_tensor(own.alpha_of(layer, len(down))))


def _read_settings(text: str) -> tuple[PeftSettings, ...]:
    facts = json.loads(text)
    if not isinstance(facts, dict):
        raise ValueError(f"it is a {type(facts).__name__}")
    return tuple(
        PeftSettings(
            prefix,
            float(facts[f"{part}.lora_alpha"]),
            {
                end.strip("^$").replace(".", "_"): float(alpha)
                for end, alpha in (facts.get(f"{part}.alpha_pattern") or {}).items()
            },
            bool(facts.get(f"{part}.use_rslora")),
        )
        for prefix, part in NETWORKS
        if f"{part}.lora_alpha" in facts
    )
