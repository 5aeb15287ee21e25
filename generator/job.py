"""One job at work: batch after batch, from the encoded prompt to pictures with their infotext."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from torch import Tensor

from generator.extra_networks import Networks
from generator.following import Draw, Follower
from generator.hires import HiresTexts, enlarge, hires_notes, second_sampling
from generator.hires_size import target
from generator.models.adapters import mounted
from generator.models.checkpoint import Checkpoint
from generator.models.hypernetworks import reading_through
from generator.models.tiling import tiled
from generator.origins import Prepared, origin_notes, prepare
from generator.pictures.description import ModelNames, Parameters, parameters, sampling_notes
from generator.pictures.infotext import write
from generator.pictures.latents import FACTOR, decode
from generator.prompt.conditioning import Conditioning, PromptEncoder, encode_prompts
from generator.prompt.grammar import Tag, Timing
from generator.request import GenerationRequest, Picture, Sampling, Stop
from generator.sampling.network import Network, Rows
from generator.sampling.noise import PictureNoise, picture_noise, picture_seeds
from generator.sampling.sample import Pass, Sampled, Start, noise_schedule, sample, timing
from generator.sampling.samplers import resolve
from generator.sampling.schedules import scaled_linear, schedule_for

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Texts:
    """A pass's prompts: as the infotext keeps them, and as the encoder reads the positive one."""

    prompt: str  # styles applied, comments gone, tags still in
    negative_prompt: str
    encoded: str  # the prompt without its tags
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """What a pass draws with: all found and loaded, the weights not yet changed."""

    checkpoint: Checkpoint
    vae: "AutoencoderKL"
    names: ModelNames
    networks: Networks
    encoder: PromptEncoder
    embedding_hash: Callable[[str], str | None]  # of a textual inversion, by name
    skipped_words: tuple[str, ...]  # names of textual inversions that do not fit the checkpoint
    preview: Draw

    def unused(self, texts: Texts) -> dict[str, tuple[str, ...]]:
        """The textual inversions that the prompts name though they do not fit."""
        prompts = f"{texts.encoded}\n{texts.negative_prompt}"
        named = tuple(
            name
            for name in self.skipped_words
            if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", prompts, re.IGNORECASE)
        )
        return {"Embedding not used": named} if named else {}


@dataclass(frozen=True, slots=True)
class Leg:
    """One of a batch's sampling passes, as it is for every batch."""

    checkpoint: str
    texts: Texts
    sampling: Sampling
    timing: Timing


Equip = Callable[[str, Texts], Means]  # checkpoint name, prompts


