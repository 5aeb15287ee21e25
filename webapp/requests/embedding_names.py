"""The learned words that a request names and that are here when it is queued."""

from collections.abc import Iterator

from generator.models.kinds import ModelKind
from generator.prompt.embedding_names import find_named
from generator.request import GenerationRequest
from webapp.requests.context import RequestContext


def name_embeddings(request: GenerationRequest, context: RequestContext) -> tuple[str, ...]:
    """Names of embeddings here that its prompts, styles and script name, in the list's order.

    A worker that has no such file any more when it draws tells so: it would be plain text.
    """
    files = context.models.index.files_of(ModelKind.EMBEDDING)
    names = dict.fromkeys(file.stem for file in files)
    return find_named(names, "\n".join(_texts(request, context))) if names else ()


def _texts(request: GenerationRequest, context: RequestContext) -> Iterator[str]:
    yield from (request.prompt, request.negative_prompt)
    if request.hires:
        yield from (request.hires.prompt, request.hires.negative_prompt)
    if request.script:
        yield from (value for value in request.script.arguments if isinstance(value, str))
    styles = context.styles() if request.styles else {}
    for style in (styles[name] for name in request.styles if name in styles):
        yield from (style.prompt, style.negative_prompt)
