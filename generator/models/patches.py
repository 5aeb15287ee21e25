"""Whether a network is patched: whoever else used it meanwhile would draw with the patches."""

from torch import nn


def is_patched(network: nn.Module) -> bool:
    """Whether any part of ``network`` has a hook, or a ``forward`` of its own.

    Finds patches of whoever made them, plugins too, but not changed weights.
    """
    return any(
        module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module)
        for module in network.modules()
    )
