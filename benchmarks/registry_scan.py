"""How long the registry takes over 5,000 model files: the first look, later ones, one new file.

The files have headers as large as real ones; their numbers are holes on the disk. The first look
ever reads and parses each header; the first of a later process finds what they told in
``model-facts.db``; every other looks at each file's times alone.
``python -m benchmarks.registry_scan`` prints these figures alone.
"""

import json
import statistics
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from benchmarks.figures import Figure, machine
from benchmarks.service import Service, run_easel
from generator.models.contents_cache import ContentsCache
from generator.models.kinds import Folders
from generator.models.registry import Registry

LORAS, CHECKPOINTS, EMBEDDINGS = 4_000, 500, 500
ROUNDS = 5
MAX_SCAN_SECONDS = 1.0
MAX_NEW_FILE_SECONDS = 2.0
Shapes = Mapping[str, tuple[int, ...]]


def lora_shapes() -> dict[str, tuple[int, ...]]:
    """The 792 tensors of a LoRA of Stable Diffusion 1 with its text encoder."""
    layers = [
        f"lora_unet_{side}_blocks_{block}_attentions_{number}_transformer_blocks_0_{part}"
        for side in ("down", "up")
        for block in range(4)
        for number in range(2)
        for part in ("attn1_to_q", "attn1_to_k", "attn1_to_v", "attn2_to_q", "attn2_to_k",
                     "attn2_to_v", "attn1_to_out_0", "attn2_to_out_0", "ff_net_0_proj",
                     "ff_net_2", "proj_in", "proj_out")
    ] + [
        f"lora_te_text_model_encoder_layers_{layer}_{part}"
        for layer in range(12)
        for part in ("mlp_fc1", "mlp_fc2", "self_attn_k_proj", "self_attn_q_proj",
                     "self_attn_v_proj", "self_attn_out_proj")
    ]  # fmt: skip
    return {
        f"{layer}.{part}": shape
        for layer in layers
        for part, shape in (("alpha", ()), ("lora_down.weight", (8, 768)),
                            ("lora_up.weight", (768, 8)))
    }  # fmt: skip


def checkpoint_shapes() -> dict[str, tuple[int, ...]]:
    """The names of a single file of Stable Diffusion 1, about as many as it has."""
    unet = "model.diffusion_model."
    blocks = {
        f"{unet}{side}_blocks.{number}.1.transformer_blocks.0.{part}.weight": (320, 320)
        for side in ("input", "output")
        for number in range(12)
        for part in (*(f"attn{n}.to_{x}" for n in (1, 2) for x in "qkv"), "ff.net.0.proj", "norm1")
    }
    text = {
        f"cond_stage_model.transformer.text_model.encoder.layers.{number}.{part}": (768, 768)
        for number in range(12)
        for part in (f"{name}.{end}" for name in ("mlp.fc1", "mlp.fc2", "self_attn.k_proj",
                     "self_attn.q_proj", "self_attn.v_proj", "layer_norm1")
                     for end in ("weight", "bias"))
    }  # fmt: skip
    vae = {f"first_stage_model.decoder.up.{n}.block.{b}.conv1.weight": (128, 128, 3, 3)
           for n in range(4) for b in range(60)}  # fmt: skip
    return {f"{unet}input_blocks.0.0.weight": (320, 4, 3, 3), **blocks, **text, **vae}


def header_of(shapes: Shapes, metadata: Mapping[str, str]) -> tuple[bytes, int]:
    """The start of a safetensors file in fp16, and how long the whole file is."""
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name, shape in shapes.items():
        size = 2
        for side in shape:
            size *= side
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text, 8 + len(text) + end


def write_hollow(path: Path, start: bytes, size: int) -> None:
    """A complete file whose numbers are a hole."""
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)


def make_collection(data_dir: Path) -> None:
    """The folders of somebody who keeps everything, twenty folders a kind."""
    kinds: tuple[tuple[str, int, Shapes, dict[str, str]], ...] = (
        ("models/Lora", LORAS, lora_shapes(), {"ss_tag_frequency": json.dumps({"a": 1} | {
            f"tag {n}": n for n in range(200)}), "ss_output_name": "lora"}),
        ("models/Stable-diffusion", CHECKPOINTS, checkpoint_shapes(), {"format": "pt"}),
        ("embeddings", EMBEDDINGS, {"emb_params": (8, 768)}, {}),
    )  # fmt: skip
    for place, count, shapes, metadata in kinds:
        start, size = header_of(shapes, metadata)
        for number in range(count):
            folder = data_dir / place / f"{number % 20:02d}"
            folder.mkdir(parents=True, exist_ok=True)
            write_hollow(folder / f"model-{number:05d}.safetensors", start, size)


def measure_scans(data_dir: Path) -> Iterator[Figure]:
    """Without a service: the first look, and the next ones."""
    facts = data_dir / ".easel/model-facts.db"
    first = _seconds(_registry(data_dir, facts).refresh)
    registry = _registry(data_dir, facts)
    restart = _seconds(registry.refresh)
    next_looks = statistics.median(_seconds(registry.refresh) for _ in range(ROUNDS))
    count = sum(len(files) for files in registry.index.files.values())
    name = f"registry of {count:,} model files"
    yield Figure(f"{name}: first look ever, s", f"{first:.2f}")
    met = restart <= MAX_SCAN_SECONDS
    yield Figure(f"{name}: scan at a start, s", f"{restart:.2f}", f"≤ {MAX_SCAN_SECONDS:g}", met)
    met = next_looks <= MAX_SCAN_SECONDS
    yield Figure(f"{name}: scan, s", f"{next_looks:.2f}", f"≤ {MAX_SCAN_SECONDS:g}", met)


def _registry(data_dir: Path, facts: Path) -> Registry:
    return Registry(Folders.under(data_dir), contents_cache=ContentsCache(facts))


def measure_new_file(service: Service) -> Iterator[Figure]:
    """Over HTTP: from a checkpoint's last byte to its name in the list."""
    start, size = header_of(checkpoint_shapes(), {})
    waits = []
    for number in range(ROUNDS):
        name = f"new-{number}"
        write_hollow(service.data_dir / f"models/Stable-diffusion/{name}.safetensors", start, size)
        waits.append(_seconds(partial(_wait_for, service, name)))
    worst = max(waits)
    yield Figure(
        f"one new file among 5,000, worst of {ROUNDS}, s", f"{worst:.2f}",
        f"≤ {MAX_NEW_FILE_SECONDS:g}", worst <= MAX_NEW_FILE_SECONDS,
    )  # fmt: skip


def _wait_for(service: Service, name: str) -> None:
    while not any(name == each["model_name"] for each in service.get("/sdapi/v1/sd-models")):
        time.sleep(0.02)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def registry_figures() -> list[Figure]:
    """All of them, on a collection of its own."""
    with tempfile.TemporaryDirectory(prefix="easel-registry-") as name:
        data_dir = Path(name)
        make_collection(data_dir)
        figures = list(measure_scans(data_dir))
        with run_easel(data_dir, "--no-hashing") as service:
            ping = service.wait_for_ping()
            figures.append(Figure("start to ping with 5,000 model files, s", f"{ping:.2f}"))
            service.get("/sdapi/v1/sd-models")
            figures += measure_new_file(service)
    return figures


if __name__ == "__main__":
    print(machine())
    for figure in registry_figures():
        print(f"{figure.name}: {figure.value} {figure.bar}")
