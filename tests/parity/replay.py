"""Replays requests that AUTOMATIC1111 really answered, and measures how near we come."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from generator.engine import Engine
from generator.models.registry import Folders, HashCache, Registry
from generator.request import (
    Generation,
    GenerationRequest,
    HiresFix,
    Mask,
    Origin,
    Sampling,
    Seeds,
    Snapshot,
)
from generator.sampling.names import resolve

ENOUGH = 40.0  # dB; the reference differs from itself by as much (goldens/README.md)
SAME = 99.0  # dB, stands for equal pictures
PLACES = {
    "tinysd15.safetensors": "models/Stable-diffusion",
    "tinysd15.yaml": "models/Stable-diffusion",
    "tinysd15b.yaml": "models/Stable-diffusion",
    "tinylora.safetensors": "models/Lora",
    "tinylocon.safetensors": "models/Lora",
    "tinyloha.safetensors": "models/Lora",
    "tinylokr.safetensors": "models/Lora",
    "tinyvae.safetensors": "models/VAE",
    "tinyemb.safetensors": "embeddings",
    "tinyembpt.pt": "embeddings",
    "tinyhyper.pt": "models/hypernetworks",
    "styles.csv": ".",
}
OURS = frozenset(field.name for field in fields(Snapshot))
ELSEWHERE = frozenset(
    {"sd_model_checkpoint", "sd_vae", "tiling", "return_mask", "return_mask_composite"}
    | {"save_images_before_highres_fix"}
)  # options with fields of ours, and those that change no picture


@dataclass(frozen=True)
class Case:
    """One recorded request with its answer."""

    name: str
    folder: Path

    @property
    def request(self) -> dict[str, Any]:
        """``{method, path, body}``."""
        return self._json("request")

    @property
    def body(self) -> dict[str, Any]:
        """What was posted."""
        body: dict[str, Any] = self.request["body"]
        return body

    @property
    def answer(self) -> dict[str, Any]:
        """``{status, body, images}``."""
        return self._json("response")

    @property
    def pictures(self) -> tuple[tuple[Image.Image, str], ...]:
        """The pictures answered, each with its infotext."""
        return tuple(
            (Image.open(self.folder / entry["file"]), entry["text"].get("parameters", ""))
            for entry in self.answer["images"]
        )

    def _json(self, which: str) -> dict[str, Any]:
        text = (self.folder / f"{self.name}.{which}.json").read_text("utf-8")
        found: dict[str, Any] = json.loads(text)
        return found


@dataclass(frozen=True)
class Verdict:
    """How near the pictures of a case came, the worst of them counting."""

    psnr: float  # dB
    same_text: bool

    @property
    def equal(self) -> bool:
        """Whether nobody would tell them apart."""
        return self.psnr >= ENOUGH and self.same_text


def all_cases(goldens: Path) -> tuple[Case, ...]:
    """Every recorded case, by name."""
    folder = goldens / "cases"
    names = sorted(path.name.split(".request.")[0] for path in folder.glob("*.request.json"))
    return tuple(Case(name, folder) for name in names)


def build_engine(goldens: Path, data_dir: Path) -> Engine:
    """An engine over a data directory that holds the goldens' models."""
    source = goldens / "checkpoint"
    for name, place in PLACES.items():
        (data_dir / place).mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, data_dir / place / name)
    second = data_dir / "models/Stable-diffusion/tinysd15b.safetensors"
    subprocess.run([sys.executable, source / "make_tinysd15b.py", second], check=True)
    registry = Registry(Folders.under(data_dir), HashCache(data_dir / "hashes.db"))
    return Engine(registry, styles_files=[data_dir / "styles.csv"])


def lacking(case: Case) -> str:
    """What the case asks for that we cannot do yet, or "" when we can."""
    body = case.body
    scripts: Mapping[str, Any] = body.get("alwayson_scripts") or {}
    overrides: Mapping[str, Any] = body.get("override_settings") or {}
    path = str(case.request["path"]).rsplit("/", 1)[-1]
    if path not in ("txt2img", "img2img"):
        return path
    wanted = [key for key in ("refiner_checkpoint", "script_name") if body.get(key)]
    wanted += ["infotext"] if body.get("infotext") else []
    wanted += [name for name in scripts if name.lower() in ("controlnet", "soft inpainting")]
    wanted += [key for key in overrides if key not in OURS | ELSEWHERE]
    return ", ".join(wanted)


