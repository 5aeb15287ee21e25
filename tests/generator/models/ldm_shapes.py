"""Shapes of checkpoints in LDM's layout, made from a few numbers: channels, depths, context."""

from dataclasses import dataclass

from generator.models.families.ldm.sizes import UNET, VAE

ShapeTable = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class UnetNumbers:
    """The numbers that LDM's U-Net is built of."""

    channels: tuple[int, ...]
    depths: tuple[int, ...]  # transformer layers of each level; 0: none
    middle: int  # those of the middle
    context: int
    blocks: int = 2
    inputs: int = 4
    linear: bool = True
    vector: int = 0  # numbers of the pooled text and of the sizes; 0: reads none


SD1_UNET = UnetNumbers((320, 640, 1280, 1280), (1, 1, 1, 0), 1, 768, linear=False)
SD2_UNET = UnetNumbers((320, 640, 1280, 1280), (1, 1, 1, 0), 1, 1024)
SDXL_UNET = UnetNumbers((320, 640, 1280), (0, 2, 10), 10, 2048, vector=2816)
REFINER_UNET = UnetNumbers((384, 768, 1536, 1536), (0, 4, 4, 0), 4, 1280, vector=2560)


def unet_shapes(numbers: UnetNumbers) -> ShapeTable:
    """Every tensor of such a U-Net below ``model.diffusion_model.``."""
    shapes: ShapeTable = {}
    first, emb = numbers.channels[0], 4 * numbers.channels[0]
    _layer(shapes, "time_embed.0", emb, first)
    _layer(shapes, "time_embed.2", emb, emb)
    if numbers.vector:
        _layer(shapes, "label_emb.0.0", emb, numbers.vector)
        _layer(shapes, "label_emb.0.2", emb, emb)
    _layer(shapes, "input_blocks.0.0", first, numbers.inputs, 3, 3)
    skips, width, index = [first], first, 1
    for level, (channels, depth) in enumerate(zip(numbers.channels, numbers.depths, strict=True)):
        for _ in range(numbers.blocks):
            _resnet(shapes, f"input_blocks.{index}.0", width, channels, emb)
            _transformer(shapes, f"input_blocks.{index}.1", channels, depth, numbers)
            width, index = channels, index + 1
            skips.append(width)
        if level + 1 < len(numbers.channels):
            _layer(shapes, f"input_blocks.{index}.0.op", width, width, 3, 3)
            index += 1
            skips.append(width)
    _resnet(shapes, "middle_block.0", width, width, emb)
    _transformer(shapes, "middle_block.1", width, numbers.middle, numbers)
    _resnet(shapes, "middle_block.2", width, width, emb)
    index = 0
    for level in reversed(range(len(numbers.channels))):
        channels, depth = numbers.channels[level], numbers.depths[level]
        for block in range(numbers.blocks + 1):
            _resnet(shapes, f"output_blocks.{index}.0", width + skips.pop(), channels, emb)
            _transformer(shapes, f"output_blocks.{index}.1", channels, depth, numbers)
            width = channels
            if level and block == numbers.blocks:
                place = 2 if depth else 1
                _layer(shapes, f"output_blocks.{index}.{place}.conv", width, width, 3, 3)
            index += 1
    _norm(shapes, "out.0", first)
    _layer(shapes, "out.2", 4, first, 3, 3)
    return {f"{UNET}{name}": shape for name, shape in shapes.items()}


def vae_shapes(channels: tuple[int, ...], blocks: int = 2, latent: int = 4) -> ShapeTable:
    """Every tensor of LDM's autoencoder below ``first_stage_model.``."""
    shapes: ShapeTable = {}
    last = len(channels) - 1
    _layer(shapes, "encoder.conv_in", channels[0], 3, 3, 3)
    width = channels[0]
    for level, out in enumerate(channels):
        for block in range(blocks):
            _vae_resnet(shapes, f"encoder.down.{level}.block.{block}", width, out)
            width = out
        if level < last:
            _layer(shapes, f"encoder.down.{level}.downsample.conv", width, width, 3, 3)
    _layer(shapes, "decoder.conv_in", width, latent, 3, 3)
    for half, out in (("encoder", 2 * latent), ("decoder", 3)):
        _vae_resnet(shapes, f"{half}.mid.block_1", width, width)
        _norm(shapes, f"{half}.mid.attn_1.norm", width)
        for part in ("q", "k", "v", "proj_out"):
            _layer(shapes, f"{half}.mid.attn_1.{part}", width, width, 1, 1)
        _vae_resnet(shapes, f"{half}.mid.block_2", width, width)
        end = width if half == "encoder" else channels[0]
        _norm(shapes, f"{half}.norm_out", end)
        _layer(shapes, f"{half}.conv_out", out, end, 3, 3)
    for level in reversed(range(len(channels))):
        for block in range(blocks + 1):
            _vae_resnet(shapes, f"decoder.up.{level}.block.{block}", width, channels[level])
            width = channels[level]
        if level:
            _layer(shapes, f"decoder.up.{level}.upsample.conv", width, width, 3, 3)
    _layer(shapes, "quant_conv", 2 * latent, 2 * latent, 1, 1)
    _layer(shapes, "post_quant_conv", latent, latent, 1, 1)
    return {f"{VAE}{name}": shape for name, shape in shapes.items()}


