"""Gives a network fewer rows at a time where memory does not hold all of a call's."""

from collections.abc import Callable

import torch
from torch import Tensor

from generator.models.memory_relief import MemoryRelief
from generator.sampling.predictor import Predict, Rows

SPLIT = "Memory ran out: the rows of a batch were drawn fewer at a time."


class RowSplitter:
    """Callable as :data:`Predict`: rows that do not fit are predicted in halves, from then on.

    Each row's answer is the same whatever it is computed with. ``remember`` is called before an
    attempt and returns what undoes its changes: draws from generators, above all.
    """

    def __init__(
        self,
        predict: Predict,
        relief: MemoryRelief,
        remember: Callable[[], Callable[[], None]] | None = None,
    ) -> None:
        self._predict = predict
        self._relief = relief
        self._remember = remember or (lambda: lambda: None)
        self._most: int | None = None  # rows that fitted; None: all so far

    def __call__(self, x: Tensor, t: Tensor, context: Tensor, rows: Rows) -> Tensor:
        """The prediction for all ``rows``. Raises the memory's error where one does not fit."""
        if self._most is not None and len(x) > self._most:
            return self._in_parts(x, t, context, rows, self._most)
        if len(x) == 1:
            return self._relief.run(
                lambda: self._predict(x, t, context, rows), restore=self._remember(), here=True
            )
        return self._relief.run(
            lambda: self._predict(x, t, context, rows),
            (
                SPLIT,
                lambda: self._in_parts(x, t, context, rows, (len(x) + 1) // 2),
            ),
            restore=self._remember(),
            here=True,  # the call may wait for those of other jobs
        )

    def _in_parts(self, x: Tensor, t: Tensor, context: Tensor, rows: Rows, most: int) -> Tensor:
        self._most = most
        spans = [slice(start, start + most) for start in range(0, len(x), most)]
        return torch.cat([self(x[s], t[s], context[s], rows.part(s)) for s in spans])
