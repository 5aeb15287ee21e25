"""How much token merging a request asks for (contract sections 4.11 and 6.2)."""

from generator.request import GenerationRequest


def merging_ratio(request: GenerationRequest) -> float:
    """Of the first pass, or of img2img: the share of tokens merged, 0..0.9."""
    options = request.options
    own = options.token_merging_ratio_img2img if request.origin else 0.0
    return own or options.token_merging_ratio


def merging_ratio_hr(request: GenerationRequest) -> float:
    """Of the second pass of hires fix."""
    return request.options.token_merging_ratio_hr or request.options.token_merging_ratio
