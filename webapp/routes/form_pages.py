"""The forms of the login and of invitations, in Chinese and English; they need no script."""

import json
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

from flask import Response, request
from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from webapp.http.content_policy import policy_of


def read_page(name: str) -> str:
    """A file of ``webapp/pages``."""
    return files("webapp").joinpath("pages", name).read_text("utf-8")


PAGES = Environment(autoescape=True, auto_reload=False, loader=PackageLoader("webapp", "pages"))
POLICY = policy_of(read_page("form.html"))
HTML = "text/html; charset=utf-8"
WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(json.loads(read_page("form_words.json")))
"""Each text in English and Chinese; a refusal's under the name of its class."""


def say(key: str, *given: object) -> Markup:
    """A text in both languages; the page shows one."""
    spans = (
        Markup("<span lang={}>{}</span>").format(language, text.format(*given))
        for language, text in WORDS[key].items()
    )
    return Markup("").join(spans)


def render_form(name: str, facts: Mapping[str, object], status: int = 200) -> Response:
    """The page of a template, which nobody keeps."""
    chinese = request.accept_languages.best_match(["en", "zh"]) == "zh"
    text = PAGES.get_template(name).render(
        {**facts, "lang": "zh-CN" if chinese else "en", "say": say}
    )
    answer = Response(text, status, content_type=HTML)
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["Cache-Control"] = "no-store"
    answer.vary.add("Accept-Language")
    return answer
