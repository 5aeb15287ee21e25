"""Facts of a job's pictures for file name patterns (contract section 6.5)."""

from datetime import datetime

from generator.pictures.file_names import FileNameFacts
from generator.request import Generation, GenerationRequest


def naming_facts(
    request: GenerationRequest, generation: Generation, number: int, now: datetime
) -> FileNameFacts:
    """The facts of picture ``number`` of the job, from 0, saved at the time ``now``."""
    picture, is_single = generation.pictures[number], request.picture_count == 1
    batch = request.batch_size
    redrawn = request.origin or request.hires
    return FileNameFacts(
        seed=picture.seed,
        now=now,
        first_seed=generation.pictures[0].seed,
        last_seed=None if is_single else generation.pictures[-1].seed,
        steps=request.sampling.steps,
        guidance=request.sampling.guidance,
        width=picture.image.width,
        height=picture.image.height,
        styles=request.styles,
        sampler=request.sampling.sampler,
        schedule=request.sampling.schedule,
        model=generation.checkpoint_name,
        model_hash=generation.checkpoint_hash,
        vae=generation.vae_name,
        job_timestamp=generation.job_timestamp,
        prompt=picture.prompt,
        bare_prompt=request.prompt if request.styles else picture.prompt,
        negative_prompt=picture.negative_prompt,
        batch_number=None if batch == 1 else number % batch + 1,
        batch_size=batch,
        generation_number=None if is_single else number + 1,
        clip_skip=generation.clip_skip,
        denoising=(redrawn.strength or None) if redrawn else None,
        user=request.user_name,
        pixels=picture.image.tobytes,
    )
