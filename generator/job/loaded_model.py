"""The loaded checkpoint of a job, with LoRAs and other extra networks applied to its weights."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

from generator.extra_networks import ExtraNetworks
from generator.job.passes import PassPlan, PassPrompts
from generator.job.progress_reporter import DrawPreview, ProgressReporter
from generator.merging_ratios import merging_ratio, merging_ratio_hr
from generator.models.adapters import apply_adapters
from generator.models.added_condition import added_numbers
from generator.models.checkpoint import Checkpoint
from generator.models.hypernetworks import apply_hypernetworks
from generator.models.memory_relief import MemoryRelief
from generator.models.patches import is_patched
from generator.models.tiling import apply_tiling
from generator.models.token_merging import apply_token_merging
from generator.pictures.infotext_parameters import ModelNames, Parameters
from generator.prompt.conditioning import Conditioning, PromptEncoder, encode_prompts
from generator.prompt.embedding_names import find_named
from generator.prompt.grammar import ExtraNetworkTag, Timing
from generator.request import GenerationRequest
from generator.sampling.batching import Seat, StepBatcher
from generator.unicode_names import to_nfc

if TYPE_CHECKING:
    from diffusers import AutoencoderKL


@dataclass(frozen=True, slots=True, eq=False)
class ModelComponents:
    """The loaded components of one pass; the weights are not changed yet."""

    checkpoint: Checkpoint
    vae: "AutoencoderKL"
    names: ModelNames
    networks: ExtraNetworks
    encoder: PromptEncoder
    embedding_hash: Callable[[str], str | None]  # of a textual inversion, by name
    skipped_embeddings: Mapping[
        str, str
    ]  # textual inversions that do not fit the checkpoint, and why
    preview: DrawPreview

    def unused_embeddings(self, texts: PassPrompts) -> dict[str, str]:
        """The textual inversions that the prompts name though they do not fit, and why."""
        named = find_named(self.skipped_embeddings, _both(texts))
        return {name: self.skipped_embeddings[name] for name in named}

    def gone_embeddings(self, expected: Sequence[str], texts: PassPrompts) -> tuple[str, ...]:
        """Those of ``expected`` that the prompts name and of which no file is here any more."""
        here = {to_nfc(each.name).lower() for each in self.encoder.inversions}
        here |= {to_nfc(name).lower() for name in self.skipped_embeddings}
        named = find_named(expected, _both(texts))
        return tuple(name for name in named if to_nfc(name).lower() not in here)


def _both(texts: PassPrompts) -> str:
    return f"{texts.encoded}\n{texts.negative_prompt}"


ConditioningKey = tuple[str, PassPrompts, Timing, tuple[int, int]]  # checkpoint; w, h
LORA_HASHES, INVERSION_HASHES = "Lora hashes", "TI hashes"  # the infotext's keys
LoadComponents = Callable[[str, PassPrompts], ModelComponents]  # checkpoint name, prompts
OrderedEntries = dict[
    str, dict[str, None]
]  # entries in the order they were met, by what to say of them


@dataclass(slots=True, eq=False)
class JobReport:
    """Hashes, missing names and remarks that a job collects for its infotext and its answer."""

    hashes: OrderedEntries = field(default_factory=dict)
    missing: OrderedEntries = field(default_factory=dict)
    """Names that the prompts gave in vain, by what to say of them ("Lora not found")."""
    remarks: dict[str, None] = field(default_factory=dict)  # what else the caller should know
    text_encoders: int = 1  # AUTOMATIC1111 notes a textual inversion once for each

    def add_hash(self, key: str, entry: str) -> None:
        """Note an entry of "Lora hashes" or "TI hashes", if it is one."""
        if entry:
            self.hashes.setdefault(key, {})[entry] = None

    def add_missing(self, names: Mapping[str, tuple[str, ...]]) -> None:
        """Note names given in vain, by what to say of them."""
        for said, missing in names.items():
            self.missing.setdefault(said, {}).update(dict.fromkeys(missing))

    @property
    def comments(self) -> tuple[str, ...]:
        """What the caller should know of how the pictures came about, in sentences."""
        missing = (f"{said}: {', '.join(names)}" for said, names in self.missing.items())
        return (*missing, *self.remarks)

    @property
    def notes(self) -> Parameters:
        """The infotext's keys."""
        notes: Parameters = {key: ", ".join(entries) for key, entries in self.hashes.items()}
        if inversions := self.hashes.get(INVERSION_HASHES):
            notes[INVERSION_HASHES] = ", ".join([*inversions] * self.text_encoders)
        return notes


