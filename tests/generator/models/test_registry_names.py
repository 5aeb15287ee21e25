"""By which names a model answers (contract sections 2.6, 5.10, 5.12)."""

import unicodedata
from pathlib import Path

import pytest

from generator.errors import ModelNotFound
from generator.models.registry import ModelFile, ModelIndex, ModelKind, natural_key

SHA = "3346f3a1dd51915d31db935a5a52920329d473b4d95a29aa56f53b982830425f"
OTHER = "4740314a9cf85180225c27f366458b2a61c36d288fb8dee4340e1afd577bfec3"
ROOT = Path("/models")


def model(name: str, kind: ModelKind = ModelKind.CHECKPOINT, **facts: object) -> ModelFile:
    return ModelFile(kind, name, ROOT / name, 10, 1, 1, **facts)  # type: ignore[arg-type]


def index(*files: ModelFile, **rest: object) -> ModelIndex:
    return ModelIndex(
        {kind: tuple(f for f in files if f.kind is kind) for kind in ModelKind},
        **rest,  # type: ignore[arg-type]
    )


def test_a_checkpoint_is_named_as_in_the_api() -> None:
    file = model("anime/v1.5.safetensors", sha256=SHA)
    assert file.title == "anime/v1.5.safetensors [3346f3a1dd]"
    assert file.model_name == "anime_v1.5"
    assert file.stem == "v1.5"
    assert file.shorthash == "3346f3a1dd"


def test_without_a_hash_the_title_is_the_name() -> None:
    file = model("anime/v1.5.safetensors")
    assert (file.title, file.shorthash) == ("anime/v1.5.safetensors", None)


@pytest.mark.parametrize(
    "alias",
    [
        "anime/v1.5.safetensors",
        "anime/v1.5.safetensors [3346f3a1dd]",
        "anime/v1.5.safetensors [324f6108]",
        "anime_v1.5",
        "v1.5",
        "v1.5 [3346f3a1dd]",
        "3346f3a1dd",
        SHA,
        "324f6108",
    ],
)
def test_every_exact_alias_finds_it(alias: str) -> None:
    wanted = model("anime/v1.5.safetensors", sha256=SHA, legacy_hash="324f6108")
    here = index(model("other.ckpt", sha256=OTHER, legacy_hash="00000000"), wanted)
    assert here.find_checkpoint(alias) is wanted


def test_an_exact_name_is_not_guessed() -> None:
    here = index(model("anime.safetensors", sha256=SHA))
    for name in ("anim", "anime.ckpt", "Anime", "anime [0000000000]", " anime"):
        with pytest.raises(ModelNotFound):
            here.find_checkpoint(name)


def test_a_path_beats_another_files_stem() -> None:
    flat, deep = model("a.ckpt"), model("sub/a.ckpt")
    here = index(flat, deep)
    assert here.find_checkpoint("sub/a.ckpt") is deep
    assert here.find_checkpoint("a.ckpt") is flat
    assert here.find_checkpoint("sub_a") is deep


def test_the_closest_match_is_the_shortest_title_that_holds_the_words() -> None:
    long, short = model("anime-v2-pruned.safetensors", sha256=OTHER), model("anime-v2.ckpt")
    here = index(long, short)
    assert here.find_checkpoint("anime-v2", exact=False) is short
    assert here.find_checkpoint("pruned", exact=False) is long
    assert here.find_checkpoint("anime-v2-pruned [0123456789]", exact=False) is long
    with pytest.raises(ModelNotFound):
        here.find_checkpoint("photo", exact=False)
    with pytest.raises(ModelNotFound):
        here.find_checkpoint("[0123456789]", exact=False)


def test_no_name_is_the_first() -> None:
    first, second = model("a.ckpt"), model("b.ckpt")
    assert index(first, second).find_checkpoint() is first


def test_what_is_missing_is_told_with_what_is_there() -> None:
    here = index(*(model(f"model{number}.ckpt") for number in range(20)), model("anime.ckpt"))
    with pytest.raises(ModelNotFound, match=r"no checkpoint 'amine'.*anime\.ckpt.*and 13 more"):
        here.find_checkpoint("amine")
    with pytest.raises(ModelNotFound, match=r"Copy one into models/Stable-diffusion"):
        index().find_checkpoint()
    with pytest.raises(ModelNotFound, match=r"no lora yet .*'x'.*models/Lora"):
        index().find(ModelKind.LORA, "x")


