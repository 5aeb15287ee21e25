"""What a file is that is no model of its suffix, told by its first bytes, and what to do."""

import re

START_BYTES = 512  # that are looked at
_WEB_PAGE = re.compile(rb"\s*<(!doctype html|html|head|body|\?xml|!--)", re.IGNORECASE)
_BY_START = (
    (b"version https://git-lfs", "a pointer of Git LFS. Fetch the file itself (git lfs pull)"),
    (b"GGUF", "a GGUF file. Rename it to .gguf"),
    (b"PK\x03\x04", "a zip. Rename it to .ckpt if torch.save wrote it, else unpack it"),
    (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9", "a file of torch.save. Rename it to .ckpt or .pt"),
    (b"\x89PNG", "a picture. Move it elsewhere"),
    (b"\xff\xd8\xff", "a picture. Move it elsewhere"),
    (b"RIFF", "a picture or a sound. Move it elsewhere"),
    (b"%PDF", "a PDF. Move it elsewhere"),
    (b"7z\xbc\xaf\x27\x1c", "an archive. Unpack it"),
    (b"Rar!", "an archive. Unpack it"),
    (b"\x1f\x8b", "a compressed file. Unpack it"),
)


def describe_content(start: bytes) -> str:
    """What a file is and what to do with it, by its first bytes; "" where they do not tell."""
    if not start:
        return "empty. The copy or the download failed: copy it again"
    if _WEB_PAGE.match(start):
        return "a web page: the download brought an error or a login. Download it again"
    for mark, words in _BY_START:
        if start.startswith(mark):
            return words
    if start[:1] in (b"{", b"["):
        return "a text, as servers answer an error. Download it again"
    length = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and 2 <= length < 1 << 27:
        return "a safetensors file. Rename it to .safetensors"
    return ""
