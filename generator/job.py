"""One job at work: batch after batch, from the encoded prompt to pictures with their infotext."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor

from generator.extra_networks import Networks
from generator.following import Follower
from generator.models.checkpoint import Checkpoint
from generator.pictures.description import ModelNames, Parameters, parameters, sampling_notes
from generator.pictures.infotext import write
from generator.pictures.latents import FACTOR, decode
from generator.prompt.conditioning import Conditioning, PromptEncoder, encode_prompts
from generator.prompt.grammar import Tag
from generator.request import GenerationRequest, Picture, Stop
from generator.sampling.denoiser import Network
from generator.sampling.noise import PictureNoise, picture_noise, picture_seeds
from generator.sampling.sample import Pass, Sampled, noise_schedule, sample, timing
from generator.sampling.samplers import resolve
from generator.sampling.schedules import scaled_linear, schedule_for

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Texts:
    """A job's prompts: as the infotext keeps them, and as the encoder reads the positive one."""

    prompt: str  # styles applied, comments gone, tags still in
    negative_prompt: str
    encoded: str  # the prompt without its tags
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """What a job draws with: all found and loaded, the weights not yet changed."""

    checkpoint: Checkpoint
    vae: "AutoencoderKL"
    names: ModelNames
    networks: Networks
    encoder: PromptEncoder
    embedding_hash: Callable[[str], str | None]  # of a textual inversion, by name


@dataclass(eq=False)
class Job:
    """The work on one request. Call :meth:`draw` once."""

    request: GenerationRequest
    texts: Texts
    means: Means
    follower: Follower
    decode_seconds: float = 0.0
    sampling_seconds: float = 0.0
    stopped: bool = False
    notes: Parameters = field(default_factory=dict)  # AUTOMATIC1111's extra_generation_params

    def draw(self) -> tuple[Picture, ...]:
        """All batches in order, up to an interrupt; it keeps what its batch had come to."""
        pictures: list[Picture] = []
        conditioning = self._encode()
        self.notes |= self._describe()
        for batch in range(self.request.batches):
            if self.follower.begin(batch, self.request.batches) is Stop.INTERRUPT:
                self.stopped = True
                break
            sampled = self._sample(batch, conditioning)
            pictures += self._finish(batch, sampled.latent)
            if sampled.stopped is Stop.INTERRUPT:
                self.stopped = True
                break
        return tuple(pictures)

    @property
    def network_seconds(self) -> float:
        """Time inside text encoder, U-Net and VAE so far."""
        return self.means.encoder.seconds + self.sampling_seconds + self.decode_seconds

    def _encode(self) -> Conditioning:
        """The prompts of one batch, which are those of every batch."""
        request, count = self.request, self.request.batch_size
        return encode_prompts(
            self.means.encoder,
            [self.texts.encoded] * count,
            [self.texts.negative_prompt] * count,
            timing(request.sampling, request.options),
        )

    def _describe(self) -> Parameters:
        request, networks = self.request, self.means.networks
        sampler, label = resolve(request.sampling.sampler, request.sampling.schedule)
        notes: Parameters = {}
        if networks.hashes:
            notes["Lora hashes"] = networks.hashes
        words = self._embedding_hashes()
        if words:
            notes["TI hashes"] = words
        prompts = self.texts.encoded + self.texts.negative_prompt
        if request.options.emphasis != "Original" and ("(" in prompts or "[" in prompts):
            notes["Emphasis"] = request.options.emphasis
        timestep = sampler.kind == "timestep"
        used = label if timestep else schedule_for(sampler.default_schedule, label)
        return notes | sampling_notes(request, sampler, used)

    def _embedding_hashes(self) -> str:
        hashes = {name: self.means.embedding_hash(name) for name in self.means.encoder.used}
        return ", ".join(f"{name}: {short}" for name, short in hashes.items() if short)

    def _sample(self, batch: int, conditioning: Conditioning) -> Sampled:
        request = self.request
        step = Pass(
            network=self._network,
            sampling=request.sampling,
            options=request.options,
            watch=self.follower.step,
        )
        sampled = sample(step, conditioning, self._noise(batch))
        self.sampling_seconds += sampled.network_seconds
        return sampled

    def _noise(self, batch: int) -> PictureNoise:
        request, size = self.request, self.request.batch_size
        return picture_noise(
            request.seeds,
            batch * size,
            size,
            request.options.randn_source,
            request.options.eta_noise_seed_delta,
            (4, request.height // FACTOR, request.width // FACTOR),
            self.means.checkpoint.unet.device,
        )

    @cached_property
    def _network(self) -> Network:
        checkpoint = self.means.checkpoint
        unet = checkpoint.unet

        def predict(x: Tensor, t: Tensor, context: Tensor) -> Tensor:
            return unet(x.to(unet.dtype), t, context.to(unet.dtype)).sample.float()

        table = noise_schedule(scaled_linear(), self.request.options)
        return Network(predict, table, checkpoint.prediction, unet.device)

    def _finish(self, batch: int, latents: Tensor) -> Iterator[Picture]:
        first = batch * self.request.batch_size
        images = decode(self.means.vae, latents)
        for index in range(first, first + len(latents)):
            started = time.perf_counter()
            image = next(images)
            self.decode_seconds += time.perf_counter() - started
            yield self._picture(index, image)

    def _picture(self, index: int, image: "Image") -> Picture:
        (seeds,) = picture_seeds(self.request.seeds, index, 1)
        written = parameters(
            self.request, self.means.names, seeds.seed, seeds.variation_seed, self.notes
        )
        texts = self.texts
        return Picture(
            image=image,
            seed=seeds.seed,
            variation_seed=seeds.variation_seed,
            prompt=texts.prompt,
            negative_prompt=texts.negative_prompt,
            infotext=write(texts.prompt, texts.negative_prompt, written),
        )
