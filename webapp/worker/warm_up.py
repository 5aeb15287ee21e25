"""Warm-up request that loads a checkpoint before the first job. No torch."""

from generator.request import GenerationRequest, Sampling, Seeds, Snapshot


def warm_up_request(checkpoint: str) -> GenerationRequest:
    """The smallest picture: draws in no time, and leaves the checkpoint in memory."""
    return GenerationRequest(
        "",
        Seeds(1),
        sampling=Sampling(steps=1),
        width=64,
        height=64,
        checkpoint=checkpoint,
        options=Snapshot(live_previews_enable=False),
    )
