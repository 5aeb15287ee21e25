"""The loaded checkpoint of a job, with LoRAs and other extra networks applied to its weights."""

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

from generator.extra_networks import Networks
from generator.following import Draw, Follower
from generator.legs import Leg, Texts
from generator.merging_ratios import merging_ratio, merging_ratio_hr
from generator.models.adapters import mounted
from generator.models.checkpoint import Checkpoint
from generator.models.hypernetworks import reading_through
from generator.models.tiling import tiled
from generator.models.token_merging import merging_tokens
from generator.pictures.description import ModelNames, Parameters
from generator.prompt.conditioning import Conditioning, PromptEncoder, encode_prompts
from generator.prompt.grammar import Tag, Timing
from generator.request import GenerationRequest
from generator.unicode_names import to_nfc

if TYPE_CHECKING:
    from diffusers import AutoencoderKL


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """The loaded components of one pass; the weights are not changed yet."""

    checkpoint: Checkpoint
    vae: "AutoencoderKL"
    names: ModelNames
    networks: Networks
    encoder: PromptEncoder
    embedding_hash: Callable[[str], str | None]  # of a textual inversion, by name
    skipped_words: Mapping[str, str]  # textual inversions that do not fit the checkpoint, and why
    preview: Draw

    def unused(self, texts: Texts) -> dict[str, str]:
        """The textual inversions that the prompts name though they do not fit, and why."""
        prompts = to_nfc(f"{texts.encoded}\n{texts.negative_prompt}")
        return {
            name: why
            for name, why in self.skipped_words.items()
            if re.search(rf"(?<!\w){re.escape(to_nfc(name))}(?!\w)", prompts, re.IGNORECASE)
        }


LORA_HASHES = "Lora hashes"  # the infotext key
Equip = Callable[[str, Texts], Means]  # checkpoint name, prompts
Listed = dict[str, dict[str, None]]  # entries in the order they were met, by what to say of them


@dataclass(slots=True, eq=False)
class Findings:
    """Hashes, missing names and remarks that a job collects for its infotext and its answer."""

    hashes: Listed = field(default_factory=dict)
    missing: Listed = field(default_factory=dict)
    """Names that the prompts gave in vain, by what to say of them ("Lora not found")."""
    remarks: dict[str, None] = field(default_factory=dict)  # what else the caller should know

    def hashed(self, key: str, entry: str) -> None:
        """Note an entry of "Lora hashes" or "TI hashes", if it is one."""
        if entry:
            self.hashes.setdefault(key, {})[entry] = None

    def missed(self, names: Mapping[str, tuple[str, ...]]) -> None:
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
        both = (*self.hashes.items(), *self.missing.items())
        return {key: ", ".join(entries) for key, entries in both}


@dataclass(eq=False)
class Bench:
    """Holds one checkpoint at a time; leaving the context restores its weights bit for bit.

    No other object keeps a reference to the checkpoint, so its memory is free once it is replaced.
    """

    request: GenerationRequest
    equip: Equip
    follower: Follower
    found: Findings = field(default_factory=Findings)
    token_merging: float = 0.0  # share of tokens that the U-Net merges now
    encoder_seconds: float = 0.0  # inside the text encoder so far
    encoded: dict[tuple[str, Texts, Timing], Conditioning] = field(default_factory=dict)
    _means: Means | None = None
    _equipped: tuple[str, tuple[Tag, ...]] | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def means(self) -> Means:
        """The loaded components. Call :meth:`use` first."""
        assert self._means is not None
        return self._means

    def use(self, leg: Leg) -> Means:
        """Load the checkpoint and the extra networks of a pass, unless they are loaded already."""
        self.token_merging = leg.token_merging
        wanted = (leg.checkpoint, leg.texts.tags)
        if self._equipped != wanted or self._means is None:
            self._stack.close()
            self._means, self.follower.draw = None, None
            self._lay_out(self.equip(leg.checkpoint, leg.texts))
            self._equipped = wanted
        return self.means

    def _lay_out(self, means: Means) -> None:
        unet = means.checkpoint.unet
        left_over = self._stack.enter_context(
            mounted(means.checkpoint, means.networks.mounts, self.follower.check)
        )
        strangers = self._stack.enter_context(reading_through(unet, means.networks.hypernetworks))
        self._stack.enter_context(tiled((unet, means.vae), self.request.tiling))
        if merging_ratio(self.request) or merging_ratio_hr(self.request):
            self._stack.enter_context(merging_tokens(unet, lambda: self.token_merging))
        self._means, self.follower.draw = means, means.preview
        self.found.remarks |= dict.fromkeys((*left_over, *strangers, *means.networks.remarks))
        self.found.missed(means.networks.missing)
        if self.request.options.lora_add_hashes_to_infotext:
            self.found.hashed(LORA_HASHES, means.networks.hashes)

    def prompts(self, leg: Leg) -> Conditioning:
        """The conditioning of a pass's prompts, for every batch; encoded once and cached."""
        texts, means = leg.texts, self.means
        key = (leg.checkpoint, texts, leg.timing)
        if key not in self.encoded:
            if unused := means.unused(texts):
                self.found.missed({"Embedding not used": tuple(unused)})
                self.found.remarks |= {f"{why.rstrip('.')}.": None for why in unused.values()}
            count, spent = self.request.batch_size, means.encoder.seconds
            self.encoded[key] = encode_prompts(
                means.encoder,
                [texts.encoded] * count,
                [texts.negative_prompt] * count,
                leg.timing,
            )
            self.encoder_seconds += means.encoder.seconds - spent
            for name in means.encoder.used:
                short = means.embedding_hash(name)
                self.found.hashed("TI hashes", f"{name}: {short}" if short else "")
        return self.encoded[key]

    def empty(self) -> Tensor | None:
        """The encoded empty prompt, (77, width), where the option ``pad_cond_uncond`` needs it."""
        if not self.request.options.pad_cond_uncond:
            return None
        return self.means.encoder.encode([""])[0]

    @property
    def uneven(self) -> bool:
        """Whether some positive prompt has another number of tokens than its negative prompt."""
        return any(
            len(strand.stages[0].context) != len(negative[0].context)
            for conditioning in self.encoded.values()
            for row, negative in zip(conditioning.positive, conditioning.negative, strict=True)
            for strand in row
        )
