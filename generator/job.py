"""Runs one generation job, batch after batch, from encoded prompts to pictures with infotext."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from generator.bench import Bench
from generator.control.guided import Steering
from generator.control.session import Control
from generator.finishing import Finisher, finisher
from generator.following import Follower, Interrupted
from generator.guides import Guide
from generator.hires import enlarge
from generator.hires_size import target
from generator.hooks import Listener, Tools
from generator.legs import Leg
from generator.network import network
from generator.notes import describe
from generator.origins import Prepared, prepare
from generator.pictures.description import ModelNames, Parameters, parameters
from generator.pictures.infotext import write
from generator.pictures.latents import FACTOR, decode, to_pixels
from generator.pictures.resizing import Resample, always_lanczos
from generator.prompt.grammar import extra_networks
from generator.request import Aside, GenerationRequest, Inversion, Picture, Stop
from generator.sampling.denoiser import Denoiser, Guidance
from generator.sampling.hearing import Hearing
from generator.sampling.inversion import noise_behind
from generator.sampling.network import Refinement, Relief
from generator.sampling.noise import PictureNoise, picture_noise, picture_seeds
from generator.sampling.passes import Backwards, Pass, Sampled, Start
from generator.sampling.sample import sample

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(eq=False)
class Job:
    """The work on one request. Call :meth:`draw` once, inside the context of its loaded model."""

    request: GenerationRequest
    first: Leg
    second: Leg | None  # hires fix
    bench: Bench
    follower: Follower
    check_nan: bool = True
    control: Control | None = None  # ControlNet's units
    resampling: Callable[[str | None], Resample] = always_lanczos  # by an upscaler's name
    listener: Listener | None = None  # only one that follows the sampling
    tools: Tools = field(default_factory=Tools)  # what plugins bring to draw with
    names: ModelNames | None = None  # of the first pass's models
    stopped: bool = False
    notes: Parameters = field(default_factory=dict)  # AUTOMATIC1111's extra_generation_params
    maps: list["Image"] = field(default_factory=list)  # masks to answer beside the pictures
    asides: list[Aside] = field(default_factory=list)  # to be saved beside them
    _seconds: float = 0.0  # inside U-Net and VAE so far
    _prepared: Prepared | None = None
    _finisher: Finisher | None = None
    _larger_title: str | None = None  # of the checkpoint of the second pass, "stem [hash]"
    _refiner_title: str | None = None

    @property
    def network_seconds(self) -> float:
        """Inside text encoder, U-Net and VAE so far."""
        return self._seconds + self.bench.encoder_seconds

    def draw(self) -> tuple[Picture, ...]:
        """Draw all batches in order; after an interrupt the current batch's estimate is kept."""
        pictures: list[Picture] = []
        for batch in range(self.request.batches):
            if self.follower.begin(batch, self.request.batches) is Stop.INTERRUPT:
                self.stopped = True
                break
            try:
                sampled = self._draw_first(batch)
                if self.second and sampled.stopped is Stop.NO:
                    sampled = self._draw_second(batch, self.second, sampled.latent)
            except Interrupted:  # between two passes, or before the first: there is no picture yet
                self.stopped = True
                break
            pictures += self._finish(batch, sampled.latent)
            if sampled.stopped is Stop.INTERRUPT:
                self.stopped = True
                break
        return tuple(pictures)

    def _draw_first(self, batch: int) -> Sampled:
        request = self.request
        self.bench.use(self.first)  # no name here may hold it: a refiner needs its memory
        self.names = self.names or self.bench.means.names
        if self.second and request.options.hires_fix_use_firstpass_conds:
            self.bench.prompts(replace(self.second, checkpoint=self.first.checkpoint))
        if request.origin and self._prepared is None:
            resample = self.resampling(request.options.upscaler_for_img2img)
            self._prepared = prepare(request, request.origin, self.bench.means.vae, resample)
            self._finisher = finisher(request, self._prepared)
            self.bench.found.remarks |= dict.fromkeys(self._prepared.remarks)
        prepared = self._prepared
        size = (request.width // FACTOR, request.height // FACTOR)
        guide = prepared.guide if prepared else Guide(size)
        return self._sample(batch, self.first, size, guide, prepared.start if prepared else None)

    def _draw_second(self, batch: int, leg: Leg, latent: Tensor) -> Sampled:
        """Hires fix: enlarge what the first pass drew and sample again."""
        request, fix = self.request, self.request.hires
        assert fix is not None
        self._keep_small(batch, latent)
        to = target(fix, request.width, request.height)
        seeds = [picture.seed for picture in self._noise(batch, (0, 0)).pictures]
        resample = self.resampling(fix.upscaler)
        larger, pictures = enlarge(latent, fix, to, self.bench.means.vae, seeds, resample)
        self.follower.begin_pass(leg.sampling.steps)
        self._larger_title = self.bench.use(leg).names.title
        size = (larger.shape[-1], larger.shape[-2])
        start = Start(larger, fix.strength, fixed_steps=True)
        weight = request.options.inpainting_mask_weight
        if not pictures and self.bench.means.checkpoint.repaints and weight < 1:
            pictures = tuple(decode(self.bench.means.vae, larger))
        pixels = torch.cat([to_pixels(picture) for picture in pictures]) if pictures else None
        return self._sample(batch, leg, size, Guide(size, pixels, None, weight), start)

    def _keep_small(self, batch: int, latent: Tensor) -> None:
        """The first pass's pictures, where the options ask to save them."""
        if self.request.options.save_images_before_highres_fix:
            first = batch * self.request.batch_size
            small = enumerate(decode(self.bench.means.vae, latent, self.check_nan), first)
            self.asides += [Aside(image, number, "before-highres-fix") for number, image in small]

    def _sample(
        self, batch: int, leg: Leg, size: tuple[int, int], guide: Guide, start: Start | None
    ) -> Sampled:
        noise = self._noise(batch, size)
        steering = self._steering(leg, noise)
        work = Pass(
            network=network(self.bench, self.request, guide, steering, composing=start is None),
            sampling=leg.sampling,
            options=self.request.options,
            start=start,
            watch=self.follower.step,
            empty=self.bench.empty(),
            refinement=self._refinement(leg, guide, steering),
            check_nan=self.check_nan,
            hearing=self._hearing(),
            tools=self.tools,
        )
        if start and self.request.origin and self.request.origin.inversion:
            work = replace(work, start=self._backwards(leg, work, self.request.origin.inversion))
        sampled = sample(work, self.bench.prompts(leg), noise)
        self._seconds += sampled.network_seconds
        return sampled

    def _hearing(self) -> Hearing | None:
        listener, request = self.listener, self.request
        if listener is None:
            return None
        return Hearing(
            start=lambda latent, sigmas: listener.before_sampling(latent, sigmas, request),
            step=lambda estimate: listener.at_step(estimate, self.follower.progress, request),
        )

    def _backwards(self, leg: Leg, work: Pass, inversion: Inversion) -> Start:
        """The start of a pass from inverted noise (img2img alternative test)."""
        assert work.start is not None
        encoded, _ = extra_networks(inversion.prompt)
        texts = replace(
            leg.texts,
            prompt=inversion.prompt,
            negative_prompt=inversion.negative_prompt,
            encoded=encoded,
        )
        denoiser = Denoiser(
            work.network,
            self.bench.prompts(replace(leg, texts=texts)),
            Guidance(inversion.guidance, calls=inversion.steps, check_nan=self.check_nan),
            self.follower.step,
        )
        latent = work.start.latent.to(work.network.device)
        found = noise_behind(latent, denoiser, work.network.table, inversion)
        self._seconds += denoiser.seconds
        return replace(work.start, back=Backwards(found, inversion.randomness))

    def _steering(self, leg: Leg, noise: PictureNoise) -> Steering | None:
        if self.control is None:
            return None
        options, large = self.request.options, leg is self.second
        return self.control.steering(
            lambda: self.bench.means.vae, leg.sampling, options, noise, large
        )

    def _refinement(self, leg: Leg, guide: Guide, steering: Steering | None) -> Refinement | None:
        if leg.refiner is None or self.request.refiner is None:
            return None

        def take_over() -> Relief:
            refined = leg.refined
            self._refiner_title = self.bench.use(refined).names.title
            own = network(self.bench, self.request, guide, steering)
            return Relief(own, self.bench.prompts(refined), self.bench.empty())

        by_steps = self.request.options.refiner_switch_by_sample_steps
        switch_at = self.request.refiner.switch_at
        return Refinement(switch_at, by_steps, take_over)

    def _noise(self, batch: int, size: tuple[int, int]) -> PictureNoise:
        """The noise of a batch for latents of ``size`` (w, h)."""
        options, count = self.request.options, self.request.batch_size
        return picture_noise(
            self.request.seeds,
            batch * count,
            count,
            options.randn_source,
            options.eta_noise_seed_delta,
            (4, size[1], size[0]),
            self.bench.means.checkpoint.unet.device,
        )

    def _finish(self, batch: int, latents: Tensor) -> Iterator[Picture]:
        legs, titles = (self.first, self.second), (self._larger_title, self._refiner_title)
        units = self.control.notes if self.control else {}
        self.notes = dict(self.request.notes) | units
        self.notes |= describe(self.request, legs, self.bench, self._prepared, titles, self.tools)
        first = batch * self.request.batch_size
        finish = self._finisher.batch(latents, first) if self._finisher else None
        images = decode(self.bench.means.vae, latents, self.check_nan)
        for row in range(len(latents)):
            started = time.perf_counter()
            image = next(images)
            self._seconds += time.perf_counter() - started
            if self.control:
                image = self.control.finish(image)
            yield self._picture(first + row, finish(image, row) if finish else image)
        if self._finisher:
            self.maps, self.asides = self._finisher.maps, self._finisher.asides

    def _picture(self, index: int, image: "Image") -> Picture:
        assert self.names is not None
        (seeds,) = picture_seeds(self.request.seeds, index, 1)
        texts = self.first.texts
        written = parameters(self.request, self.names, seeds.seed, seeds.variation_seed, self.notes)
        return Picture(
            image=image,
            seed=seeds.seed,
            variation_seed=seeds.variation_seed,
            prompt=texts.prompt,
            negative_prompt=texts.negative_prompt,
            infotext=write(texts.prompt, texts.negative_prompt, written),
        )
