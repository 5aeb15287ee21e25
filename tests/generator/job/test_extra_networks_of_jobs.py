"""What a prompt's tags add is there for their job, told in its texts, and gone when it ends."""

import base64
import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from generator.engine import Engine
from generator.errors import BadRequest, WrongArchitecture
from generator.models.adapter_files import read_adapter
from generator.models.kinds import ModelKind
from generator.models.residency import ResidentKind
from generator.models.weight_sizes import networks_of
from generator.request import (
    ControlUnit,
    GenerationRequest,
    HiresFix,
    Progress,
    Refiner,
    Sampling,
    Seeds,
    Snapshot,
    Stop,
)
from tests.image_compare import is_same_drawing
from tests.parity.compare import psnr
from tests.parity.service import build_engine

LORAS = "<lora:tinylora:1><lora:tinyloha:0.8><lora:tinylora:0.5>"
ALL = f"a red cat, tinyemb{LORAS}<hypernet:tinyhyper:1>"
SIDE = 64


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def engine(goldens: Path, data: Path) -> Engine:
    torch.set_num_threads(1)
    return build_engine(goldens, data)


@pytest.fixture
def small() -> GenerationRequest:
    return GenerationRequest(
        prompt="a red cat",
        seeds=Seeds(7),
        sampling=Sampling("Euler a", steps=2),
        width=SIDE,
        height=SIDE,
        checkpoint="tinysd15",
        options=Snapshot(randn_source="CPU"),
    )


def fingerprint(engine: Engine) -> dict[str, str]:
    """For each checkpoint in memory a hash of its parameters, hooks and padding."""
    found = {}
    residency, kind = engine._residency, ResidentKind.CHECKPOINT
    for file in residency.files(kind):
        digest = hashlib.sha256()
        for network in networks_of(residency.peek(kind, file)):
            for tensor in network.state_dict().values():
                digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
            for name, layer in network.named_modules():
                hooks = len(layer._forward_pre_hooks), len(layer._forward_hooks)
                state = hooks, getattr(layer, "padding_mode", ""), sorted(vars(layer))
                digest.update(repr((name, state)).encode())
        found[file.stem] = digest.hexdigest()
    return found


def interrupt(progress: Progress, _: object) -> Stop:
    return Stop.INTERRUPT if progress.step == 1 else Stop.NO


def fail(progress: Progress, _: object) -> Stop:
    if progress.step == 1:
        raise KeyError("lost")
    return Stop.NO


@pytest.mark.parametrize("watch", [None, interrupt, fail])
@pytest.mark.parametrize("tiling", [False, True])
def test_a_job_leaves_the_checkpoint_as_it_was(
    engine: Engine, small: GenerationRequest, watch: Callable[..., Stop] | None, tiling: bool
) -> None:
    plain = engine.run(small).pictures[0].image
    before = fingerprint(engine)
    request = replace(small, prompt=ALL, tiling=tiling, batches=2)
    if watch is fail:
        with pytest.raises(KeyError, match=r"lost"):
            engine.run(request, watch)
    elif watch:
        assert engine.run(request, watch).stopped
    else:
        assert not is_same_drawing(engine.run(request).pictures[0].image, plain)
    assert fingerprint(engine) == before
    assert is_same_drawing(engine.run(small).pictures[0].image, plain)


@pytest.mark.parametrize("watch", [None, interrupt, fail])
def test_a_checkpoint_switched_by_hires_leaves_both_as_they_were(
    engine: Engine, small: GenerationRequest, watch: Callable[..., Stop] | None
) -> None:
    fix = HiresFix(0.7, prompt=f"{ALL}<lora:tinylokr:1>", checkpoint="tinysd15b")
    request = replace(small, prompt=ALL, hires=fix, tiling=True)
    try:
        engine.run(small)
        engine.run(replace(small, checkpoint="tinysd15b"))
        before = fingerprint(engine)
        assert set(before) == {"tinysd15", "tinysd15b"}

        def late(progress: Progress, preview: object) -> Stop:
            second = "tinysd15b" in engine.loaded_checkpoints[0]
            return watch(progress, preview) if watch and second else Stop.NO

        if watch is fail:
            with pytest.raises(KeyError, match=r"lost"):
                engine.run(request, late)
        else:
            assert engine.run(request, late).stopped == (watch is interrupt)
        assert fingerprint(engine) == before
    finally:
        engine.unload()


