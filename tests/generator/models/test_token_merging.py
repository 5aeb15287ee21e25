"""Token merging: which tokens go into which, and what each gets back."""

import torch
from torch import Tensor, nn

from generator.models.token_merging import apply_token_merging, match_tokens

SIZE = (4, 6)  # height, width


def tokens(batch: int = 2, channels: int = 8) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(batch, SIZE[0] * SIZE[1], channels)


def test_the_top_left_of_each_cell_receives() -> None:
    merging = match_tokens(tokens(), *SIZE, 0.5)
    assert merging is not None
    assert merging.receivers[0, :, 0].tolist() == [0, 2, 4, 12, 14, 16]
    assert merging.merge(tokens()).shape == (2, 12, 8)


def test_the_most_alike_are_merged_into_their_mean() -> None:
    x = tokens(1)
    x[0, 7] = 3 * x[0, 2]  # the same direction as receiver 2
    merging = match_tokens(x, *SIZE, 1 / 24)
    assert merging is not None
    assert merging.gone.flatten().tolist() == [7]
    assert merging.receivers[0, merging.into[0, 0, 0], 0] == 2
    merged = merging.merge(x)
    assert torch.allclose(merged[0, merging.stays.shape[1] + 1], 2 * x[0, 2], atol=1e-5)


def test_every_token_gets_back_what_it_went_into() -> None:
    x = tokens()
    merging = match_tokens(x, *SIZE, 0.5)
    assert merging is not None
    spread = merging.spread(merging.merge(x))
    stays = merging.stays.expand(-1, -1, 8)
    assert torch.equal(spread.gather(1, stays), x.gather(1, stays))
    gone = spread.gather(1, merging.gone.expand(-1, -1, 8))
    received = spread.gather(1, merging.receivers.gather(1, merging.into).expand(-1, -1, 8))
    assert torch.equal(gone, received)


def test_what_is_alike_survives_unchanged() -> None:
    x = torch.ones(1, 24, 8)
    merging = match_tokens(x, *SIZE, 0.7)
    assert merging is not None
    assert torch.equal(merging.spread(merging.merge(x)), x)


def test_nothing_is_merged_for_nothing() -> None:
    assert match_tokens(tokens(), *SIZE, 0.0) is None
    assert match_tokens(torch.randn(1, 3, 4), 1, 3, 0.5) is None  # no whole cell


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.Identity()
        self.attn1 = Counter()

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.attn1(self.norm1(x))
        return found


class Counter(nn.Module):
    seen: int = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x.shape[1]
        return x


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = Block(), Block()

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2).mT
        self.coarse(flat[:, ::4])
        found: Tensor = self.fine(flat)
        return found


def test_only_the_finest_level_and_only_inside_the_block() -> None:
    net, x = Net(), torch.randn(1, 8, *SIZE)
    with apply_token_merging(net, lambda: 0.5):
        assert net(x).shape == (1, 24, 8)
        assert (net.fine.attn1.seen, net.coarse.attn1.seen) == (12, 6)
    net(x)
    assert net.fine.attn1.seen == 24