def test_a_rejected_file_tells_its_reason() -> None:
    path = Path("/data/models/Stable-diffusion/broken.safetensors")
    here = index(model("a.ckpt"), rejected={path: "broken.safetensors: 5 of 10 bytes are there"})
    for name in ("broken", "broken.safetensors"):
        with pytest.raises(ModelNotFound, match="5 of 10 bytes"):
            here.find_checkpoint(name)


def test_the_only_file_being_broken_is_told() -> None:
    path = Path("/data/models/Stable-diffusion/broken.safetensors")
    here = index(rejected={path: "broken.safetensors: 5 of 10 bytes are there"})
    with pytest.raises(ModelNotFound, match=r"no checkpoint yet.*5 of 10 bytes"):
        here.find_checkpoint()


def test_names_sort_as_a_person_would() -> None:
    names = ["v10", "V2", "b/a", "a", "v1.5", "10", "9"]
    assert sorted(names, key=natural_key) == ["9", "10", "a", "b/a", "v1.5", "V2", "v10"]


def test_a_lora_answers_to_its_stem_and_its_unshared_alias() -> None:
    plain = model("sub/one.safetensors", ModelKind.LORA, metadata={"ss_output_name": "the-one"})
    twins = [
        model(f"{name}.safetensors", ModelKind.LORA, metadata={"ss_output_name": "twin"})
        for name in ("left", "right")
    ]
    reserved = model("x.safetensors", ModelKind.LORA, metadata={"ss_output_name": "none"})
    here = index(plain, *twins, reserved)
    assert here.find(ModelKind.LORA, "one") is here.find(ModelKind.LORA, "the-one") is plain
    assert here.find(ModelKind.LORA, "left") is twins[0]
    for name in ("twin", "none", "One", "lef"):
        with pytest.raises(ModelNotFound):
            here.find(ModelKind.LORA, name)


def test_a_stem_beats_another_files_alias() -> None:
    liar = model("a.safetensors", ModelKind.LORA, metadata={"ss_output_name": "b"})
    honest = model("b.safetensors", ModelKind.LORA)
    assert index(liar, honest).find(ModelKind.LORA, "b") is honest


def test_a_loras_hash_is_that_of_its_payload() -> None:
    told = {"sshs_model_hash": "f" * 64}
    assert model("a.pt", ModelKind.LORA, sha256=SHA).network_hash == SHA[:12]
    assert (
        model("a.pt", ModelKind.LORA, sha256=SHA, payload_sha256=OTHER).network_hash == OTHER[:12]
    )
    assert model("a.pt", ModelKind.LORA, sha256=SHA, metadata=told).network_hash == "f" * 12
    assert model("a.pt", ModelKind.LORA).network_hash is None


def test_embedded_json_is_parsed_for_the_api() -> None:
    file = model("a.pt", ModelKind.LORA, metadata={"a": '{"b": 3}', "c": "{no json", "d": "4"})
    assert file.facts == {"a": {"b": 3}, "c": "{no json", "d": "4"}


@pytest.mark.parametrize(
    ("metadata", "size"),
    [
        ({}, None),
        ({"easel.default_size": "256"}, 256),
        ({"modelspec.resolution": "768x512"}, 768),
        ({"modelspec.resolution": "huge"}, None),
        ({"easel.default_size": "9" * 50}, None),
    ],
)
def test_the_size_that_a_checkpoint_was_trained_at(
    metadata: dict[str, str], size: int | None
) -> None:
    assert model("a.ckpt", metadata=metadata).default_size == size


@pytest.mark.parametrize(
    ("setting", "overrides", "name"),
    [
        ("Automatic", True, "one.vae.pt"),
        ("None", True, None),
        ("other.safetensors", True, "other.safetensors"),
        ("gone.pt", True, None),
        ("other.safetensors", False, "one.vae.pt"),
        ("None", False, "one.vae.pt"),
    ],
)
def test_which_vae_is_loaded(setting: str, overrides: bool, name: str | None) -> None:
    here = index(
        model("one.ckpt"),
        model("one.vae.pt", ModelKind.VAE),
        model("other.safetensors", ModelKind.VAE),
    )
    found = here.vae_for(here.find_checkpoint("one"), setting, overrides)
    assert (found.path.name if found else None) == name


