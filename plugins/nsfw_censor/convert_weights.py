"""Makes ``weights.safetensors`` from the npm package ``nsfwjs`` (MIT).

``npm pack nsfwjs@4.3.0``, unpack it, and ``python -m plugins.nsfw_censor.convert_weights
PACKAGE_FOLDER``. The package carries a Keras MobileNetV2 in two scripts: the topology with the
quantisation of each tensor, and all bytes in base64. Both are read as text here; nothing of them is
run.
"""

import base64
import json
import math
import re
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

FOLDER = "dist/models/mobilenet_v2"
TOPOLOGY, BYTES = "model.min.js", "group1-shard1of1.min.js"
TARGET = Path(__file__).with_name("weights.safetensors")


def decode_package(package: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors as stored, one byte a value, and their scale and least value as ``__metadata__``.

    value = least + scale * byte. Raises ``ValueError`` where the package looks otherwise.
    """
    folder = package / FOLDER
    blob = base64.b64decode(_literal(folder / BYTES, r'"([A-Za-z0-9+/=]{100000,})"'))
    tensors, scales, at = {}, {}, 0
    for entry in _manifest((folder / TOPOLOGY).read_text()):
        length, quantised = math.prod(entry["shape"]), entry["quantization"]
        if quantised["dtype"] != "uint8":
            raise ValueError(f"{entry['name']} is stored as {quantised['dtype']}, not as uint8.")
        values = torch.frombuffer(bytearray(blob[at : at + length]), dtype=torch.uint8)
        tensors[entry["name"]] = values.reshape(entry["shape"]).clone()
        scales[entry["name"]] = json.dumps([quantised["min"], quantised["scale"]])
        at += length
    if at != len(blob):
        raise ValueError(f"{len(blob) - at} bytes are left over.")
    return tensors, scales


def _literal(path: Path, pattern: str) -> str:
    match = re.search(pattern, path.read_text())
    if not match:
        raise ValueError(f"{path} does not hold what nsfwjs 4.3.0 has there.")
    return match[1]


def _manifest(script: str) -> list[dict]:
    # Unquoted keys and ".5" are JavaScript's, not JSON's.
    match = re.search(r"weightsManifest:(\[\{.*?\}\]\}\])", script, re.S)
    if not match:
        raise ValueError("The topology holds no list of weights.")
    text = re.sub(r"([{,])([A-Za-z_]\w*):", r'\1"\2":', match[1])
    text = re.sub(r"(?<=[:\[,])(-?)\.(\d)", r"\g<1>0.\2", text)
    return json.loads(text)[0]["weights"]


def main() -> None:
    """Write the file beside this module."""
    tensors, scales = decode_package(Path(sys.argv[1]))
    notice = {"source": "nsfwjs 4.3.0, mobilenet_v2", "licence": "MIT, see NSFWJS-LICENSE"}
    save_file(tensors, TARGET, {**notice, **scales})
    print(f"{TARGET}: {len(tensors)} tensors, {TARGET.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
