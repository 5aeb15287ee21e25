"""The engine: one call, ``Engine.run(request)``, takes a request and returns its pictures.

A frozen :class:`GenerationRequest` goes in; a :class:`Generation` (pictures with their infotext)
comes out. The engine reads no files but models' and knows neither HTTP nor a queue.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from copy import copy
from datetime import datetime
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from generator.control.annotators import Dials
from generator.control.controlnets import ControlNetCache
from generator.control.map_resize import Pixels
from generator.control.modules import Module
from generator.control.preprocessor_networks import PreprocessorNetworks
from generator.control.session import Control, prepare_control
from generator.errors import BadRequest, ModelNotFound, NotANumber
from generator.extra_networks import (
    BundledEmbedding,
    add_bundled_embeddings,
    add_default_networks,
    load_extra_networks,
)
from generator.extras import enlarge_all
from generator.faces.face_restorers import FaceRestorers
from generator.faces.job_faces import JobFaces
from generator.hooks import (
    DeviceWatch,
    Listener,
    NullListener,
    PictureWatch,
    Stage,
    Watch,
    ignore_progress,
)
from generator.interrogation.models import Interrogator
from generator.interrogation.requests import InterrogationRequest
from generator.job.job import EngineJob
from generator.job.loaded_model import LoadedModel, ModelComponents
from generator.job.output_filter import OutputFilter
from generator.job.passes import PassPrompts, plan_passes
from generator.job.progress_reporter import ProgressReporter
from generator.model_tools.recipes import ModelRecipe, WrittenModel
from generator.model_tools.write_model import write_model
from generator.models.adapter_files import AdapterCache
from generator.models.checkpoint import Checkpoint
from generator.models.checkpoint_cache import CheckpointCache, LoadedCheckpoint
from generator.models.embeddings import EmbeddingCache
from generator.models.graphics_card import card_of
from generator.models.index import Identity
from generator.models.memory_relief import MemoryRelief
from generator.models.offload import offloader_of
from generator.models.registry import ModelFile, ModelKind, Registry
from generator.models.residency import BY_MACHINE, MemoryLimits, Residency, ram_headroom_of
from generator.named_models import check_models
from generator.pictures.grid import compose_grid
from generator.pictures.infotext_parameters import ModelNames
from generator.pictures.resize import Resample
from generator.pictures.upscalers import TileOptions, Upscalers
from generator.prompt.conditioning import EncoderOptions, PromptEncoder
from generator.prompt.grammar import parse_extra_networks, strip_comments
from generator.prompt.limits import check_prompt
from generator.prompt.styles import apply_named_styles, read_styles
from generator.prompt.text_cache import TextCache, TextShelf
from generator.prompt.tokenizer import clip_tokenizer
from generator.request import (
    BY_OPTIONS,
    Extras,
    ExtrasRequest,
    Generation,
    GenerationRequest,
    Picture,
    Snapshot,
)
from generator.sampling.batching import CallCounts, Seat, StepBatcher
from generator.sampling.plugin_samplers import resolve_plugin_names
from generator.scripts import sequence
from generator.scripts.run import run as run_script
from generator.scripts.script_draw import ScriptDraw
from generator.textual_inversion.config import EmbeddingSpec, TrainingConfig
from generator.textual_inversion.embedding_file import (
    EmbeddingInfo,
    initial_vectors,
    write_embedding,
)
from generator.textual_inversion.embedding_job import train_embedding
from generator.textual_inversion.trainer import Example, TrainingState, sole_text_encoder
from generator.workload import NO_LIMIT


class Engine:
    """Runs the jobs of one device; owns the loaded weights.

    ``device`` is a torch device ("cpu", "cuda:0"); ``half`` computes in fp16 on CUDA (the CPU
    always computes in fp32). ``styles_files`` are read again for each job that names a style.
    ``listener`` is called for every job and filters every picture that leaves.
    ``most_megapixel_steps`` limits the work of one job, all drawings of its script together;
    ``memory`` what weights may take. ``codeformer`` allows that restorer, whose licence is
    non-commercial.

    Any thread may call it. Jobs are drawn one after another, or with ``step_batching`` side by
    side: see :mod:`generator.sampling.batching`.
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
        memory: MemoryLimits = BY_MACHINE,
        codeformer: bool = False,
        step_batching: bool = False,
    ) -> None:
        place = torch.device(device)
        dtype = torch.float16 if half and place.type == "cuda" else torch.float32
        self._registry = registry
        self._check_nan = check_nan
        offloader = offloader_of(place, memory.placement)
        self._is_offloaded = offloader is not None
        card = None if offloader else card_of(place, memory.vram_budget)
        self._batcher = StepBatcher(joins=step_batching and offloader is None)
        self._texts = TextCache()
        self._residency = Residency(
            ram_headroom_of(memory), card, is_shared=lambda: self._batcher.is_shared
        )
        self._checkpoints = CheckpointCache(
            place,
            dtype,
            self._residency,
            offloader,
            lambda: tuple(self._listener.tools.families.values()),
        )
        self._controls = ControlNetCache(place, dtype, self._residency)
        self._preprocessors = PreprocessorNetworks(registry, place, self._residency)
        self._embeddings = EmbeddingCache()
        self._adapters = AdapterCache(self._residency)
        self._upscalers = Upscalers(
            registry, place, lambda: self._listener.tools.upscalers, self._residency
        )
        self._face_restorers = FaceRestorers(
            registry, place, self._residency, codeformer=codeformer
        )
        self._interrogator = Interrogator(place, self._residency)
        self._tokenizer = clip_tokenizer()
        self._styles_files = tuple(styles_files)
        self._listener = listener or NullListener()
        self._max_megapixel_steps = most_megapixel_steps

    def for_user(self, registry: Registry, styles_files: Sequence[Path]) -> "Engine":
        """The same engine with one user's models and styles: weights in memory are shared.

        What is in memory is found by its file, so nobody draws with what their registry lacks.
        """
        engine = copy(self)
        engine._registry, engine._styles_files = registry, tuple(styles_files)
        engine._preprocessors = self._preprocessors.for_user(registry)
        engine._upscalers = self._upscalers.for_user(registry)
        engine._face_restorers = self._face_restorers.for_user(registry)
        return engine

    @property
    def loaded_checkpoints(self) -> tuple[str, ...]:
        """Titles of the checkpoints in memory, the last used first."""
        return tuple(file.title for file in self._checkpoints.files)

    @property
    def shares_calls(self) -> bool:
        """Whether jobs are drawn side by side; not where networks are moved about in parts."""
        return self._batcher.joins

    def turn(self) -> AbstractContextManager[object]:
        """A context in which nothing is computed for anybody else. Not inside of a job."""
        return self._batcher.seat()

    @property
    def call_counts(self) -> CallCounts:
        """How jobs that may share calls of the network have called it."""
        return self._batcher.counts

    def unload(self) -> None:
        """Drop all weights but those of jobs under way; the next job loads them again."""
        with self._batcher.seat():
            self._texts.clear()
            if self._batcher.is_shared:
                self._residency.put_aside_unused()
            else:
                self._residency.clear()

    def enlarge(self, request: ExtrasRequest) -> Extras:
        """Upscale pictures (the Extras tab). Raises the errors of :mod:`generator.errors`."""
        output_filter = OutputFilter(self._listener, request.user_name)
        with self._batcher.seat():
            self._residency.release()
            extras = enlarge_all(request, self._upscalers, self._face_restorers)
            return output_filter.filter_extras(extras)

    def draw_network_map(self, module: Module, image: Pixels, dials: Dials) -> Pixels:
        """The map (H,W,3) that a preprocessor's network draws of ``image``, outside any job.

        Raises the errors of :mod:`generator.errors`.
        """
        relief = MemoryRelief(self._residency.put_aside_unused)
        with self._batcher.seat():
            self._residency.release()
            return relief.run(partial(self._preprocessors.draw, module, image, dials))

    def interrogate(self, request: InterrogationRequest) -> str:
        """Caption or tag a picture. Raises the errors of :mod:`generator.errors`."""
        relief = MemoryRelief(self._residency.put_aside_unused)
        with self._batcher.seat():
            self._residency.release()
            return relief.run(partial(self._interrogator.interrogate, request))

    def write_model(self, recipe: ModelRecipe, watch: Watch = ignore_progress) -> WrittenModel:
        """Merge or convert models on the disk. Raises the errors of :mod:`generator.errors`."""
        return write_model(recipe, self._registry, watch)

    def create_embedding(self, embedding: EmbeddingSpec) -> Path:
        """Create a textual inversion; its file. Raises :class:`WordExists` and as :meth:`run`."""
        file = self._registry.find_checkpoint(embedding.checkpoint)
        with self._batcher.seat():
            encoder = sole_text_encoder(self._checkpoints.load(file).checkpoint)
            vectors = initial_vectors(embedding, encoder.model, self._tokenizer)
        write_embedding(
            Path(embedding.path),
            vectors,
            EmbeddingInfo(embedding.name),
            overwrite=embedding.overwrite,
        )
        return Path(embedding.path)

    def train_embedding(
        self, config: TrainingConfig, examples: Sequence[Example], watch: Watch = ignore_progress
    ) -> Path:
        """Train a textual inversion and write its file; the path. Raises as :meth:`run`."""
        with self._batcher.seat():
            return train_embedding(config, examples, self._registry, self.training_state, watch)

    def training_state(self, config: TrainingConfig, vectors: Tensor, step: int) -> TrainingState:
        """The state of a training: vectors (k, width) and loaded networks. Raises as
        :meth:`run`.
        """
        if self._is_offloaded:
            raise BadRequest(
                "Training needs a whole checkpoint on the graphics card, and this server was "
                "started with --medvram or --lowvram. Start it without them."
            )
        file = self._registry.ensure_hashes(self._registry.find_checkpoint(config.checkpoint))
        loaded_checkpoint = self._checkpoints.load(file)
        sole_text_encoder(loaded_checkpoint.checkpoint)  # refuses a family that has several
        vae_file = self._registry.vae_for(file, config.vae) or self._lacking_vae(loaded_checkpoint)
        vae = self._checkpoints.vae_for(loaded_checkpoint, vae_file)
        return TrainingState(vectors, loaded_checkpoint.checkpoint, vae, self._tokenizer, step)

    @torch.no_grad()
    def run(self, request: GenerationRequest, watch: Watch = ignore_progress) -> Generation:
        """Draw ``request.picture_count`` pictures, or what its script makes of it.

        Fewer when ``watch`` interrupts. Width and height that are no multiples of 8 are cut down
        to one. Raises the errors of :mod:`generator.errors`, and whatever ``watch`` raises.
        """
        hold = watch.hold_device if isinstance(watch, DeviceWatch) else _ignore_weight
        with self._batcher.seat(hold) as seat:
            seat.alone = request.deterministic or self._listener.follows_sampling
            return self._run(request, watch, seat)

    def _run(self, request: GenerationRequest, watch: Watch, seat: Seat) -> Generation:
        request = self._listener.before_generate(request)
        output_filter = OutputFilter(self._listener, request.user_name)
        once = partial(self._run_with_listener, output_filter, seat)
        find = partial(self._find_checkpoint, exact=False)
        tools = self._listener.tools
        requests = () if request.script else self._listener.split(request)
        if len(requests) > 1:
            draw = ScriptDraw(
                once,
                watch,
                self._upscale_for_script,
                find,
                tools=tools,
                max_steps=self._max_megapixel_steps,
            )
            generation = sequence.run(requests, draw)
        else:
            request = requests[0] if requests else request
            check = self._check_models
            most = self._max_megapixel_steps
            generation = run_script(
                request, once, watch, self._upscale_for_script, find, check, tools, most
            )
        return output_filter.filter_finished(generation, request)

    def _upscale_for_script(
        self, image: Image.Image, upscaler: str | int, scale: float
    ) -> tuple[Image.Image, str]:
        """For sd upscale, for which "None" leaves a picture as it is; also the upscaler's name."""
        name = self._upscalers.resolve_name(upscaler)
        return (image if name == "None" else self._upscalers.enlarge(image, name, scale)), name

    def _run_with_listener(
        self, output_filter: OutputFilter, seat: Seat, request: GenerationRequest, watch: Watch
    ) -> Generation:
        """Draw a request without a script and let the listener filter the result."""
        generation = self._run_once(request, watch, seat)
        run = partial(self._run_once, watch=watch.__call__, seat=seat)  # takes no pictures
        filtered = output_filter.filter_drawn(generation, request, run)
        if request.options.face_restoration_unload:
            self._face_restorers.clear()
        return filtered

    def _run_once(self, request: GenerationRequest, watch: Watch, seat: Seat) -> Generation:
        started, stamp = time.perf_counter(), f"{datetime.now():%Y%m%d%H%M%S}"
        waited = seat.waited
        tools = self._listener.tools
        request = resolve_plugin_names(request, tools)
        first, second = plan_passes(
            request, partial(self._read_prompts, request), self._find_checkpoint
        )
        reporter = ProgressReporter.for_request(request, watch, passes=2 if second else 1)
        load_components = partial(self._load_components, request, reporter)
        relief = self._begin_job(request.options, seat)
        control = relief.run(partial(self._prepare_control, request, reporter, first.checkpoint))
        with LoadedModel(request, load_components, reporter, relief=relief, seat=seat) as model:
            resampler_for = partial(self._resampler_for, request.options)
            job = EngineJob(
                request,
                first,
                second,
                model,
                reporter,
                self._check_nan,
                control,
                resampler_for,
                listener=self._listener if self._listener.follows_sampling else None,
                tools=tools,
                faces=self._faces_for(request, model.report.remarks),
                take_picture=self._picture_taker(request, watch),
            )
            pictures = _draw(job, first.checkpoint)
        names = job.names or ModelNames(Path(first.checkpoint).stem, None)
        remarks = (*request.remarks, *self._missing_styles(request), *model.report.comments)
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
            network_seconds=max(job.network_seconds - (seat.waited - waited), 0.0),
            comments=tuple(dict.fromkeys((*remarks, *relief.remarks))),
            stopped=job.stopped,
            maps=(*job.maps, *(control.maps if control else ())),
            asides=tuple(job.extra_images),
            facts={"is_using_inpainting_conditioning": True} if names.is_inpainting else {},
        )

    def _picture_taker(
        self, request: GenerationRequest, watch: Watch
    ) -> Callable[[int, Image.Image], None] | None:
        """Hands each drawn picture to a watch that takes them, as far as the listener lets it."""
        if not isinstance(watch, PictureWatch):
            return None
        taker, caller = watch, request.user_name

        def take(number: int, image: Image.Image) -> None:
            released = self._listener.release(image, Stage.PREVIEW, request, caller)
            taker.take_picture(number, released.image)

        return take

    def _begin_job(self, options: Snapshot, seat: Seat) -> MemoryRelief:
        """No weights are in use by it yet; what the job does when memory runs out."""
        limit, keep_in_ram = options.sd_checkpoints_limit, options.sd_checkpoints_keep_in_cpu
        self._residency.begin_job(limit, keep_in_ram)
        return MemoryRelief(self._residency.put_aside_unused, seat.compute)

    def _prepare_control(
        self, request: GenerationRequest, reporter: ProgressReporter, checkpoint: str
    ) -> Control | None:
        return prepare_control(
            request,
            self._registry,
            self._controls,
            reporter.report,
            self._listener.tools.preprocessors,
            self._registry.find_checkpoint(checkpoint),
            partial(self._preprocessors.draw, say=reporter.report),
        )

    def _faces_for(self, request: GenerationRequest, remarks: dict[str, None]) -> JobFaces | None:
        """Who restores faces, if anybody is asked to; ``remarks`` collects what is told of it."""
        if not request.face_restorer:
            return None
        by_options = request.face_restorer == BY_OPTIONS
        return JobFaces(
            self._face_restorers,
            request.options.face_restoration_model if by_options else request.face_restorer,
            fidelity=request.options.code_former_weight,
            may_stand_in=by_options,
            numbered=request.picture_count > 1,
            remarks=remarks,
        )

    def _resampler_for(self, options: Snapshot, upscaler: str | None) -> Resample:
        tiling = TileOptions(options.ESRGAN_tile, options.ESRGAN_tile_overlap)
        return partial(self._upscalers.resize, name=upscaler, tiling=tiling)

    def _read_prompts(self, request: GenerationRequest, prompt: str, negative: str) -> PassPrompts:
        """Styles, comments, tags, in this order (contract section 2.1)."""
        styles = read_styles(self._styles_files) if request.styles else {}
        comments = request.options.enable_prompt_comments
        texts = apply_named_styles(prompt, negative, request.styles, styles, comments=comments)
        if comments:
            texts = (strip_comments(texts[0]), strip_comments(texts[1]))
        positive = add_default_networks(texts[0], request.options)
        steps = max(request.sampling.steps, request.hires.steps if request.hires else 0)
        check_prompt(positive, steps, "prompt")
        check_prompt(texts[1], steps, "negative_prompt", negative=True)
        encoded, tags = parse_extra_networks(positive)
        return PassPrompts(
            positive, texts[1], encoded, () if request.disable_extra_networks else tags
        )

    def _missing_styles(self, request: GenerationRequest) -> tuple[str, ...]:
        """A sentence about styles that are not there, if there are such."""
        wanted = [name for name in request.styles if name not in ("", "None")]
        known = read_styles(self._styles_files) if wanted else {}
        missing = dict.fromkeys(name for name in wanted if name not in known)
        return (f"Style not found: {', '.join(missing)}",) if missing else ()

    def _check_models(self, request: GenerationRequest) -> None:
        check_models(request, self._registry, self._upscalers.resolve_name)

    def _find_checkpoint(self, name: str, exact: bool = True) -> str:
        return self._registry.find_checkpoint(name, exact).name

    def _find_vae(self, request: GenerationRequest, checkpoint: ModelFile) -> ModelFile | None:
        if request.vae not in ("Automatic", "None"):
            self._registry.find_vae(request.vae)  # raises where there is none of that name
        first = request.options.sd_vae_overrides_per_model_preferences
        return self._registry.vae_for(checkpoint, request.vae, first)

    def _lacking_vae(self, residence: LoadedCheckpoint) -> ModelFile | None:
        """The VAE beside a checkpoint that brings none, whatever the options choose.

        Looks at the disk again before it gives up.
        """
        file = residence.checkpoint.file
        if residence.checkpoint.own_vae is not None:
            return None
        return self._registry.vae_for(file) or self._registry.refresh().vae_for(file)

    def _load_components(
        self,
        request: GenerationRequest,
        reporter: ProgressReporter,
        checkpoint: str,
        texts: PassPrompts,
    ) -> ModelComponents:
        """Load checkpoint, VAE, extra networks and prompt encoder of one pass."""
        file = self._registry.ensure_hashes(self._registry.find_checkpoint(checkpoint))
        vae_file = self._find_vae(request, file)
        loaded_checkpoint = self._load_checkpoint(file, reporter)
        vae_file = vae_file or self._lacking_vae(loaded_checkpoint)
        networks = loaded_checkpoint.checkpoint
        width = networks.text_width
        place = (self._checkpoints.device, self._checkpoints.dtype)
        extra_networks_loaded = load_extra_networks(
            self._registry, self._adapters, texts.tags, *place, reporter.check_interrupt
        )
        embeddings = self._embeddings.embeddings_for_width(self._registry, width)
        return ModelComponents(
            checkpoint=networks,
            vae=self._checkpoints.vae_for(loaded_checkpoint, vae_file),
            names=self._model_names(
                file, vae_file, networks, has_picture=bool(request.origin or request.hires)
            ),
            networks=extra_networks_loaded,
            encoder=PromptEncoder(
                networks.text_encoders,
                self._tokenizer,
                _encoder_options(request.options),
                add_bundled_embeddings(embeddings.fitting, extra_networks_loaded.embeddings, width),
                pause=reporter.check_interrupt,
                shelf=self._text_shelf(request.options, file, embeddings.version)
                if not extra_networks_loaded.adapters
                else None,
            ),
            embedding_hash=partial(
                self._embedding_hash, request.options, extra_networks_loaded.embeddings
            ),
            skipped_embeddings=embeddings.skipped,
            preview=lambda latent: self._draw_preview(request, loaded_checkpoint, vae_file, latent),
        )

    def _text_shelf(
        self, options: Snapshot, file: ModelFile, embeddings: tuple[Identity, ...]
    ) -> TextShelf:
        """Where encodings by the file's own text encoders, as the options bend them, are kept."""
        return TextShelf(self._texts, (file.state, _encoder_options(options), embeddings))

    def _load_checkpoint(self, file: ModelFile, reporter: ProgressReporter) -> LoadedCheckpoint:
        if not self._checkpoints.is_loaded(file):
            reporter.report(f"Loading weights from {file.name}")
        return self._checkpoints.load(file)

    def _model_names(
        self,
        file: ModelFile,
        vae: ModelFile | None,
        networks: Checkpoint,
        *,
        has_picture: bool,
    ) -> ModelNames:
        named = self._registry.ensure_hashes(vae) if vae else None
        return ModelNames(
            checkpoint=file.stem,
            checkpoint_hash=file.shorthash,
            vae=named.vae_name if named else None,
            vae_hash=named.shorthash if named else None,
            is_inpainting=networks.is_inpainting
            and (networks.family.notes_blank_picture or has_picture),
            is_instruct_pix2pix=networks.is_instruct_pix2pix,
        )

    def _embedding_hash(
        self, options: Snapshot, bundled: Sequence[BundledEmbedding], name: str
    ) -> str | None:
        """A textual inversion's 12-digit hash, or the LoRA that bundles it, for the infotext."""
        if not options.textual_inversion_add_hashes_to_infotext:
            return None
        try:
            sha256 = self._registry.ensure_hashes(
                self._registry.find(ModelKind.EMBEDDING, name)
            ).sha256
        except ModelNotFound:
            loras = [word.lora for word in bundled if word.inversion.name == name]
            return loras[0] if loras and options.lora_bundled_ti_to_infotext else None
        return sha256[:12] if sha256 else None

    def _draw_preview(
        self,
        request: GenerationRequest,
        loaded_checkpoint: LoadedCheckpoint,
        vae: ModelFile | None,
        latent: Tensor,
    ) -> Image.Image:
        approximation = self._checkpoints.approximation_for(loaded_checkpoint, vae)
        pictures = [approximation.to_picture(row) for row in latent]
        # One by one: what is withheld of a picture may go unseen on a sheet of several.
        return compose_grid(
            [
                self._listener.release(picture, Stage.PREVIEW, request, request.user_name).image
                for picture in pictures
            ]
        )


def _ignore_weight(weight: float) -> None:
    """For a watch that is not told of it."""


def _encoder_options(options: Snapshot) -> EncoderOptions:
    return EncoderOptions(
        clip_skip=options.CLIP_stop_at_last_layers,
        emphasis=options.emphasis,
        comma_padding_backtrack=options.comma_padding_backtrack,
        use_old_scheduling=options.use_old_scheduling,
        use_old_emphasis_implementation=options.use_old_emphasis_implementation,
        sdxl_clip_l_skip=options.sdxl_clip_l_skip,
    )


def _draw(job: EngineJob, checkpoint: str) -> tuple[Picture, ...]:
    """The job's pictures; names the files that were drawn with where a network produced NaN."""
    try:
        return job.draw()
    except NotANumber as error:
        drawing, *others = job.model.loaded_files or (checkpoint,)
        others += [unit.model for unit in job.request.controls if unit.model not in ("", "None")]
        beside = f" Drawn with {', '.join(others)}: try other files." if others else ""
        raise NotANumber(f"{error} The checkpoint is {drawing}.{beside}") from error
