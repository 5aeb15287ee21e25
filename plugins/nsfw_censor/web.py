"""The censor's options, the folders of brought detectors, and how many pictures it withheld."""

from collections.abc import Sequence

from plugins import hook
from plugins.api import Home, Metric, ModelFolder, Setting
from plugins.nsfw_censor.audit import read_counts
from plugins.nsfw_censor.names import (
    ACTIONS,
    BUILT_IN,
    CHECKER_FOLDER,
    CLASSES,
    COMPVIS,
    DETECTORS,
    INSTALL_HINTS,
    NUDENET,
    NUDENET_FOLDER,
)


class Plugin:
    """What is told in the web process; the judging is the worker's."""

    def __init__(self, home: Home) -> None:
        self.home = home

    @hook
    def settings(self) -> Sequence[Setting]:
        """Whatever the action, files are written and answers given without what was withheld."""
        return (
            Setting("action", "black", "What is shown instead; reject fails the request.", ACTIONS),
            Setting("threshold", 0.7, "Least probability that is withheld.", least=0.01, most=1.0),
            Setting(
                "classes",
                ["hentai", "porn"],
                "Classes of the built-in detector whose probabilities are added up.",
                CLASSES,
            ),
            Setting(
                "detectors",
                [BUILT_IN],
                "Who judges; one that finds something is enough. While one of them is not there, "
                f"nothing is drawn. For {COMPVIS}: {INSTALL_HINTS[COMPVIS]}. For {NUDENET}: "
                f"{INSTALL_HINTS[NUDENET]}.",
                DETECTORS,
            ),
            Setting(
                "nudenet_threshold",
                0.25,
                f"Least confidence of {NUDENET} that is withheld.",
                least=0.01,
                most=1.0,
            ),
            Setting(
                "callers",
                {},
                'Other rules for some callers: {"ann": {"threshold": 0.4}, "owner": {"off": '
                "true}}.",
            ),
        )

    @hook
    def model_folders(self) -> Sequence[ModelFolder]:
        """Where detectors are put that are not shipped."""
        return (
            ModelFolder("safety_checker", CHECKER_FOLDER),
            ModelFolder("nudenet", NUDENET_FOLDER, suffixes=(".onnx",)),
        )

    @hook
    def metrics(self) -> Sequence[Metric]:
        """The audit count."""
        return (
            Metric(
                "withheld",
                "Pictures withheld",
                lambda: read_counts(self.home.storage),
                ("stage", "action", "user"),
                counter=True,
            ),
        )
