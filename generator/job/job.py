"""Runs one generation job, batch after batch, from encoded prompts to pictures with infotext."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from generator.control.session import Control
from generator.control.steering import Steering
from generator.errors import WrongArchitecture
from generator.faces.job_faces import JobFaces
from generator.hires.hires import upscale_latent
from generator.hires.hires_size import second_pass_size
from generator.hooks import Listener, Tools
from generator.img2img.concat_conditioning import ConcatConditioning
from generator.img2img.finisher import Finisher, make_finisher
from generator.img2img.init_images import PreparedImages, prepare_init_images
from generator.job.infotext_notes import collect_notes
from generator.job.loaded_model import LoadedModel
from generator.job.noise_predictor import make_noise_predictor, schedule_of
from generator.job.passes import PassPlan
from generator.job.progress_reporter import Interrupted, ProgressReporter
from generator.models.families.family import Family, LatentFormat
from generator.models.offload import device_of
from generator.pictures.infotext import write_infotext
from generator.pictures.infotext_parameters import ModelNames, Parameters, collect_parameters
from generator.pictures.latents import (
    LATENT_FACTOR,
    convert_latent,
    decode_latents,
    to_pixels,
)
from generator.pictures.resize import Resample, always_lanczos
from generator.prompt.grammar import parse_extra_networks
from generator.request import Aside, GenerationRequest, Inversion, Picture, Stop
from generator.sampling.denoiser import Denoiser, Guidance
from generator.sampling.inversion import invert_to_noise
from generator.sampling.noise import PictureNoise, picture_noise, picture_seeds
from generator.sampling.passes import InvertedNoise, SampledLatent, SamplingPass, StartLatent
from generator.sampling.predictor import RefinerNetwork, RefinerSwitch
from generator.sampling.sample import sample
from generator.sampling.step_hooks import StepHooks

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(eq=False)
class EngineJob:
    """The work on one request. Call :meth:`draw` once, inside the context of its loaded model."""

    request: GenerationRequest
    first: PassPlan
    second: PassPlan | None  # hires fix
    model: LoadedModel
    reporter: ProgressReporter
    check_nan: bool = True
    control: Control | None = None  # ControlNet's units
    resampler_for: Callable[[str | None], Resample] = always_lanczos  # by an upscaler's name
    listener: Listener | None = None  # only one that follows the sampling
    tools: Tools = field(default_factory=Tools)  # what plugins bring to draw with
    faces: JobFaces | None = None  # mends those of finished pictures
    take_picture: Callable[[int, "Image"], None] | None = None  # each as soon as it is drawn
    names: ModelNames | None = None  # of the first pass's models
    stopped: bool = False
    notes: Parameters = field(default_factory=dict)  # AUTOMATIC1111's extra_generation_params
    maps: list["Image"] = field(default_factory=list)  # masks to answer beside the pictures
    extra_images: list[Aside] = field(default_factory=list)  # to be saved beside them
    _seconds: float = 0.0  # inside U-Net and VAE so far
    _prepared: PreparedImages | None = None
    _finisher: Finisher | None = None
    _second_pass_title: str | None = None  # of the checkpoint of the second pass, "stem [hash]"
    _refiner_title: str | None = None

    @property
    def network_seconds(self) -> float:
        """Inside text encoder, U-Net and VAE so far."""
        return self._seconds + self.model.encoder_seconds

    def draw(self) -> tuple[Picture, ...]:
        """Draw all batches in order; after an interrupt the current batch's estimate is kept."""
        pictures: list[Picture] = []
        for batch in range(self.request.batches):
            if self.reporter.begin_batch(batch, self.request.batches) is Stop.INTERRUPT:
                self.stopped = True
                break
            try:
                sampled = self._draw_first(batch)
                if self.second and sampled.stopped is Stop.NO:
                    sampled = self._draw_second(batch, self.second, sampled.latent)
            except Interrupted:  # between two passes, or before the first: there is no picture yet
                self.stopped = True
                break
            for picture in self._finish(batch, sampled.latent):
                if self.take_picture:
                    self.take_picture(len(pictures), picture.image)
                pictures.append(picture)
            if sampled.stopped is Stop.INTERRUPT:
                self.stopped = True
                break
        return tuple(pictures)

    def _draw_first(self, batch: int) -> SampledLatent:
        request = self.request
        self.model.use(self.first)  # no name here may hold it: a refiner needs its memory
        self.names = self.names or self.model.components.names
        if self.second and request.options.hires_fix_use_firstpass_conds:
            self.model.conditioning_for(replace(self.second, checkpoint=self.first.checkpoint))
        if request.origin and self._prepared is None:
            resample = self.resampler_for(request.options.upscaler_for_img2img)
            self._prepared = prepare_init_images(
                request, request.origin, self.model.components.vae, resample, self.model.relief
            )
            self._finisher = make_finisher(request, self._prepared)
            self.model.report.remarks |= dict.fromkeys(self._prepared.remarks)
        prepared = self._prepared
        size = (request.width // LATENT_FACTOR, request.height // LATENT_FACTOR)
        concat = prepared.concat if prepared else ConcatConditioning(size)
        return self._sample(batch, self.first, size, concat, prepared.start if prepared else None)

    def _draw_second(self, batch: int, plan: PassPlan, latent: Tensor) -> SampledLatent:
        """Hires fix: enlarge what the first pass drew and sample again."""
        request, fix = self.request, self.request.hires
        assert fix is not None
        self._keep_first_pass_pictures(batch, latent)
        to = second_pass_size(fix, request.width, request.height)
        seeds = [picture.seed for picture in self._picture_noise(batch, (0, 0)).pictures]
        resample = self.resampler_for(fix.upscaler)
        larger, pictures = upscale_latent(
            latent, fix, to, self.model.components.vae, seeds, resample, self.model.relief
        )
        self.reporter.begin_pass(plan.sampling.steps)
        before = self.model.components.checkpoint.latent
        self._second_pass_title = self.model.use(plan).names.title
        larger = convert_latent(larger, before, self.model.components.checkpoint.latent)
        size = (larger.shape[-1], larger.shape[-2])
        start = StartLatent(larger, fix.strength, fixed_steps=True)
        weight = request.options.inpainting_mask_weight
        if not pictures and self.model.components.checkpoint.is_inpainting and weight < 1:
            pictures = tuple(self._decode(larger, check_nan=True))
        pixels = torch.cat([to_pixels(picture) for picture in pictures]) if pictures else None
        return self._sample(
            batch, plan, size, ConcatConditioning(size, pixels, None, weight), start
        )

    def _keep_first_pass_pictures(self, batch: int, latent: Tensor) -> None:
        """The first pass's pictures, where the options ask to save them."""
        if self.request.options.save_images_before_highres_fix:
            first = batch * self.request.batch_size
            small = enumerate(self._decode(latent, self.check_nan), first)
            self.extra_images += [
                Aside(image, number, "before-highres-fix") for number, image in small
            ]

    def _sample(
        self,
        batch: int,
        plan: PassPlan,
        size: tuple[int, int],
        concat: ConcatConditioning,
        start: StartLatent | None,
    ) -> SampledLatent:
        noise = self._picture_noise(batch, size)
        steering = self._steering(plan, noise)
        sampling_pass = SamplingPass(
            network=make_noise_predictor(
                self.model, self.request, concat, steering, use_deep_shrink=start is None
            ),
            sampling=plan.sampling,
            options=self.request.options,
            start=start,
            watch=self.reporter.step,
            empty=self.model.encode_empty_prompt(),
            refiner_switch=self._refiner_switch(plan, concat, steering),
            check_nan=self.check_nan,
            step_hooks=self._step_hooks(),
            tools=self.tools,
        )
        if start and self.request.origin and self.request.origin.inversion:
            sampling_pass = replace(
                sampling_pass,
                start=self._start_from_inversion(
                    plan, sampling_pass, self.request.origin.inversion
                ),
            )
        sampled = sample(sampling_pass, self.model.conditioning_for(plan), noise)
        self._seconds += sampled.network_seconds
        return sampled

    def _step_hooks(self) -> StepHooks | None:
        listener, request = self.listener, self.request
        if listener is None:
            return None
        return StepHooks(
            start=lambda latent, sigmas: listener.before_sampling(latent, sigmas, request),
            step=lambda estimate: listener.at_step(estimate, self.reporter.progress, request),
        )

    def _start_from_inversion(
        self, plan: PassPlan, sampling_pass: SamplingPass, inversion: Inversion
    ) -> StartLatent:
        """The start of a pass from inverted noise (img2img alternative test)."""
        assert sampling_pass.start is not None
        encoded, _ = parse_extra_networks(inversion.prompt)
        texts = replace(
            plan.texts,
            prompt=inversion.prompt,
            negative_prompt=inversion.negative_prompt,
            encoded=encoded,
        )
        denoiser = Denoiser(
            sampling_pass.network,
            self.model.conditioning_for(replace(plan, texts=texts)),
            Guidance(inversion.guidance, calls=inversion.steps, check_nan=self.check_nan),
            self.reporter.step,
        )
        latent = sampling_pass.start.latent.to(sampling_pass.network.device)
        latent_noise = invert_to_noise(latent, denoiser, sampling_pass.network.table, inversion)
        self._seconds += denoiser.seconds
        return replace(
            sampling_pass.start, inverted_noise=InvertedNoise(latent_noise, inversion.randomness)
        )

    def _steering(self, plan: PassPlan, noise: PictureNoise) -> Steering | None:
        if self.control is None:
            return None
        large = plan is self.second
        table = schedule_of(self.model.components.checkpoint, self.request.options)
        return self.control.steering(
            lambda: self.model.components.vae, plan.sampling, table, noise, large
        )

    def _refiner_switch(
        self, plan: PassPlan, concat: ConcatConditioning, steering: Steering | None
    ) -> RefinerSwitch | None:
        if plan.refiner is None or self.request.refiner is None:
            return None

        def take_over() -> RefinerNetwork:
            refined, before = plan.refiner_pass, self.model.components.checkpoint
            base, latent = before.family, before.latent
            del before  # its memory is the refiner's
            self._refiner_title = self.model.use(refined).names.title
            self._check_latents(plan.checkpoint, latent)
            steers = self._steering_after_switch(steering, base)
            own = make_noise_predictor(self.model, self.request, concat, steers)
            return RefinerNetwork(
                own, self.model.conditioning_for(refined), self.model.encode_empty_prompt()
            )

        by_steps = self.request.options.refiner_switch_by_sample_steps
        switch_at = self.request.refiner.switch_at
        return RefinerSwitch(switch_at, by_steps, take_over)

    def _steering_after_switch(self, steering: Steering | None, base: Family) -> Steering | None:
        """The units under the refiner; all end where it is of another family than ``base``, as
        AUTOMATIC1111's do, which hold to the U-Net of the base.
        """
        refiner = self.model.components.checkpoint
        if steering is None or not steering.has_units or refiner.family is base:
            return steering
        self.model.report.remarks[
            f"ControlNet steered up to the switch to the refiner and ended there: its units are "
            f"for {base.label}, and {refiner.file.name} is {refiner.family.label}."
        ] = None
        return None

    def _check_latents(self, base: str, before: LatentFormat) -> None:
        """Refuse a refiner that reads latents by other statistics: noisy ones cannot be converted.

        Raises :class:`WrongArchitecture`.
        """
        refiner = self.model.components.checkpoint
        after = refiner.latent
        if (before.mean, before.deviation) != (after.mean, after.deviation):
            raise WrongArchitecture(
                f"{refiner.file.name} was asked to refine what {base} draws, but the latents of "
                "one of them have a mean and deviation of their own. Choose a refiner of the same "
                "kind, or give it as the checkpoint of hires fix"
            )

    def _picture_noise(self, batch: int, size: tuple[int, int]) -> PictureNoise:
        """The noise of a batch for latents of ``size`` (w, h)."""
        options, count = self.request.options, self.request.batch_size
        checkpoint = self.model.components.checkpoint
        return picture_noise(
            self.request.seeds,
            batch * count,
            count,
            options.randn_source,
            options.eta_noise_seed_delta,
            (checkpoint.family.latent.channels, size[1], size[0]),
            device_of(checkpoint.unet),
        )

    def _finish(self, batch: int, latents: Tensor) -> Iterator[Picture]:
        passes, titles = (self.first, self.second), (self._second_pass_title, self._refiner_title)
        units = self.control.notes if self.control else {}
        self.notes = dict(self.request.notes) | units
        self.notes |= collect_notes(
            self.request, passes, self.model, self._prepared, titles, self.tools
        )
        first = batch * self.request.batch_size
        finish = self._finisher.for_batch(latents, first) if self._finisher else None
        images = self._decode(latents, self.check_nan)
        for row in range(len(latents)):
            started = time.perf_counter()
            image = next(images)
            self._seconds += time.perf_counter() - started
            image = self._restore_faces(image, first + row)
            if self.control:
                image = self.control.finish(image)
            yield self._to_picture(first + row, finish(image, row) if finish else image)
        if self._finisher:
            self.maps, self.extra_images = self._finisher.maps, self._finisher.extra_images

    def _restore_faces(self, image: "Image", number: int) -> "Image":
        faces = self.faces
        if faces is None or faces.name is None:
            return image
        if self.request.options.save_images_before_face_restoration:
            aside = Aside(image, number, "before-face-restoration")
            (self._finisher or self).extra_images.append(aside)

        def go_on() -> bool:
            return self.reporter.report("Restoring faces") is not Stop.INTERRUPT

        return self.model.relief.run(lambda: faces.restore(image, number, go_on))

    def _decode(self, latents: Tensor, check_nan: bool) -> Iterator["Image"]:
        return decode_latents(self.model.components.vae, latents, check_nan, self.model.relief)

    def _to_picture(self, index: int, image: "Image") -> Picture:
        assert self.names is not None
        (seeds,) = picture_seeds(self.request.seeds, index, 1)
        texts = self.first.texts
        restorer = {"Face restoration": self.faces.name} if self.faces else {}
        infotext_parameters = collect_parameters(
            self.request, self.names, seeds.seed, seeds.variation_seed, self.notes | restorer
        )
        return Picture(
            image=image,
            seed=seeds.seed,
            variation_seed=seeds.variation_seed,
            prompt=texts.prompt,
            negative_prompt=texts.negative_prompt,
            infotext=write_infotext(texts.prompt, texts.negative_prompt, infotext_parameters),
        )
