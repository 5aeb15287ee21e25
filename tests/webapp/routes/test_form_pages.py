"""The forms of the login and of invitations: their words, and what the page calls refusals."""

import inspect
import json
import re
from typing import Any

import pytest

from tests.conftest import ROOT
from webapp.access.credentials import build_credentials
from webapp.accounts import errors
from webapp.errors import NamedRefusal
from webapp.routes.form_pages import WORDS, say

REFUSALS = {
    name
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, NamedRefusal) and kind is not NamedRefusal
}
OF_LOGGED_IN_ONES = {"WrongOldPassword", "OnlyAdmin"}


def test_each_refusal_has_words_in_both_languages() -> None:
    assert len(REFUSALS) > 5
    assert set(WORDS) >= REFUSALS - OF_LOGGED_IN_ONES
    for language in ("en", "zh"):
        page = json.loads((ROOT / f"static/locales/account/{language}.json").read_text())
        assert set(page["account"]["refusal"]) == REFUSALS
    assert all(set(texts) == {"en", "zh"} for texts in WORDS.values())


def test_each_text_of_the_templates_is_there_and_used() -> None:
    sources = "".join(
        path.read_text()
        for folder, ending in (("pages", "html"), ("routes", "py"))
        for path in (ROOT / "webapp" / folder).rglob(f"*.{ending}")
    )
    unused = [
        key for key in WORDS if key not in REFUSALS and not re.search(f"['\"]{key}['\"]", sources)
    ]
    assert unused == ["as_admin", "as_member", "as_viewer"]  # by the role's name
    assert say("wait", 7).count("7") == 2


@pytest.mark.parametrize(
    ("accepted", "language"), [("de, en", "en"), ("zh-CN, zh;q=0.9", "zh-CN"), ("", "en")]
)
def test_the_login_page_speaks_the_browsers_language(
    build: Any, accepted: str, language: str
) -> None:
    page = build().client().get("/login", headers={"Accept-Language": accepted})
    assert f'<html lang="{language}">' in page.text
    assert page.headers["Cache-Control"] == "no-store"


def test_a_refused_name_stays_in_its_field_and_is_no_markup(build: Any) -> None:
    client = build(build_credentials("s3cret-token", (("ann", "pw1"),))).client()
    page = client.post("/login", data={"username": "<b>ann", "password": "wrong"})
    assert page.status_code == 401
    assert 'value="&lt;b&gt;ann"' in page.text
    assert "Wrong name, password or token." in page.text