@pytest.mark.parametrize("watch", [None, interrupt, fail])
def test_all_that_reaches_into_the_networks_is_taken_out_again(
    engine: Engine, small: GenerationRequest, watch: Callable[..., Stop] | None
) -> None:
    """A refiner, ControlNet by reference, merged tokens, tiling, LoRAs and a hypernetwork."""
    picture = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), "orange").save(picture, "PNG")
    units = tuple(
        ControlUnit(module=module, image=base64.b64encode(picture.getvalue()).decode())
        for module in ("reference_only", "reference_adain")
    )
    options = replace(small.options, token_merging_ratio=0.5)
    sampling = replace(small.sampling, steps=4)
    request = replace(
        small, prompt=ALL, tiling=True, refiner=Refiner("tinysd15b", 0.5), controls=units,
        options=options, sampling=sampling,
    )  # fmt: skip
    try:
        engine.run(replace(small, checkpoint="tinysd15b"))
        plain = engine.run(small).pictures[0].image
        before = fingerprint(engine)

        def late(progress: Progress, preview: object) -> Stop:
            second = "tinysd15b" in engine.loaded_checkpoints[0] and progress.step > 1
            return watch(replace(progress, step=1), preview) if watch and second else Stop.NO

        if watch is fail:
            with pytest.raises(KeyError, match=r"lost"):
                engine.run(request, late)
        else:
            assert engine.run(request, late).stopped == (watch is interrupt)
        assert fingerprint(engine) == before
        assert is_same_drawing(engine.run(small).pictures[0].image, plain)
    finally:
        engine.unload()


def test_two_jobs_in_turn_draw_as_if_alone(engine: Engine, small: GenerationRequest) -> None:
    first, second = (replace(small, prompt=f"a cat<lora:{n}:1>") for n in ("tinylora", "tinylokr"))
    alone = [engine.run(request).pictures[0].image.tobytes() for request in (first, second)]
    again = [engine.run(request).pictures[0].image.tobytes() for request in (second, first)]
    assert again == alone[::-1]


def test_an_unusual_strength_is_taken_and_remarked_upon(
    engine: Engine, small: GenerationRequest
) -> None:
    drawn = engine.run(replace(small, prompt="a red cat<lora:tinylora:1000><lora:tinyloha:4>"))
    (remark,) = drawn.comments
    assert remark.startswith("The strength of the LoRA tinylora is 1000;")


def test_weights_by_block_act_and_the_infotext_keeps_the_tag(
    engine: Engine, small: GenerationRequest
) -> None:
    tag = "<lora:tinylora:1:1:lbw=OUTALL>"
    drawn = engine.run(replace(small, prompt=f"a red cat{tag}"))
    assert not drawn.comments
    assert drawn.pictures[0].infotext.startswith(f"a red cat{tag}\n")
    assert 'Lora hashes: "tinylora: ' in drawn.pictures[0].infotext
    ones = ",".join("1" * 26)
    whole, everywhere, nowhere, plain = (
        engine.run(replace(small, prompt=f"a red cat{text}")).pictures[0].image
        for text in ("<lora:tinylora:1>", f"<lora:tinylora:1:lbw={ones}>",
                     "<lora:tinylora:1:lbw=NONE>", "")
    )  # fmt: skip
    assert is_same_drawing(everywhere, whole)
    assert is_same_drawing(nowhere, plain)
    for other in (whole, plain):
        assert not is_same_drawing(drawn.pictures[0].image, other)


