"""Quantised files are told by their metadata, their notes or the names of their tensors."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from generator.models.families.architecture import Architecture
from generator.models.header import read_header
from generator.models.kinds import Folders, ModelKind
from generator.models.quantisation import METADATA_KEY, WeightFormat, read_weight_format
from generator.models.scan import scan
from tests.generator.models.architecture_fixtures import flux
from tests.generator.models.gguf_files import gguf

F = WeightFormat


def write(
    path: Path, tensors: Mapping[str, bytes], metadata: Mapping[str, str] | None = None
) -> Path:
    """A safetensors file of lists of bytes."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    data = b""
    for name, content in tensors.items():
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": "U8", "shape": [len(content)], "data_offsets": offsets}
        data += content
    start = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(start)) + start + data)
    return path


def layers(*notes: object) -> dict[str, str]:
    return {METADATA_KEY: json.dumps({"layers": {f"layer{i}": n for i, n in enumerate(notes)}})}


def format_of(path: Path) -> WeightFormat | None:
    return read_weight_format(path, read_header(path))


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        (({"format": "float8_e4m3fn"},), F.FP8_SCALED),
        (({"format": "float8_e5m2"},), F.FP8_SCALED),
        (({"format": "nvfp4"}, {"format": "float8_e4m3fn"}), F.NVFP4),
        (({"format": "mxfp8"},), F.MXFP8),
        (({"format": "int8_tensorwise"},), F.INT8),
        (({"format": "int8_tensorwise", "convrot": True},), F.INT8_CONVROT),
        (({"format": "convrot_w4a4"},), F.CONVROT_W4A4),
        (({"format": "asym_w4a8_int8"},), F.ASYM_W4A8),
        (({"format": "awq_w4a16"},), F.AWQ_W4A16),
        (({"format": "of next year"},), F.OTHER),
        ((7,), F.OTHER),
        ((), F.OTHER),
    ],
)
def test_by_metadata(tmp_path: Path, notes: tuple[object, ...], expected: WeightFormat) -> None:
    path = write(tmp_path / "a.safetensors", {"layer0.weight": b"1"}, layers(*notes))
    assert format_of(path) is expected
    if len(notes) == 1 and isinstance(notes[0], dict):
        noted = {"layer0.weight": b"1", "layer0.comfy_quant": json.dumps(notes[0]).encode()}
        assert format_of(write(tmp_path / "b.safetensors", noted)) is expected


@pytest.mark.parametrize("content", [b"", b"[", b"[]", b"[" * 5000, b"\xff", b" " * 10_000])
def test_a_note_that_is_none_is_a_format_unknown_here(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "a.safetensors", {"x.comfy_quant": content, "x": b"1"})
    assert format_of(path) is F.OTHER
    damaged = {METADATA_KEY: content.decode("latin-1")}
    assert format_of(write(tmp_path / "b.safetensors", {"x": b"1"}, damaged)) is F.OTHER


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("double_blocks.0.img_attn.qkv.weight.quant_state.bitsandbytes__nf4", F.NF4),
        ("double_blocks.0.img_attn.qkv.weight.quant_state.bitsandbytes__fp4", F.FP4),
        ("text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.k.SCB", F.INT8_BNB),
        ("scaled_fp8", F.FP8_SCALED),
        ("model.diffusion_model.scaled_fp8", F.FP8_SCALED),
        ("transformer_blocks.0.qkv_proj.wscales", F.SVDQUANT),
        ("transformer_blocks.0.attn.to_q.svd_up", F.SDNQ),
        ("layers.0.q_proj.qweight", F.OTHER),
        ("model.diffusion_model.input_blocks.0.0.weight", None),
    ],
)
def test_by_the_name_of_a_tensor(tmp_path: Path, name: str, expected: WeightFormat | None) -> None:
    assert format_of(write(tmp_path / "a.safetensors", {name: b"1", "w": b"2"})) is expected


def test_by_the_name_of_the_file_or_of_the_library(tmp_path: Path) -> None:
    for name, expected in (("svdq-int4_r32-flux", F.SVDQUANT), ("Z-Image-SDNQ-uint4", F.SDNQ)):
        assert format_of(write(tmp_path / f"{name}.safetensors", {"w": b"1"})) is expected
    path = write(tmp_path / "a.safetensors", {"w": b"1"}, {"quantization_config": '{"m": "svdq"}'})
    assert format_of(path) is F.SVDQUANT


def test_the_index_tells_kind_and_format(tmp_path: Path) -> None:
    folder = tmp_path / "models/Stable-diffusion"
    folder.mkdir(parents=True)
    (folder / "dev-Q8_0.gguf").write_bytes(
        gguf({k: tuple(min(s, 4) for s in v) for k, v in flux(64).items()})
    )
    (folder / "words.gguf").write_bytes(gguf({"token_embd.weight": (2, 2)}, "llama"))
    (folder / "cut.gguf").write_bytes(gguf({"w": (64, 64)})[:-99])
    nf4 = dict.fromkeys(flux(64), b"1") | {"img_in.weight.quant_state.bitsandbytes__nf4": b"{"}
    write(folder / "nf4.safetensors", nf4)
    index = scan(Folders.under(tmp_path))
    files = {file.stem: file for file in index.files_of(ModelKind.CHECKPOINT)}
    told = {name: (file.architecture, file.weight_format) for name, file in files.items()}
    assert told == {
        "dev-Q8_0": (Architecture.FLUX, F.GGUF),
        "words": (Architecture.TEXT_ENCODER, F.GGUF),
        "nf4": (Architecture.FLUX, F.NF4),
    }
    assert not any(file.is_drawable for file in files.values())
    assert "copy it again" in index.rejected[folder / "cut.gguf"]