@dataclass(eq=False)
class LoadedModel:
    """Holds one checkpoint at a time; leaving the context restores its weights bit for bit.

    No other object keeps a reference to the checkpoint, so its memory is free once it is replaced.
    """

    request: GenerationRequest
    load_components: LoadComponents
    reporter: ProgressReporter
    report: JobReport = field(default_factory=JobReport)
    relief: MemoryRelief = field(default_factory=MemoryRelief)
    seat: Seat = field(default_factory=lambda: Seat(StepBatcher()))  # among jobs that share calls
    token_merging: float = 0.0  # share of tokens that the U-Net merges now
    encoder_seconds: float = 0.0  # inside the text encoder so far
    conditionings: dict[ConditioningKey, Conditioning] = field(default_factory=dict)
    _components: ModelComponents | None = None
    _loaded_for: tuple[str, tuple[ExtraNetworkTag, ...]] | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "LoadedModel":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def components(self) -> ModelComponents:
        """The loaded components. Call :meth:`use` first."""
        assert self._components is not None
        return self._components

    @property
    def may_share_calls(self) -> bool:
        """Whether others may use the U-Net between its calls: nothing of this job is in it now."""
        return (
            not self.request.tiling
            and not self.components.networks.adapters
            and not is_patched(self.components.checkpoint.unet)
        )

    @property
    def loaded_files(self) -> tuple[str, ...]:
        """What is loaded now: the checkpoint, then VAE, LoRAs and hypernetworks."""
        if self._components is None or self._loaded_for is None:
            return ()
        names, networks = self._components.names, self._components.networks
        files = (
            *(applied.adapter.file for applied in networks.adapters),
            *(hypernetwork.file for hypernetwork, _ in networks.hypernetworks),
        )
        vae = (names.vae,) if names.vae else ()
        return (self._loaded_for[0], *vae, *dict.fromkeys(file.name for file in files))

    def use(self, plan: PassPlan) -> ModelComponents:
        """Load the checkpoint and the extra networks of a pass, unless they are loaded already."""
        self.token_merging = plan.token_merging
        wanted = (plan.checkpoint, plan.texts.tags)
        if self._loaded_for != wanted or self._components is None:
            self._stack.close()
            self._components, self.reporter.draw_preview = None, None
            self._apply_networks(
                self.relief.run(lambda: self.load_components(plan.checkpoint, plan.texts))
            )
            self._loaded_for = wanted
        return self.components

    def _apply_networks(self, components: ModelComponents) -> None:
        unet = components.checkpoint.unet
        left_over = self._stack.enter_context(
            apply_adapters(
                components.checkpoint, components.networks.adapters, self.reporter.check_interrupt
            )
        )
        strangers = self._stack.enter_context(
            apply_hypernetworks(unet, components.networks.hypernetworks)
        )
        self._stack.enter_context(apply_tiling((unet, components.vae), self.request.tiling))
        if merging_ratio(self.request) or merging_ratio_hr(self.request):
            self._stack.enter_context(apply_token_merging(unet, lambda: self.token_merging))
        self._components, self.reporter.draw_preview = components, components.preview
        self.report.remarks |= dict.fromkeys((*left_over, *strangers, *components.networks.remarks))
        self.report.add_missing(components.networks.missing)
        if self.request.options.lora_add_hashes_to_infotext:
            self.report.add_hash(LORA_HASHES, components.networks.hashes)

    def conditioning_for(self, plan: PassPlan) -> Conditioning:
        """The conditioning of a pass's prompts, for every batch; encoded once and cached."""
        texts, components = plan.texts, self.components
        key = (plan.checkpoint, texts, plan.timing, plan.size)
        family = components.checkpoint.family
        if key not in self.conditionings:
            self._report_embeddings(texts)
            count, spent = self.request.batch_size, components.encoder.seconds
            self.conditionings[key] = self.relief.run(
                lambda: encode_prompts(
                    components.encoder,
                    [texts.encoded] * count,
                    [texts.negative_prompt] * count,
                    plan.timing,
                    added_numbers(family, plan.size, self.request.options),
                    zeroes_empty_negative=family.zeroes_empty_negative,
                )
            )
            self.encoder_seconds += components.encoder.seconds - spent
            encoders = len(components.encoder.encoders)
            self.report.text_encoders = max(self.report.text_encoders, encoders)
            for name in components.encoder.used_embeddings:
                short_hash = components.embedding_hash(name)
                entry = f"{name}: {short_hash}" if short_hash else ""
                self.report.add_hash(INVERSION_HASHES, entry)
        return self.conditionings[key]

    def _report_embeddings(self, texts: PassPrompts) -> None:
        """Note the learned words that the prompts name and that are encoded as plain text."""
        components = self.components
        gone = components.gone_embeddings(self.request.embeddings, texts)
        if gone:
            self.report.add_missing({"Embedding not found": gone})
        # A refiner borrows what was made for its base; what it cannot use is no loss.
        lends = components.checkpoint.family.lends_adapters
        unused = {} if lends else components.unused_embeddings(texts)
        if unused:
            self.report.add_missing({"Embedding not used": tuple(unused)})
            self.report.remarks |= {f"{why.rstrip('.')}.": None for why in unused.values()}

    def encode_empty_prompt(self) -> Tensor | None:
        """The encoded empty prompt, (77, width), where the option ``pad_cond_uncond`` needs it."""
        if not self.request.options.pad_cond_uncond:
            return None
        return self.components.encoder.encode([""]).contexts[0]

    @property
    def has_uneven_prompts(self) -> bool:
        """Whether some positive prompt has another number of tokens than its negative prompt."""
        return any(
            len(weighted_prompt.stages[0].context) != len(negative[0].context)
            for conditioning in self.conditionings.values()
            for row, negative in zip(conditioning.positive, conditioning.negative, strict=True)
            for weighted_prompt in row
        )