def test_the_same_lora_with_other_blocks_is_added_beside_it(
    engine: Engine, small: GenerationRequest
) -> None:
    halves = ("0," + ",".join("1" * 12 + "0" * 13), "1," + ",".join("0" * 12 + "1" * 13))
    tags = "".join(f"<lora:tinylora:0.8:lbw={half}>" for half in halves)
    both, whole = (
        engine.run(replace(small, prompt=f"a red cat{text}")).pictures[0].image
        for text in (tags, "<lora:tinylora:0.8>")
    )
    assert is_same_drawing(both, whole)


def test_weights_by_block_for_another_family_are_refused(
    engine: Engine, small: GenerationRequest
) -> None:
    tag = f"<lora:tinylora:1:lbw={','.join('1' * 12)}>"
    before = fingerprint(engine)
    with pytest.raises(BadRequest, match=f"{tag}: lbw has 12 numbers; for Stable Diffusion 1.x"):
        engine.run(replace(small, prompt=f"a red cat{tag}"))
    assert fingerprint(engine) == before


def test_what_is_missing_is_named_in_comments_and_not_in_the_infotext(
    engine: Engine, small: GenerationRequest
) -> None:
    prompt = "a red cat<lora:nowhere:1><lora:neither:1><hypernet:gone:1>"
    drawn = engine.run(replace(small, prompt=prompt))
    assert drawn.comments == ("Lora not found: nowhere, neither", "Hypernetwork not found: gone")
    assert "not found" not in drawn.pictures[0].infotext
    assert psnr(drawn.pictures[0].image, engine.run(small).pictures[0].image) > 60


def test_an_embedding_that_does_not_fit_is_named(
    engine: Engine, small: GenerationRequest, data: Path
) -> None:
    wide = data / "embeddings/toowide.safetensors"
    save_file({"emb_params": torch.zeros(2, 768)}, wide)
    broken = data / "embeddings/torn.pt"
    broken.write_bytes(b"no model")
    engine._registry.refresh()
    try:
        drawn = engine.run(replace(small, prompt="a cat, (TooWide:1.2)", negative_prompt="torn"))
        other = engine.run(replace(small, prompt="a cat, toowider"))
    finally:
        wide.unlink()
        broken.unlink()
        engine._registry.refresh()
    told, *reasons = drawn.comments
    assert told == "Embedding not used: toowide, torn"
    assert "768 numbers" in reasons[0]
    assert reasons[1].startswith("torn.pt: ")
    assert "not used" not in drawn.pictures[0].infotext
    assert not other.comments


def test_an_embedding_that_went_away_before_the_drawing_is_named(
    engine: Engine, small: GenerationRequest, data: Path
) -> None:
    here = next(file.stem for file in engine._registry.index.files_of(ModelKind.EMBEDDING))
    expected = replace(small, embeddings=("gone-word", here))
    drawn = engine.run(replace(expected, prompt=f"a cat, (Gone-Word:1.2), {here}"))
    assert drawn.comments == ("Embedding not found: gone-word",)
    assert not engine.run(replace(expected, prompt="a cat, gone-wordy")).comments


def test_words_in_a_lora_hold_for_its_job(
    engine: Engine, small: GenerationRequest, data: Path
) -> None:
    path = data / "models/Lora/bundle.safetensors"
    words = {
        f"bundle_emb.{name}.emb_params": torch.full((2, 128), value)
        for name, value in (("zzyzx", 0.1), ("tinyemb", 9.0))
    }
    save_file(words, path)
    request = replace(small, prompt="a zzyzx tinyemb<lora:bundle:1>")
    drawn = engine.run(request).pictures[0]
    own = engine._registry.ensure_hashes(
        engine._registry.find(ModelKind.EMBEDDING, "tinyemb")
    ).sha256
    assert f'TI hashes: "zzyzx: bundle, tinyemb: {own[:12]}"' in drawn.infotext
    without = engine.run(replace(request, prompt="a zzyzx tinyemb")).pictures[0]
    assert psnr(drawn.image, without.image) < 60
    assert "zzyzx: " not in without.infotext
    plain = replace(request.options, lora_bundled_ti_to_infotext=False)
    assert "zzyzx: bundle" not in engine.run(replace(request, options=plain)).pictures[0].infotext
    path.unlink()


