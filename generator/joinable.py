"""Whether a request may be drawn beside others, judged before any model is loaded. No torch.

What patches networks that others use, or needs other checkpoints, is drawn alone. The engine looks
once more at what it has loaded (styles may name a LoRA), and lets nobody into a patched network.
"""

from generator.merging_ratios import merging_ratio, merging_ratio_hr
from generator.prompt.grammar import parse_extra_networks
from generator.request import GenerationRequest

NO_NETWORK = ("", "None")


def may_share_calls(request: GenerationRequest) -> bool:
    """Whether jobs of the same checkpoint may share calls of the network with this one."""
    return not (
        request.deterministic
        or request.tiling
        or request.script
        or request.controls
        or request.refiner
        or (request.hires and request.hires.checkpoint)
        or merging_ratio(request)
        or merging_ratio_hr(request)
        or _names_networks(request)
    )


def _names_networks(request: GenerationRequest) -> bool:
    """Whether the prompts or the options name LoRAs or hypernetworks."""
    options = request.options
    if not {options.sd_lora, options.sd_hypernetwork} <= set(NO_NETWORK):
        return True
    prompts = (request.prompt, request.hires.prompt if request.hires else "")
    return any(parse_extra_networks(prompt)[1] for prompt in prompts)
