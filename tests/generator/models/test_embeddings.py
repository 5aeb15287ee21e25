"""Embeddings of every container and layout; the facts told of them without torch are the same."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from generator.errors import ModelUnreadable
from generator.models.embedding_facts import EmbeddingFacts, read_facts, text_width
from generator.models.embeddings import EmbeddingCache, read_embedding
from generator.models.index import ModelFile
from generator.models.kinds import Folders, ModelKind
from generator.models.plain_files import stamp_of
from generator.models.registry import Registry

VECTORS = torch.arange(16.0).reshape(2, 8)
LAYOUTS: dict[str, object] = {
    "learned.pt": {"string_to_param": {"*": VECTORS}, "step": 7, "sd_checkpoint": "abc"},
    "other_word.pt": {"string_to_token": {"x": 1}, "string_to_param": {"x": VECTORS}},
    "parameters.pt": {
        "string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(VECTORS)})
    },
    "concept.bin": {"<concept>": VECTORS[0]},
    "params.safetensors": {"emb_params": VECTORS},
    "diffusers.safetensors": {"clip_l": VECTORS},
    "any.safetensors": {"<concept>": VECTORS},
    "half.safetensors": {"emb_params": VECTORS.half()},
}


def model_file(path: Path, kind: ModelKind = ModelKind.EMBEDDING) -> ModelFile:
    stat = path.stat()
    return ModelFile(kind, path.name, path, *stamp_of(stat))


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str, object], ModelFile]:
    def make_file(name: str, content: object) -> ModelFile:
        path = tmp_path / name
        if path.suffix == ".safetensors":
            assert isinstance(content, dict)
            save_file(content, path)
        else:
            torch.save(content, path)
        return model_file(path)

    return make_file


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_read(make: Callable[[str, object], ModelFile], name: str) -> None:
    file = make(name, LAYOUTS[name])
    wanted = VECTORS[:1] if name == "concept.bin" else VECTORS
    assert torch.equal(read_embedding(file), wanted)
    facts = read_facts(file.path)
    assert (facts.vectors, facts.width) == tuple(wanted.shape)


def test_facts_of_the_recorded_ones(goldens: Path) -> None:
    folder = goldens / "checkpoint"
    assert read_facts(folder / "tinyembpt.pt") == EmbeddingFacts(2, 128, 100)
    assert read_facts(folder / "tinyemb.safetensors") == EmbeddingFacts(3, 128)
    assert text_width(model_file(folder / "tinysd15.safetensors", ModelKind.CHECKPOINT)) == 128


def test_one_for_the_large_model_is_as_wide_as_both_its_texts(
    make: Callable[[str, object], ModelFile],
) -> None:
    tensors: dict[str, Tensor] = {"clip_l": torch.zeros(3, 768), "clip_g": torch.zeros(3, 1280)}
    file = make("large.safetensors", tensors)
    assert read_embedding(file).shape == (3, 2048)
    assert read_facts(file.path) == EmbeddingFacts(3, 2048)


@pytest.mark.parametrize("content", [{"a": VECTORS, "b": VECTORS + 1}, {"a": torch.tensor(1.0)}])
def test_what_is_no_embedding_is_unreadable(
    make: Callable[[str, object], ModelFile], content: dict[str, Tensor]
) -> None:
    with pytest.raises(ModelUnreadable, match=r"no embedding"):
        read_embedding(make("odd.safetensors", content))


def test_width_of_a_pickled_checkpoint(make: Callable[[str, object], ModelFile]) -> None:
    name = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
    assert text_width(make("a.ckpt", {"state_dict": {name: torch.zeros(5, 8)}})) == 8
    assert text_width(make("b.ckpt", {"state_dict": {}})) is None


def test_those_of_another_width_and_broken_ones_are_skipped(data_dir: Path) -> None:
    folder = data_dir / "embeddings"
    folder.mkdir()
    save_file({"emb_params": VECTORS}, folder / "good.safetensors")
    save_file({"emb_params": torch.zeros(1, 9)}, folder / "wide.safetensors")
    (folder / "torn.safetensors").write_bytes(b"torn")
    (data_dir / "models/Lora").mkdir(parents=True)
    (data_dir / "models/Lora/elsewhere.safetensors").write_bytes(b"torn")
    registry, embeddings = Registry(Folders.under(data_dir)), EmbeddingCache()
    words = embeddings.embeddings_for_width(registry, 8)
    assert [word.name for word in words.fitting] == ["good"]
    assert list(words.skipped) == ["wide", "torn"]
    save_file({"emb_params": torch.zeros(1, 8)}, folder / "wide.safetensors")
    registry.refresh()
    assert [word.name for word in embeddings.embeddings_for_width(registry, 8).fitting] == [
        "good",
        "wide",
    ]
