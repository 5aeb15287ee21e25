"""The tensors of a VAE file under the names that they have in a checkpoint. No torch."""

from collections.abc import Mapping

from generator.errors import WrongArchitecture
from generator.model_tools.averages import EMA
from generator.models.families.ldm.keys import ldm_vae_names
from generator.models.header import TensorEntry

VAE = "first_stage_model."
VAE_LOSS = "loss."  # of a VAE's training


def bake_vae(
    file: str, tensors: Mapping[str, TensorEntry], weights: Mapping[str, TensorEntry]
) -> dict[str, TensorEntry]:
    """The VAE ``file`` in place of that in ``weights``. Raises :class:`WrongArchitecture`."""
    bare = {
        name.removeprefix(VAE): entry
        for name, entry in tensors.items()
        if not name.startswith((EMA, VAE_LOSS))
    }
    names = ldm_vae_names(bare)
    baked = {f"{VAE}{names[name]}": entry for name, entry in bare.items()}
    own = {name for name in weights if name.startswith(VAE)}
    shared = own & baked.keys()
    for name in shared:
        if weights[name].shape != baked[name].shape:
            raise WrongArchitecture(
                f"vae: {name} is {list(baked[name].shape)} in {file} and "
                f"{list(weights[name].shape)} in the checkpoint: it is a VAE of another kind"
            )
    has_decoder = any(name.startswith(f"{VAE}decoder.") for name in baked)
    if not has_decoder or (own and not shared):
        raise WrongArchitecture(f"vae: {file} holds no VAE of such a checkpoint")
    return baked