def test_the_vae_that_the_user_noted_beside_a_checkpoint(tmp_path: Path) -> None:
    checkpoint = ModelFile(ModelKind.CHECKPOINT, "one.ckpt", tmp_path / "one.ckpt", 1, 1, 1)
    here = index(checkpoint, model("one.vae.pt", ModelKind.VAE), model("b.pt", ModelKind.VAE))
    note = tmp_path / "one.json"
    for text, name in (
        ('{"vae": "b.pt"}', "b.pt"),
        ('{"vae": "gone.pt"}', "one.vae.pt"),
        ('{"vae": 3}', "one.vae.pt"),
        ("[]", "one.vae.pt"),
        ("{no json", "one.vae.pt"),
    ):
        note.write_text(text)
        found = here.vae_for(checkpoint)
        assert found is not None
        assert found.path.name == name


@pytest.mark.parametrize("name", [" " * 10**6, "[" * 10**6, "a" * 10**6, "a [" + "f" * 10**6])
def test_a_name_of_a_million_characters_is_looked_up_at_once(name: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        index(model("a.ckpt"), model("b.ckpt")).find_checkpoint(name, exact=False)
    assert len(str(caught.value)) < 500


def test_a_title_is_found_without_its_hash() -> None:
    here = index(model("some/cat.ckpt"))
    for title in ("cat [0123abcd]", "cat.ckpt [ff]  "):
        assert here.find_checkpoint(title, exact=False).name == "some/cat.ckpt"
    for title in ("cat []", "cat [xyz]"):
        with pytest.raises(ModelNotFound):
            here.find_checkpoint(title, exact=False)


@pytest.mark.parametrize("kind", [*ModelKind])
@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
@pytest.mark.parametrize("stem", ["Zürich", "Ångström ガギグ", "한국어"])
def test_either_form_of_a_name_finds_the_file(
    kind: ModelKind, forms: tuple[str, str], stem: str
) -> None:
    disk, typed = (unicodedata.normalize(form, stem) for form in forms)  # type: ignore[arg-type]
    assert disk != typed
    file = model(f"{disk}.safetensors", kind)
    for name in (disk, typed, f"{typed}.safetensors"):
        if kind is not ModelKind.LORA or "." not in name:
            assert index(file).find(kind, name) is file
    twin = model(f"{typed}.safetensors", kind)
    both = index(file, twin)
    assert both.find(kind, disk) is file
    assert both.find(kind, typed) is twin


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_vaes_parts_of_titles_and_reasons_go_by_either_form(forms: tuple[str, str]) -> None:
    disk, typed = (unicodedata.normalize(form, "Zürich") for form in forms)  # type: ignore[arg-type]
    checkpoint = model(f"{disk}.safetensors")
    vae = model(f"{typed}.vae.pt", ModelKind.VAE)
    lora = model("a.safetensors", ModelKind.LORA, metadata={"ss_output_name": disk})
    bad = ROOT / f"{disk}2.safetensors"
    here = index(checkpoint, vae, lora, rejected={bad: f"{disk}2.safetensors: cut"})
    assert here.vae_for(checkpoint) is vae
    assert here.vae_for(checkpoint, f"{disk}.vae.pt") is vae
    assert here.find_checkpoint(typed[:-1], exact=False) is checkpoint
    assert here.find_lora(typed) is lora
    with pytest.raises(ModelNotFound, match="cut"):
        here.find_checkpoint(f"{typed}2")


def test_a_folder_of_diffusers_is_found_by_its_name() -> None:
    half = model("b/mse/diffusion_pytorch_model.fp16.safetensors", ModelKind.VAE)
    full = model("b/mse/diffusion_pytorch_model.safetensors", ModelKind.VAE)
    lone = model("diffusion_pytorch_model.safetensors", ModelKind.VAE)
    inner = model("pipe/vae/diffusion_pytorch_model.safetensors", ModelKind.VAE)
    here = index(half, full, lone, inner)
    assert here.find_vae("pipe") is here.find_vae("pipe/vae") is inner
    for name in ("mse", "b/mse", full.name):
        assert here.find_vae(name) is full
    assert here.find_vae("diffusion_pytorch_model.safetensors") is lone
    assert (full.vae_name, lone.vae_name) == ("mse", "diffusion_pytorch_model.safetensors")