def test_hashes_stay_out_where_the_options_say_so(engine: Engine, small: GenerationRequest) -> None:
    silent = replace(
        small.options,
        lora_add_hashes_to_infotext=False,
        textual_inversion_add_hashes_to_infotext=False,
    )
    text = engine.run(replace(small, prompt=ALL, options=silent)).pictures[0].infotext
    assert "hashes" not in text


def test_a_lora_of_another_architecture_is_refused_naming_both(
    engine: Engine, small: GenerationRequest, data: Path
) -> None:
    path = data / "models/Lora/larger.safetensors"
    layer = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
    save_file(
        {
            f"{layer}.lora_up.weight": torch.zeros(640, 4),
            f"{layer}.lora_down.weight": torch.zeros(4, 2048),
        },
        path,
    )
    with pytest.raises(WrongArchitecture, match=r"Stable Diffusion XL.*Stable Diffusion 1.x"):
        engine.run(replace(small, prompt="a<lora:larger:1>"))
    path.unlink()


def test_a_lora_that_is_replaced_is_read_again(
    engine: Engine, small: GenerationRequest, data: Path
) -> None:
    path, request = data / "models/Lora/swap.safetensors", replace(small, prompt="a<lora:swap:1>")
    path.write_bytes((data / "models/Lora/tinylora.safetensors").read_bytes())
    first = engine.run(request).pictures[0].image.tobytes()
    other = path.with_suffix(".part")
    other.write_bytes((data / "models/Lora/tinylokr.safetensors").read_bytes())
    other.replace(path)
    second = engine.run(request).pictures[0].image.tobytes()
    assert second != first
    path.unlink()


def test_unloading_forgets_adapters_too(
    engine: Engine, small: GenerationRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept for the next jobs, whatever their checkpoint, and given back by hand."""
    request, reads = replace(small, prompt="a<lora:tinylora:1>"), []
    monkeypatch.setattr(
        "generator.models.adapter_files.read_adapter",
        lambda file: reads.append(file.stem) or read_adapter(file),
    )
    engine.unload()
    for _ in range(2):
        engine.run(request)
    assert reads == ["tinylora"]
    engine.unload()
    engine.run(request)
    assert len(reads) == 2
    engine.run(replace(request, checkpoint="tinysd15b"))
    assert len(reads) == 2


def test_an_adapter_named_900_times_is_merged_once(
    engine: Engine, small: GenerationRequest
) -> None:
    calls: list[Progress] = []

    def count(progress: Progress, _: object) -> Stop:
        calls.append(progress)
        return Stop.NO

    once = engine.run(replace(small, prompt="a red cat<lora:tinylora:0.9>"), count)
    single = len(calls)
    calls.clear()
    many = engine.run(replace(small, prompt="a red cat" + "<lora:tinylora:0.001>" * 900), count)
    assert len(calls) <= single
    assert is_same_drawing(once.pictures[0].image, many.pictures[0].image)


@pytest.mark.parametrize("nth", [3, 20, 60])
def test_a_stop_is_heard_while_adapters_are_merged(
    engine: Engine, small: GenerationRequest, nth: int
) -> None:
    before = fingerprint(engine)
    calls: list[Progress] = []

    def stop(progress: Progress, _: object) -> Stop:
        calls.append(progress)
        return Stop.INTERRUPT if len(calls) == nth else Stop.NO

    drawn = engine.run(replace(small, prompt=ALL), stop)
    assert drawn.stopped
    assert len(calls) == nth
    assert fingerprint(engine) == before


def test_a_skip_heard_while_merging_ends_the_batch(
    engine: Engine, small: GenerationRequest
) -> None:
    calls: list[Progress] = []

    def skip(progress: Progress, _: object) -> Stop:
        calls.append(progress)
        return Stop.SKIP if len(calls) == 20 else Stop.NO

    drawn = engine.run(replace(small, prompt=ALL, sampling=Sampling("Euler", steps=9)), skip)
    assert len(drawn.pictures) == 1
    assert max(call.step for call in calls) < 5