@dataclass(eq=False)
class Job:
    """The work on one request, as a context. Call :meth:`draw` once."""

    request: GenerationRequest
    first: Leg
    second: Leg | None  # hires fix
    equip: Equip
    follower: Follower
    names: ModelNames | None = None  # of the first pass's models
    network_seconds: float = 0.0  # inside text encoder, U-Net and VAE so far
    stopped: bool = False
    notes: Parameters = field(default_factory=dict)  # AUTOMATIC1111's extra_generation_params
    larger_title: str | None = None  # of the checkpoint of the second pass, "stem [hash]"
    missing: dict[str, dict[str, None]] = field(default_factory=dict)
    """Names that the prompts gave in vain, by what to say of them ("Lora not found")."""
    remarks: dict[str, None] = field(default_factory=dict)  # what else the caller should know
    _means: Means | None = None
    _equipped: tuple[str, tuple[Tag, ...]] | None = None
    _stack: ExitStack = field(default_factory=ExitStack)
    _encoded: dict[int, Conditioning] = field(default_factory=dict)  # by pass
    _hashes: dict[str, dict[str, None]] = field(default_factory=dict)

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def comments(self) -> tuple[str, ...]:
        """What the caller should know of how the pictures came about, in sentences."""
        missing = (f"{said}: {', '.join(names)}" for said, names in self.missing.items())
        return (*missing, *self.remarks)

    def draw(self) -> tuple[Picture, ...]:
        """All batches in order, up to an interrupt; it keeps what its batch had come to."""
        pictures: list[Picture] = []
        for batch in range(self.request.batches):
            if self.follower.begin(batch, self.request.batches) is Stop.INTERRUPT:
                self.stopped = True
                break
            sampled, prepared = self._draw_first(batch)
            if self.second and sampled.stopped is Stop.NO:
                sampled = self._draw_second(batch, self.second, sampled.latent)
            pictures += self._finish(batch, sampled.latent, prepared)
            if sampled.stopped is Stop.INTERRUPT:
                self.stopped = True
                break
        return tuple(pictures)

    def _draw_first(self, batch: int) -> tuple[Sampled, Prepared | None]:
        means = self._use(self.first)
        self.names = self.names or means.names
        request = self.request
        noise = self._noise(batch, (request.width, request.height))
        origin = request.origin
        prepared = prepare(request, origin, means.vae, noise) if origin else None
        start = prepared.start if prepared else None
        return self._sample(self.first, means, noise, start), prepared

    def _draw_second(self, batch: int, leg: Leg, latent: Tensor) -> Sampled:
        """Hires fix: enlarge what the first pass drew and sample again."""
        fix = self.request.hires
        assert fix is not None
        to = target(fix, self.request.width, self.request.height)
        last = picture_seeds(self.request.seeds, batch * len(latent), len(latent))[-1]
        assert self._means is not None
        larger = enlarge(latent, fix, to, self._means.vae, last.seed)
        self.follower.begin_pass(leg.sampling.steps)
        means = self._use(leg)
        self.larger_title = means.names.title
        size = (larger.shape[-1] * FACTOR, larger.shape[-2] * FACTOR)
        start = Start(larger.to(means.checkpoint.unet.device), fix.strength, fixed_steps=True)
        return self._sample(leg, means, self._noise(batch, size), start)

    def _use(self, leg: Leg) -> Means:
        """Have the leg's checkpoint in memory, with its networks added to the weights."""
        wanted = (leg.checkpoint, leg.texts.tags)
        if self._equipped != wanted or self._means is None:
            self._stack.close()
            means = self.equip(leg.checkpoint, leg.texts)
            checkpoint = means.checkpoint
            left_over = self._stack.enter_context(mounted(checkpoint, means.networks.mounts))
            self._stack.enter_context(
                reading_through(checkpoint.unet, means.networks.hypernetworks)
            )
            self._stack.enter_context(tiled((checkpoint.unet, means.vae), self.request.tiling))
            self._means, self._equipped = means, wanted
            self.follower.draw = means.preview
            self.remarks |= dict.fromkeys(left_over)
            for said, names in {**means.networks.missing, **means.unused(leg.texts)}.items():
                self.missing.setdefault(said, {}).update(dict.fromkeys(names))
            if self.request.options.lora_add_hashes_to_infotext:
                self._remember("Lora hashes", means.networks.hashes)
        return self._means

    def _encode(self, leg: Leg, means: Means) -> Conditioning:
        """The prompts of one batch, which are those of every batch."""
        key = id(leg)
        if key not in self._encoded:
            count, spent = self.request.batch_size, means.encoder.seconds
            self._encoded[key] = encode_prompts(
                means.encoder,
                [leg.texts.encoded] * count,
                [leg.texts.negative_prompt] * count,
                leg.timing,
            )
            self.network_seconds += means.encoder.seconds - spent
            for name in means.encoder.used:
                short = means.embedding_hash(name)
                self._remember("TI hashes", f"{name}: {short}" if short else "")
        return self._encoded[key]

    def _empty(self, means: Means) -> Tensor | None:
        """The encoded empty prompt, where an option pads with it; (77,width)."""
        return means.encoder.encode([""])[0] if self.request.options.pad_cond_uncond else None

    def _padding_notes(self) -> Parameters:
        """Whether prompts of different lengths were padded to one."""
        options = self.request.options
        lengths = {
            (len(strand.stages[0].context), len(negative[0].context))
            for conditioning in self._encoded.values()
            for row, negative in zip(conditioning.positive, conditioning.negative, strict=True)
            for strand in row
        }
        if all(positive == negative for positive, negative in lengths):
            return {}
        if options.pad_cond_uncond_v0:
            return {"Pad conds v0": True}
        return {"Pad conds": True} if options.pad_cond_uncond else {}

    def _remember(self, key: str, entry: str) -> None:
        if entry:
            self._hashes.setdefault(key, {})[entry] = None

    def _sample(self, leg: Leg, means: Means, noise: PictureNoise, start: Start | None) -> Sampled:
        work = Pass(
            network=_network(means.checkpoint, self.request),
            sampling=leg.sampling,
            options=self.request.options,
            start=start,
            watch=self.follower.step,
            empty=self._empty(means),
        )
        sampled = sample(work, self._encode(leg, means), noise)
        self.network_seconds += sampled.network_seconds
        return sampled

    def _noise(self, batch: int, size: tuple[int, int]) -> PictureNoise:
        options, count = self.request.options, self.request.batch_size
        assert self._means is not None
        return picture_noise(
            self.request.seeds,
            batch * count,
            count,
            options.randn_source,
            options.eta_noise_seed_delta,
            (4, size[1] // FACTOR, size[0] // FACTOR),
            self._means.checkpoint.unet.device,
        )

    def _finish(self, batch: int, latents: Tensor, prepared: Prepared | None) -> Iterator[Picture]:
        assert self._means is not None
        self.notes = self._describe(prepared)
        first = batch * self.request.batch_size
        images = decode(self._means.vae, latents)
        for row in range(len(latents)):
            started = time.perf_counter()
            image = next(images)
            self.network_seconds += time.perf_counter() - started
            if prepared:
                image = prepared.overlay(image, row)
            yield self._picture(first + row, image)

    def _describe(self, prepared: Prepared | None) -> Parameters:
        request = self.request
        sampler, label = resolve(request.sampling.sampler, request.sampling.schedule)
        texts = self.first.texts
        notes: Parameters = origin_notes(request, prepared) if prepared else {}
        if request.hires and self.second:
            notes |= hires_notes(request, request.hires, self._hires_texts(self.second))
        for listed in (self._hashes, self.missing):
            notes |= {key: ", ".join(entries) for key, entries in listed.items()}
        prompts = texts.encoded + texts.negative_prompt
        if request.options.emphasis != "Original" and ("(" in prompts or "[" in prompts):
            notes["Emphasis"] = request.options.emphasis
        timestep = sampler.kind == "timestep"
        used = label if timestep else schedule_for(sampler.default_schedule, label)
        return notes | sampling_notes(request, sampler, used) | self._padding_notes()

    def _hires_texts(self, leg: Leg) -> HiresTexts:
        """What the second pass draws with, where that is something else."""
        first, own = self.first.texts, leg.texts
        return HiresTexts(
            checkpoint=self.larger_title if leg.checkpoint != self.first.checkpoint else None,
            prompt=own.prompt if own.prompt != first.prompt else None,
            negative_prompt=(
                own.negative_prompt if own.negative_prompt != first.negative_prompt else None
            ),
        )

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


def plan(
    request: GenerationRequest, read: Callable[[str, str], Texts], find: Callable[[str], str]
) -> tuple[Leg, Leg | None]:
    """The passes of a job. ``read`` prepares prompts; ``find`` makes sure of a checkpoint."""
    texts = read(request.prompt, request.negative_prompt)
    sampling, options = request.sampling, request.options
    first = Leg(find(request.checkpoint), texts, sampling, timing(sampling, options))
    fix = request.hires
    if fix is None:
        return first, None
    again = second_sampling(request, fix)
    larger = read(fix.prompt or request.prompt, fix.negative_prompt or request.negative_prompt)
    if options.hires_fix_use_firstpass_conds:
        return first, replace(first, sampling=again)
    checkpoint = find(fix.checkpoint) if fix.checkpoint else first.checkpoint
    return first, Leg(checkpoint, larger, again, timing(again, options, sampling))


def _network(checkpoint: Checkpoint, request: GenerationRequest) -> Network:
    unet = checkpoint.unet

    def predict(x: Tensor, t: Tensor, context: Tensor, _: Rows) -> Tensor:
        found: Tensor = unet(x.to(unet.dtype), t, context.to(unet.dtype)).sample
        return found.float()

    table = noise_schedule(scaled_linear(), request.options)
    return Network(predict, table, checkpoint.prediction, unet.device)
