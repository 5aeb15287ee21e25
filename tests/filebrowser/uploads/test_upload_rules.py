"""What may lie where: the longest folder decides, by ending and by content."""

import json
import os
import struct
from pathlib import Path

import pytest

from filebrowser.access.gate import Place, Root
from filebrowser.errors import WrongContent
from filebrowser.uploads.rules import ContentRules, FolderRule

ROOT = Root("data", Path("/nowhere"))
MODELS = FolderRule(
    *("data", "models", frozenset({".safetensors", ".ckpt", ".txt"}), "Models lie here."),
    weight_endings=frozenset({".safetensors", ".ckpt"}),
)
VAE = FolderRule("data", "models/VAE", frozenset({".pt", ""}), "VAEs alone.")
NO_CODE = FolderRule("data", "", refused_endings=frozenset({".py", ".so"}), why="No code.")
RULES = ContentRules((NO_CODE, MODELS, VAE))


def place(path: str, root: Root = ROOT) -> Place:
    return Place(root, tuple(path.split("/")))


@pytest.mark.parametrize(
    "path",
    ["a.png", "noending", "models/a.ckpt", "models/deep/er/A.CKPT", "models/VAE/x.pt",
     "models/VAE/noending", "modelsx/a.png", "other/models/a.png"],
)  # fmt: skip
def test_names_that_are_let_in(path: str) -> None:
    RULES.check_name(place(path))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("a.py", r"'a\.py' may not lie in /data\. No code\."),
        ("other/deep/a.SO", "No code"),
        ("models/a.png", r"/data/models\. Models lie here\. Taken are: \.ckpt, \.safetensors, "),
        ("models/noending", "Models lie here"),
        ("models", "Models lie here"),  # a file in the place of the folder itself
        ("models/a.ckpt.png", "Models lie here"),
        ("models/VAE/a.ckpt", r"/data/models/VAE\. VAEs alone\. Taken are: \.pt\."),
    ],
)
def test_names_that_are_refused_with_what_is_taken(path: str, reason: str) -> None:
    with pytest.raises(WrongContent, match=reason):
        RULES.check_name(place(path))


def test_a_rule_speaks_of_its_own_tree_alone() -> None:
    RULES.check_name(place("models/a.png", Root("other", Path("/nowhere"))))


def test_without_rules_everything_is_let_in() -> None:
    ContentRules().check_name(place("models/a.py"))


@pytest.mark.parametrize(
    ("path", "weights"),
    [("models/a.ckpt", True), ("a.ckpt", False), ("a.SafeTensors", True), ("models/a.txt", False),
     ("models/VAE/a.pt", False), ("models/VAE/a.safetensors", True)],
)  # fmt: skip
def test_which_names_are_weights(path: str, weights: bool) -> None:
    assert RULES.is_weights(place(path)) is weights


def model() -> bytes:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(8)


@pytest.mark.parametrize(
    ("path", "content", "allowed"),
    [
        ("models/a.safetensors", model(), True),
        ("models/A.SAFETENSORS", model()[:-1], False),
        ("a.safetensors", b"letters!" * 3, False),
        ("models/a.ckpt", b"anything", True),
        ("models/a.png", model(), False),
    ],
)
def test_content_is_judged_by_the_name_that_it_is_to_have(
    tmp_path: Path, path: str, content: bytes, allowed: bool
) -> None:
    (tmp_path / "content").write_bytes(content)
    fd = os.open(tmp_path / "content", os.O_RDONLY)
    try:
        if allowed:
            RULES.check_content(place(path), fd)
        else:
            with pytest.raises(WrongContent):
                RULES.check_content(place(path), fd)
    finally:
        os.close(fd)
