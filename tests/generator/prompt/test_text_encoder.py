"""A text encoder on a chunk: padding, which state is read under clip skip, the pooled vector."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from generator.models.families.family import END, ClipSkip, TextEncoderSpec
from generator.models.families.sd1 import SD1
from generator.models.families.sd2 import SD2
from generator.models.families.sdxl import CLIP_L, SDXL
from generator.prompt.text_encoder import TextEncoder, encode_tokens

START, WIDTH, LAYERS = 49406, 4, 5
BIG_G = SDXL.text_encoders[1]


class States:
    """What transformers' encoders answer."""

    def __init__(self, states: list[Tensor]) -> None:
        self.hidden_states = states
        self.last_hidden_state = states[-1] * 10 + 1  # through the last layer's norm


class Text(nn.Module):
    """Gives states that tell the layer, the place and the token; its norm is ``10 x + 1``."""

    def __init__(self) -> None:
        super().__init__()
        self.config = type("Config", (), {"num_hidden_layers": LAYERS, "hidden_size": WIDTH})
        self.seen: list[Tensor] = []

    def final_layer_norm(self, hidden: Tensor) -> Tensor:
        return hidden * 10 + 1

    def forward(self, input_ids: Tensor, output_hidden_states: bool = False) -> States:
        self.seen.append(input_ids)
        places = torch.arange(input_ids.shape[1], dtype=torch.float64)
        base = (places + input_ids.double() * 1e-6)[..., None].expand(-1, -1, WIDTH)
        return States([base + 1000 * layer for layer in range(LAYERS + 1)])


class Pooling(nn.Module):
    """A text encoder with a projection, which doubles."""

    def __init__(self) -> None:
        super().__init__()
        self.text_model = Text()
        self.config = self.text_model.config

    def text_projection(self, vector: Tensor) -> Tensor:
        return vector * 2


def encoder(spec: TextEncoderSpec) -> TextEncoder:
    model: Any = Pooling() if spec.pooled else Text()
    return TextEncoder(model, spec)


def chunk(*words: int, ends: int = END) -> Tensor:
    row = [START, *words, END]
    return torch.tensor([row + [ends] * (77 - len(row))])


def layer_read(spec: TextEncoderSpec, clip_skip: int, **options: bool) -> tuple[int, bool]:
    """How many states before the last is read, and whether it went through the last norm."""
    hidden = encode_tokens(encoder(spec), chunk(7), clip_skip, **options).hidden
    value = float(hidden[0, 0, 0])
    normed = value % 1000 > 0.5
    state = (value - 1) / 10 if normed else value
    return LAYERS - round(state // 1000), normed


@pytest.mark.parametrize("clip_skip", [1, 2, 3, 5])
def test_clip_skip_chooses_sd1s_state_and_the_norm_follows(clip_skip: int) -> None:
    assert layer_read(SD1.text_encoders[0], clip_skip) == (clip_skip - 1, True)


@pytest.mark.parametrize("clip_skip", [5, 6, 12])
def test_no_more_is_skipped_than_there_are_layers(clip_skip: int) -> None:
    assert layer_read(SD1.text_encoders[0], clip_skip)[0] == LAYERS - 1


@pytest.mark.parametrize("clip_skip", [1, 2, 4])
@pytest.mark.parametrize("option", [False, True])
def test_sd2_and_the_second_of_sdxl_know_no_clip_skip(clip_skip: int, option: bool) -> None:
    own = {"sdxl_clip_l_skip": option}
    assert layer_read(SD2.text_encoders[0], clip_skip, **own) == (1, True)
    assert layer_read(BIG_G, clip_skip, **own) == (1, False)


@pytest.mark.parametrize("clip_skip", [1, 2, 4])
def test_the_first_of_sdxl_heeds_clip_skip_under_its_option_alone(clip_skip: int) -> None:
    assert layer_read(CLIP_L, clip_skip) == (1, False)
    assert layer_read(CLIP_L, clip_skip, sdxl_clip_l_skip=True) == (clip_skip - 1, False)


def test_a_family_that_skips_by_itself_skips_no_less() -> None:
    spec = TextEncoderSpec("x.", skipped_layers=2, clip_skip=ClipSkip.ALWAYS)
    assert [layer_read(spec, clip_skip)[0] for clip_skip in (1, 2, 3, 4)] == [2, 2, 2, 3]


def seen(spec: TextEncoderSpec, tokens: Tensor) -> Tensor:
    own = encoder(spec)
    encode_tokens(own, tokens, 1)
    model: Any = own.model
    (found,) = (model.text_model if spec.pooled else model).seen
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize("spec", [SD2.text_encoders[0], BIG_G])
def test_open_clip_is_padded_with_zeros_behind_the_first_end(spec: TextEncoderSpec) -> None:
    found = seen(spec, chunk(7, 8))
    assert found[0, :4].tolist() == [START, 7, 8, END]
    assert not found[0, 4:].any()
    full = chunk(*range(1, 76))
    assert torch.equal(seen(spec, full), full)


def test_each_row_has_its_own_first_end_and_words_behind_it_go_too() -> None:
    long, odd = chunk(1, 2, 3, 4), chunk(1)
    odd[0, 3:6] = 9
    found = seen(BIG_G, torch.cat([chunk(7), long, odd]))
    assert [int((row == END).sum()) for row in found] == [1, 1, 1]
    assert [int((row == END).nonzero()) for row in found] == [2, 5, 2]
    assert not found[2, 3:].any()


@pytest.mark.parametrize("spec", [SD1.text_encoders[0], CLIP_L])
def test_clip_is_padded_with_end(spec: TextEncoderSpec) -> None:
    assert torch.equal(seen(spec, chunk(7, 8)), chunk(7, 8))


def test_tokens_of_the_caller_stay_as_they_are() -> None:
    tokens = chunk(7)
    seen(BIG_G, tokens)
    assert torch.equal(tokens, chunk(7))


def test_the_pooled_vector_is_of_the_first_end_through_norm_and_projection() -> None:
    texts = torch.cat([chunk(7), chunk(1, 2, 3)])
    encoded = encode_tokens(encoder(BIG_G), texts, 3)
    assert encoded.pooled is not None
    assert encoded.pooled.shape == (2, WIDTH)
    for row, place in ((0, 2), (1, 4)):
        last = 1000 * LAYERS + place + END * 1e-6
        assert float(encoded.pooled[row, 0]) == pytest.approx(2 * (10 * last + 1))


@pytest.mark.parametrize("spec", [SD1.text_encoders[0], SD2.text_encoders[0], CLIP_L])
def test_others_pool_nothing(spec: TextEncoderSpec) -> None:
    encoded = encode_tokens(encoder(spec), chunk(7), 2)
    assert encoded.pooled is None
    assert encoded.hidden.shape == (1, 77, WIDTH)


def test_its_width_is_that_of_a_tokens_vector() -> None:
    assert encoder(BIG_G).width == WIDTH
