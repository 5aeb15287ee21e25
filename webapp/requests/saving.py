"""Where the pictures of a body are saved (contract sections 1.5, 1.6, 6.5; the vendor's guide)."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from webapp import eas
from webapp.queues.frames import Saving
from webapp.requests.accepting import Accepted


def saving(
    accepted: Accepted, options: Mapping[str, object], data_dir: Path, mounts: Sequence[str]
) -> Saving | None:
    """Folders and rules, or None. ``save_dir`` saves whatever ``save_images`` says.

    Raises ``Refused`` for a folder outside the data directory's part for pictures.
    """
    route, extras, body = accepted.body.route, accepted.extras, accepted.body
    if extras is not None and extras.save_dir is not None:
        place = eas.locate(extras.save_dir, data_dir, mounts)
        inner = PurePosixPath(place.relative)
        folders = (str(inner / f"{route}-images"), str(inner / f"{route}-grids"))
        return Saving(*folders, "vendor", place.prefix)
    if not body.save_images:
        return None
    chosen = {**options, **(body.override_settings or {})}
    samples = eas.locate(str(chosen[f"outdir_{route}_samples"]), data_dir, mounts, trusted=True)
    grids = eas.locate(str(chosen[f"outdir_{route}_grids"]), data_dir, mounts, trusted=True)
    return Saving(
        samples.relative,
        grids.relative,
        "easel",
        samples.prefix,
        save_samples=bool(chosen["samples_save"]),
        save_grid=bool(chosen["grid_save"]),
        return_grid=bool(chosen["return_grid"]),
    )
