"""Who restores the faces of a request's pictures, looked up before it is queued."""

from collections.abc import Mapping

from generator.faces.restorer_files import choose_restorer
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
    files, remark = choose_restorer(context.models, wanted, codeformer=context.codeformer)
    if remark:
        context.add_remark(f"restore_faces: {remark}")
    return files.name if files else ""
