"""Long bodies of JSON: read as Python reads them, without four bytes for each character."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.errors import TooLarge
from webapp.http import request_json
from webapp.http.request_json import MAX_WIDE_STRING, check_values, decode_json

MIB = 2**20
WORDS = st.text(st.sampled_from('ab"\\/u é红😀\n\ud800'), max_size=12)
VALUES = st.recursive(
    st.none() | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
)


@settings(max_examples=60)
@given(VALUES, st.booleans())
def test_what_is_escaped_means_the_same(value: object, escapes: bool) -> None:
    data = json.dumps(value, ensure_ascii=escapes).encode("utf-8", "surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_json, "PIECE_BYTES", 7)
        assert json.loads(decode_json(data)) == value


@pytest.mark.parametrize(
    "text",
    [
        "😀" + "a" * 3 * MIB,
        "a" * 3 * MIB + "红",
        '\\"' * 2 * MIB + "红",
        "\\\\" * 2 * MIB + "红",
        "a" * 3 * MIB + "\\u7ea2",
        "\\u7ea2" + "a" * 3 * MIB,
        "a" * (2 * MIB + 4) + "\\u7ea2",
    ],
    ids=["first", "last", "behind quotes", "behind slashes", "escaped", "escaped first", "border"],
)
def test_a_long_string_beyond_ascii_is_refused(text: str) -> None:
    with pytest.raises(TooLarge, match="beyond ASCII"):
        decode_json(f'{{"prompt": "{text}"}}'.encode())


def test_words_in_any_script_come_with_long_pictures() -> None:
    body = {
        "prompt": "红房子 😀" * 1000,
        "init_images": ["a" * 3 * MIB],
        "negative_prompt": "é" * 99,
    }
    for escapes in (False, True):
        data = json.dumps(body, ensure_ascii=escapes).encode()
        check_values(data)
        text = decode_json(data)
        assert text.isascii()  # a byte a character
        assert json.loads(text) == body


def test_long_bodies_of_other_encodings_and_of_many_wide_characters_are_refused() -> None:
    with pytest.raises(TooLarge, match="UTF-8"):
        decode_json(('"' + "a" * MIB + '"').encode("utf-16"))
    with pytest.raises(TooLarge, match="beyond ASCII"):
        decode_json(json.dumps(["红" * 100_000] * 20, ensure_ascii=False).encode())
    with pytest.raises(UnicodeDecodeError):
        decode_json(b'["' + b"a" * MAX_WIDE_STRING + b'", "\xff"]')
