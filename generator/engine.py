"""The engine: one call, ``Engine.run(request)``, takes a request and returns its pictures.

A frozen :class:`GenerationRequest` goes in; a :class:`Generation` (pictures with their infotext)
comes out. The engine reads no files but models' and knows neither HTTP nor a queue.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from generator.bench import Bench, Means
from generator.control.network import ControlNets
from generator.control.session import control_for
from generator.describing.networks import Describers
from generator.describing.questions import Question
from generator.errors import ModelNotFound
from generator.extra_networks import BundledWord, gather, with_bundled, with_default_networks
from generator.extras import enlarge_all
from generator.following import Follower
from generator.hooks import Listener, Silence, Stage, Watch, unwatched
from generator.inversion.lesson import train_word
from generator.inversion.lessons import Lesson, NewWord
from generator.inversion.training import Example, Pupil
from generator.inversion.words import Written, first_vectors, write_word
from generator.job import Job
from generator.legs import Texts, plan
from generator.models.adapter_files import Adapters
from generator.models.checkpoint import Checkpoint
from generator.models.embeddings import Embeddings
from generator.models.memory import Memory, Residence
from generator.models.registry import Kind, ModelFile, Registry
from generator.named_models import check_models
from generator.pictures.description import ModelNames
from generator.pictures.grid import grid
from generator.pictures.resizing import Resample
from generator.pictures.upscaling import Tiling, Upscalers
from generator.prompt.conditioning import EncoderOptions, PromptEncoder
from generator.prompt.grammar import extra_networks, without_comments
from generator.prompt.limits import check_prompt
from generator.prompt.styles import read_styles, styled
from generator.prompt.tokenizer import clip_tokenizer
from generator.releasing import Releaser
from generator.request import Extras, ExtrasRequest, Generation, GenerationRequest, Snapshot
from generator.sampling.brought import settled
from generator.scripts import in_turn
from generator.scripts.drawing import Draw
from generator.scripts.run import run as run_script
from generator.workload import NO_LIMIT


class Engine:
    """Runs the jobs of one device, one at a time; owns the loaded weights.

    ``device`` is a torch device ("cpu", "cuda:0"); ``half`` computes in fp16 on CUDA (the CPU always
    computes in fp32). ``styles_files`` are read again for each job that names a style. ``listener``
    is called for every job and filters every picture that leaves. ``most_megapixel_steps`` limits
    the work of one job, all drawings of its script together.
    """

    def __init__(
        self,
        registry: Registry,
        device: str = "cpu",
        *,
        half: bool = True,
        check_nan: bool = True,
        styles_files: Sequence[Path] = (),
        listener: Listener | None = None,
        most_megapixel_steps: float = NO_LIMIT,
    ) -> None:
        place = torch.device(device)
        dtype = torch.float16 if half and place.type == "cuda" else torch.float32
        self._registry = registry
        self._check_nan = check_nan
        self._memory = Memory(place, dtype)
        self._controls = ControlNets(place, dtype)
        self._embeddings = Embeddings()
        self._adapters = Adapters()
        self._upscalers = Upscalers(registry, place, lambda: self._listener.tools.upscalers)
        self._describers = Describers(place)
        self._tokenizer = clip_tokenizer()
        self._styles_files = tuple(styles_files)
        self._listener = listener or Silence()
        self._most = most_megapixel_steps

    @property
    def loaded(self) -> tuple[str, ...]:
        """Titles of the checkpoints in memory."""
        return tuple(file.title for file in self._memory.files)

    def unload(self) -> None:
        """Drop all weights; the next job loads them again."""
        self._memory.drop()
        self._controls.drop()
        self._adapters.forget()
        self._upscalers.drop()
        self._describers.drop()

    def enlarge(self, request: ExtrasRequest) -> Extras:
        """Upscale pictures (the Extras tab). Raises the errors of :mod:`generator.errors`."""
        release = Releaser(self._listener, request.user_name)
        return release.enlarged(enlarge_all(request, self._upscalers))

    def describe(self, question: Question) -> str:
        """Caption or tag a picture. Raises the errors of :mod:`generator.errors`."""
        return self._describers.answer(question)

    def make_word(self, word: NewWord) -> Path:
        """Create a textual inversion; its file. Raises :class:`WordExists` and as :meth:`run`."""
        file = self._registry.find_checkpoint(word.checkpoint)
        model = self._hold(file).checkpoint.text_encoder
        vectors = first_vectors(word, model, self._tokenizer)
        write_word(Path(word.path), vectors, Written(word.name), overwrite=word.overwrite)
        return Path(word.path)

    def train_word(
        self, lesson: Lesson, examples: Sequence[Example], watch: Watch = unwatched
    ) -> Path:
        """Train a textual inversion and write its file; the path. Raises as :meth:`run`."""
        return train_word(lesson, examples, self._registry, self.pupil, watch)

    def pupil(self, lesson: Lesson, vectors: Tensor, step: int) -> Pupil:
        """The state of a training: vectors (k, width) and loaded networks. Raises as :meth:`run`."""
        file = self._registry.hashed(self._registry.find_checkpoint(lesson.checkpoint))
        residence = self._hold(file)
        vae_file = self._registry.vae_for(file, lesson.vae) or self._lacking_vae(residence)
        vae = self._memory.vae(residence, vae_file)
        return Pupil(vectors, residence.checkpoint, vae, self._tokenizer, step)

    def _hold(self, file: ModelFile) -> Residence:
        if not self._memory.holds(file):
            self._adapters.forget()  # the memory may be needed now
        return self._memory.hold(file)

    @torch.no_grad()
    def run(self, request: GenerationRequest, watch: Watch = unwatched) -> Generation:
        """Draw ``request.picture_count`` pictures, or what its script makes of it.

        Fewer when ``watch`` interrupts. Width and height that are no multiples of 8 are cut down
        to one. Raises the errors of :mod:`generator.errors`, and whatever ``watch`` raises.
        """
        request = self._listener.before_generate(request)
        release = Releaser(self._listener, request.user_name)
        once = partial(self._run_heard, release)
        find = partial(self._find_checkpoint, exact=False)
        tools = self._listener.tools
        requests = () if request.script else self._listener.split(request)
        if len(requests) > 1:
            draw = Draw(once, watch, self._upscaled, find, tools=tools, most=self._most)
            drawn = in_turn.run(requests, draw)
        else:
            request = requests[0] if requests else request
            check = self._check_models
            most = self._most
            drawn = run_script(request, once, watch, self._upscaled, find, check, tools, most)
        return release.finished(drawn, request)

    def _upscaled(
        self, image: Image.Image, upscaler: str | int, scale: float
    ) -> tuple[Image.Image, str]:
        """For sd upscale, for which "None" leaves a picture as it is; also the upscaler's name."""
        name = self._upscalers.named(upscaler)
        return (image if name == "None" else self._upscalers.enlarge(image, name, scale)), name

    def _run_heard(self, release: Releaser, request: GenerationRequest, watch: Watch) -> Generation:
        """Draw a request without a script and let the listener filter the result."""
        found = self._run_once(request, watch)
        return release.drawn(found, request, partial(self._run_once, watch=watch))

    def _run_once(self, request: GenerationRequest, watch: Watch) -> Generation:
        started, stamp = time.perf_counter(), f"{datetime.now():%Y%m%d%H%M%S}"
        tools = self._listener.tools
        request = settled(request, tools)
        first, second = plan(request, partial(self._read_prompts, request), self._find_checkpoint)
        follower = Follower.of(request, watch, passes=2 if second else 1)
        equip = partial(self._equip, request, follower)
        control = control_for(
            request, self._registry, self._controls, follower.say, tools.preprocessors
        )
        with Bench(request, equip, follower) as bench:
            resampling = partial(self._resampling, request.options)
            job = Job(
                request,
                first,
                second,
                bench,
                follower,
                self._check_nan,
                control,
                resampling,
                listener=self._listener if self._listener.follows_sampling else None,
                tools=tools,
            )
            pictures = job.draw()
        names = job.names or ModelNames(Path(first.checkpoint).stem, None)
        return Generation(
            pictures=pictures,
            checkpoint_name=names.checkpoint,
            checkpoint_hash=names.checkpoint_hash,
            vae_name=names.vae,
            vae_hash=names.vae_hash,
            clip_skip=request.options.CLIP_stop_at_last_layers,
            extra_parameters=job.notes,
            job_timestamp=stamp,
            seconds=time.perf_counter() - started,
            network_seconds=job.network_seconds,
            comments=tuple(
                dict.fromkeys(
                    (*request.remarks, *self._missing_styles(request), *bench.found.comments)
                )
            ),
            stopped=job.stopped,
            maps=(*job.maps, *(control.maps if control else ())),
            asides=tuple(job.asides),
            facts={"is_using_inpainting_conditioning": True} if names.repaints else {},
        )

    def _resampling(self, options: Snapshot, upscaler: str | None) -> Resample:
        tiling = Tiling(options.ESRGAN_tile, options.ESRGAN_tile_overlap)
        return partial(self._upscalers.resize, name=upscaler, tiling=tiling)

    def _read_prompts(self, request: GenerationRequest, prompt: str, negative: str) -> Texts:
        """Styles, comments, tags, in this order (contract section 2.1)."""
        styles = read_styles(self._styles_files) if request.styles else {}
        comments = request.options.enable_prompt_comments
        both = styled(prompt, negative, request.styles, styles, comments=comments)
        if comments:
            both = (without_comments(both[0]), without_comments(both[1]))
        whole = with_default_networks(both[0], request.options)
        steps = max(request.sampling.steps, request.hires.steps if request.hires else 0)
        check_prompt(whole, steps, "prompt")
        check_prompt(both[1], steps, "negative_prompt", negative=True)
        encoded, tags = extra_networks(whole)
        return Texts(whole, both[1], encoded, () if request.disable_extra_networks else tags)

    def _missing_styles(self, request: GenerationRequest) -> tuple[str, ...]:
        """A sentence about styles that are not there, if there are such."""
        wanted = [name for name in request.styles if name not in ("", "None")]
        known = read_styles(self._styles_files) if wanted else {}
        missing = dict.fromkeys(name for name in wanted if name not in known)
        return (f"Style not found: {', '.join(missing)}",) if missing else ()

    def _check_models(self, request: GenerationRequest) -> None:
        check_models(request, self._registry, self._upscalers.named)

    def _find_checkpoint(self, name: str, exact: bool = True) -> str:
        return self._registry.find_checkpoint(name, exact).name

    def _find_vae(self, request: GenerationRequest, checkpoint: ModelFile) -> ModelFile | None:
        if request.vae not in ("Automatic", "None"):
            self._registry.find_vae(request.vae)  # raises where there is none of that name
        first = request.options.sd_vae_overrides_per_model_preferences
        return self._registry.vae_for(checkpoint, request.vae, first)

    def _lacking_vae(self, residence: Residence) -> ModelFile | None:
        """The VAE beside a checkpoint that brings none, whatever the options choose.

        Looks at the disk again before it gives up.
        """
        file = residence.checkpoint.file
        if residence.checkpoint.own_vae is not None:
            return None
        return self._registry.vae_for(file) or self._registry.refresh().vae_for(file)

    def _equip(
        self, request: GenerationRequest, follower: Follower, checkpoint: str, texts: Texts
    ) -> Means:
        """Load checkpoint, VAE, extra networks and prompt encoder of one pass."""
        file = self._registry.hashed(self._registry.find_checkpoint(checkpoint))
        vae_file = self._find_vae(request, file)
        residence = self._load(file, follower)
        vae_file = vae_file or self._lacking_vae(residence)
        networks = residence.checkpoint
        width = networks.text_encoder.config.hidden_size
        place = (self._memory.device, self._memory.dtype)
        added = gather(self._registry, self._adapters, texts.tags, *place, follower.check)
        words = self._embeddings.fitting(self._registry, width)
        return Means(
            checkpoint=networks,
            vae=self._memory.vae(residence, vae_file),
            names=self._names(file, vae_file, networks),
            networks=added,
            encoder=PromptEncoder(
                networks.text_encoder,
                self._tokenizer,
                _encoder_options(request.options),
                with_bundled(words.fitting, added.words, width),
                pause=follower.check,
            ),
            embedding_hash=partial(self._embedding_hash, request.options, added.words),
            skipped_words=words.skipped,
            preview=lambda latent: self._preview(request, residence, vae_file, latent),
        )

    def _load(self, file: ModelFile, follower: Follower) -> Residence:
        if not self._memory.holds(file):
            follower.say(f"Loading weights from {file.name}")
        return self._hold(file)

    def _names(self, file: ModelFile, vae: ModelFile | None, networks: Checkpoint) -> ModelNames:
        named = self._registry.hashed(vae) if vae else None
        return ModelNames(
            checkpoint=file.stem,
            checkpoint_hash=file.shorthash,
            vae=named.vae_name if named else None,
            vae_hash=named.shorthash if named else None,
            repaints=networks.repaints,
            follows_picture=networks.follows_picture,
        )

    def _embedding_hash(
        self, options: Snapshot, bundled: Sequence[BundledWord], name: str
    ) -> str | None:
        """A textual inversion's 12-digit hash, or the LoRA that bundles it, for the infotext."""
        if not options.textual_inversion_add_hashes_to_infotext:
            return None
        try:
            whole = self._registry.hashed(self._registry.find(Kind.EMBEDDING, name)).sha256
        except ModelNotFound:
            loras = [word.lora for word in bundled if word.inversion.name == name]
            return loras[0] if loras and options.lora_bundled_ti_to_infotext else None
        return whole[:12] if whole else None

    def _preview(
        self,
        request: GenerationRequest,
        residence: Residence,
        vae: ModelFile | None,
        latent: Tensor,
    ) -> Image.Image:
        approximation = self._memory.approximation(residence, vae)
        pictures = [approximation.picture(row) for row in latent]
        # One by one: what is withheld of a picture may go unseen on a sheet of several.
        return grid(
            [
                self._listener.release(picture, Stage.PREVIEW, request, request.user_name).image
                for picture in pictures
            ]
        )


def _encoder_options(options: Snapshot) -> EncoderOptions:
    return EncoderOptions(
        clip_skip=options.CLIP_stop_at_last_layers,
        emphasis=options.emphasis,
        comma_padding_backtrack=options.comma_padding_backtrack,
        use_old_scheduling=options.use_old_scheduling,
        use_old_emphasis_implementation=options.use_old_emphasis_implementation,
    )