def open_clip_shapes(prefix: str, width: int, layers: int, words: int = 49408) -> ShapeTable:
    """Every tensor of OpenCLIP's text encoder below ``prefix``."""
    shapes: ShapeTable = {
        "positional_embedding": (77, width),
        "token_embedding.weight": (words, width),
        "text_projection": (width, width),
        "logit_scale": (),
    }
    _norm(shapes, "ln_final", width)
    for layer in range(layers):
        stem = f"transformer.resblocks.{layer}"
        shapes[f"{stem}.attn.in_proj_weight"] = (3 * width, width)
        shapes[f"{stem}.attn.in_proj_bias"] = (3 * width,)
        _layer(shapes, f"{stem}.attn.out_proj", width, width)
        _layer(shapes, f"{stem}.mlp.c_fc", 4 * width, width)
        _layer(shapes, f"{stem}.mlp.c_proj", width, 4 * width)
        _norm(shapes, f"{stem}.ln_1", width)
        _norm(shapes, f"{stem}.ln_2", width)
    return {f"{prefix}{name}": shape for name, shape in shapes.items()}


def clip_shapes(prefix: str, width: int, layers: int, words: int = 49408) -> ShapeTable:
    """Every tensor of transformers' CLIP text encoder below ``prefix``."""
    shapes: ShapeTable = {
        "embeddings.position_embedding.weight": (77, width),
        "embeddings.token_embedding.weight": (words, width),
    }
    _norm(shapes, "final_layer_norm", width)
    for layer in range(layers):
        stem = f"encoder.layers.{layer}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            _layer(shapes, f"{stem}.self_attn.{part}", width, width)
        _layer(shapes, f"{stem}.mlp.fc1", 4 * width, width)
        _layer(shapes, f"{stem}.mlp.fc2", width, 4 * width)
        _norm(shapes, f"{stem}.layer_norm1", width)
        _norm(shapes, f"{stem}.layer_norm2", width)
    return {f"{prefix}{name}": shape for name, shape in shapes.items()}


def _layer(shapes: ShapeTable, name: str, *shape: int, bias: bool = True) -> None:
    shapes[f"{name}.weight"] = shape
    if bias:
        shapes[f"{name}.bias"] = shape[:1]


def _norm(shapes: ShapeTable, name: str, width: int) -> None:
    _layer(shapes, name, width)


def _resnet(shapes: ShapeTable, name: str, width: int, out: int, emb: int) -> None:
    _norm(shapes, f"{name}.in_layers.0", width)
    _layer(shapes, f"{name}.in_layers.2", out, width, 3, 3)
    _layer(shapes, f"{name}.emb_layers.1", out, emb)
    _norm(shapes, f"{name}.out_layers.0", out)
    _layer(shapes, f"{name}.out_layers.3", out, out, 3, 3)
    if width != out:
        _layer(shapes, f"{name}.skip_connection", out, width, 1, 1)


def _transformer(
    shapes: ShapeTable, name: str, width: int, depth: int, numbers: UnetNumbers
) -> None:
    if not depth:
        return
    sides = (width, width) if numbers.linear else (width, width, 1, 1)
    _norm(shapes, f"{name}.norm", width)
    _layer(shapes, f"{name}.proj_in", *sides)
    _layer(shapes, f"{name}.proj_out", *sides)
    for layer in range(depth):
        stem = f"{name}.transformer_blocks.{layer}"
        for attention, context in (("attn1", width), ("attn2", numbers.context)):
            _layer(shapes, f"{stem}.{attention}.to_q", width, width, bias=False)
            _layer(shapes, f"{stem}.{attention}.to_k", width, context, bias=False)
            _layer(shapes, f"{stem}.{attention}.to_v", width, context, bias=False)
            _layer(shapes, f"{stem}.{attention}.to_out.0", width, width)
        _layer(shapes, f"{stem}.ff.net.0.proj", 8 * width, width)
        _layer(shapes, f"{stem}.ff.net.2", width, 4 * width)
        for norm in ("norm1", "norm2", "norm3"):
            _norm(shapes, f"{stem}.{norm}", width)


def _vae_resnet(shapes: ShapeTable, name: str, width: int, out: int) -> None:
    _norm(shapes, f"{name}.norm1", width)
    _layer(shapes, f"{name}.conv1", out, width, 3, 3)
    _norm(shapes, f"{name}.norm2", out)
    _layer(shapes, f"{name}.conv2", out, out, 3, 3)
    if width != out:
        _layer(shapes, f"{name}.nin_shortcut", out, width, 1, 1)
