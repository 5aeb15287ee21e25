"""Who restores the faces of a request's pictures, looked up before it is queued."""

from collections.abc import Mapping

from generator.errors import ModelNotFound
from generator.faces.restorer_files import find_any_restorer, find_restorer
from webapp.requests.context import RequestContext
from webapp.requests.fields import GenerationBody


def choose_face_restorer(
    body: GenerationBody, overrides: Mapping[str, object], context: RequestContext
) -> str:
    """The name of the restorer; "" where none is asked for, or none is here, which is told.

    NULL in ``restore_faces`` leaves it to the options. Where the one of the options cannot be used,
    another that is here stands in for it, and that is told.
    """
    options = {**context.options, **overrides}
    if not (options.get("face_restoration") if body.restore_faces is None else body.restore_faces):
        return ""
    wanted = str(options.get("face_restoration_model"))
    try:
        return find_restorer(context.models, wanted, codeformer=context.codeformer).name
    except ModelNotFound as error:
        reason = str(error).rstrip(".")
    other = find_any_restorer(context.models, codeformer=context.codeformer)
    if other is not None:
        context.add_remark(f"restore_faces: {other.name} restored them, for {reason}.")
        return other.name
    context.add_remark(f"restore_faces: faces are as drawn, for {reason}.")
    return ""