def translate(body: Mapping[str, Any], **changes: object) -> GenerationRequest:
    """The request that a recorded body means, under the recorded options."""
    body = {**body, **changes}
    overrides: Mapping[str, Any] = body.get("override_settings") or {}
    options = {"randn_source": "CPU"} | {k: v for k, v in overrides.items() if k in OURS}
    sampler, schedule = resolve(
        body.get("sampler_name") or body.get("sampler_index") or "Euler", body.get("scheduler")
    )
    first_pass = body.get("firstphase_width") or body.get("firstphase_height")
    images = body.get("init_images") or ()
    return GenerationRequest(
        prompt=body.get("prompt", ""),
        negative_prompt=body.get("negative_prompt", ""),
        seeds=Seeds(
            seed=body["seed"],
            variation_seed=body.get("subseed", 0),
            variation_strength=body.get("subseed_strength", 0.0),
            resize_from_width=body.get("seed_resize_from_w", 0),
            resize_from_height=body.get("seed_resize_from_h", 0),
        ),
        sampling=Sampling(
            sampler=sampler,
            schedule=schedule,
            steps=body.get("steps", 50),
            guidance=float(body.get("cfg_scale", 7)),
            **{
                key: body.get(key)
                for key in ("eta", "s_churn", "s_tmin", "s_tmax", "s_noise", "s_min_uncond")
            },
        ),
        width=body["firstphase_width"] if first_pass else body.get("width", 512),
        height=body["firstphase_height"] if first_pass else body.get("height", 512),
        batch_size=max(body.get("batch_size", 1), len(images)),
        batches=body.get("n_iter", 1),
        checkpoint=overrides.get("sd_model_checkpoint", "tinysd15"),
        vae=overrides.get("sd_vae", "Automatic"),
        tiling=bool(body.get("tiling") or overrides.get("tiling")),
        styles=tuple(body.get("styles") or ()),
        disable_extra_networks=bool(body.get("disable_extra_networks")),
        hires=_hires(body) if body.get("enable_hr") else None,
        origin=_origin(body) if images else None,
        options=Snapshot(**options),
        version="v1.10.1",
    )


def _hires(body: Mapping[str, Any]) -> HiresFix:
    return HiresFix(
        strength=float(body["denoising_strength"]),
        scale=float(body.get("hr_scale", 2.0)),
        resize_width=body.get("hr_resize_x", 0),
        resize_height=body.get("hr_resize_y", 0),
        upscaler=body.get("hr_upscaler"),
        steps=body.get("hr_second_pass_steps", 0),
        sampler=body.get("hr_sampler_name"),
        schedule=body.get("hr_scheduler"),
        prompt=body.get("hr_prompt", ""),
        negative_prompt=body.get("hr_negative_prompt", ""),
        checkpoint=body.get("hr_checkpoint_name"),
    )


def _origin(body: Mapping[str, Any]) -> Origin:
    blur = body.get("mask_blur")
    mask = Mask(
        image=body.get("mask") or "",
        blur_x=body.get("mask_blur_x", 4) if blur is None else blur,
        blur_y=body.get("mask_blur_y", 4) if blur is None else blur,
        invert=bool(body.get("inpainting_mask_invert")),
        fill=body.get("inpainting_fill", 0),
        only_masked=body.get("inpaint_full_res", True),
        padding=body.get("inpaint_full_res_padding", 0),
        round=body.get("mask_round", True),
    )
    return Origin(
        images=tuple(body["init_images"]),
        strength=body.get("denoising_strength", 0.75),
        resize_mode=body.get("resize_mode", 0),
        mask=mask if mask.image else None,
        noise_multiplier=body.get("initial_noise_multiplier"),
    )


def judge(case: Case, generation: Generation) -> Verdict:
    """Compare what we drew with what was answered; a grid before the pictures is skipped."""
    wanted = [p for p in case.pictures if p[1]] or case.pictures
    wanted = wanted[-len(generation.pictures) :]
    keeps = generation.pictures[0].infotext if wanted[0][1] else ""
    pairs = list(zip(generation.pictures, wanted, strict=True))
    return Verdict(
        psnr=min(psnr(drawn.image, image) for drawn, (image, _) in pairs),
        same_text=not keeps or all(drawn.infotext == text for drawn, (_, text) in pairs),
    )


def psnr(first: Image.Image, second: Image.Image) -> float:
    """Peak signal to noise in dB of two pictures of one size; -1 where the sizes differ."""
    if first.size != second.size:
        return -1.0
    one, two = (np.asarray(image.convert("RGB"), np.float64) for image in (first, second))
    error = float(((one - two) ** 2).mean())
    return SAME if error == 0 else min(SAME, 10 * np.log10(255**2 / error))
