"""Files of torch.save are understood without torch, and never obeyed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generator.errors import ModelUnreadable
from generator.models.header import check_pickle
from generator.models.pickles import PickledTensor, is_whole_legacy, named_vectors, read_pickle
from generator.models.weights import read_tensors

Save = Callable[[object], Path]


@pytest.fixture(params=["zip", "legacy"])
def save(request: pytest.FixtureRequest, tmp_path: Path) -> Save:
    def save_content(content: object) -> Path:
        path = tmp_path / "a.pt"
        torch.save(content, path, _use_new_zipfile_serialization=request.param == "zip")
        return path

    return save_content


class Evil:
    """Runs a command when it is unpickled the usual way."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


class Callback:
    """Of a trainer whose code is not here."""

    def __init__(self) -> None:
        self.best = torch.ones(3)


def test_shapes_and_facts(save: Save) -> None:
    learned = torch.nn.Parameter(torch.zeros(2, 128))
    found = read_pickle(save({"string_to_param": {"*": learned}, "step": 100, "name": None}))
    assert found == {"string_to_param": {"*": PickledTensor((2, 128))}, "step": 100, "name": None}
    assert named_vectors(found) == {"string_to_param.*": PickledTensor((2, 128))}


def test_named_vectors_in_every_form(save: Save) -> None:
    assert named_vectors(read_pickle(save({"<cat>": torch.zeros(8)}))) == {
        "<cat>": PickledTensor((8,))
    }
    parameters = torch.nn.ParameterDict({"*": torch.nn.Parameter(torch.zeros(1, 8))})
    found = named_vectors(read_pickle(save({"string_to_param": parameters})))
    assert found == {"string_to_param.*": PickledTensor((1, 8))}
    assert named_vectors(read_pickle(save([1, 2]))) == {}


def test_nothing_is_run(save: Save, tmp_path: Path) -> None:
    path = save({"state_dict": {"evil": Evil(tmp_path / "ran"), "w": torch.zeros(2)}})
    read_pickle(path)
    check_pickle(path)
    assert list(read_tensors(path)) == ["w"]
    assert not (tmp_path / "ran").exists()


def test_evil_alone_is_no_model(save: Save, tmp_path: Path) -> None:
    with pytest.raises(ModelUnreadable, match=r"a.pt.*no tensors"):
        read_tensors(save({"state_dict": Evil(tmp_path / "ran")}))
    assert not (tmp_path / "ran").exists()


def test_a_trainers_leavings_do_not_matter(save: Save) -> None:
    content = {"state_dict": {"w": torch.arange(4.0)}, "callbacks": {Callback: Callback()}, "n": 1}
    assert torch.equal(read_tensors(save(content))["w"], torch.arange(4.0))


def test_parameters_in_a_dictionary_of_their_own(save: Save) -> None:
    parameters = torch.nn.ParameterDict({"*": torch.nn.Parameter(torch.ones(1, 8))})
    found = read_tensors(save({"string_to_param": parameters, "name": "x"}))
    assert torch.equal(found["string_to_param.*"], torch.ones(1, 8))


def test_an_old_file_is_whole_at_its_last_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    kinds = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool)
    content = {str(kind): torch.zeros(5, dtype=kind) for kind in kinds}
    content["view"] = torch.zeros(3, 4)[:, :2]
    torch.save(content, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    assert is_whole_legacy(path)
    check_pickle(path)
    for length in [*range(15, len(whole), 61), len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert not is_whole_legacy(path)
        with pytest.raises(ModelUnreadable, match="old format"):
            check_pickle(path)


@given(st.binary(max_size=300))
@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_rubbish_is_unreadable_and_nothing_else(tmp_path: Path, rubbish: bytes) -> None:
    path = tmp_path / "a.pt"
    for start in (b"", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."):
        path.write_bytes(start + rubbish)
        assert not is_whole_legacy(path)
        with pytest.raises(ModelUnreadable):
            read_pickle(path)
