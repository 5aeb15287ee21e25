"""The table that tells files apart: each kind by one row, and no order decides in silence."""

import pytest

from generator.models.families.architecture import Architecture, Shapes
from generator.models.families.detection import TensorNames, architecture_of, holds
from generator.models.families.detection_table import RULES, Layout, Rule
from tests.generator.models.architecture_fixtures import FIXTURES

NOT_OF_THE_TABLE = {Architecture.OTHER, Architecture.UNKNOWN}
IDS = [f"{architecture.name}-{layout.name}" for architecture, layout, _ in FIXTURES]


def rows_of(shapes: Shapes) -> list[Rule]:
    """The rows that hold for a file, without those that stand back for another one of them."""
    names = TensorNames(shapes)
    held = [rule for rule in RULES if holds(rule, names)]
    special = {rule.architecture for rule in held}
    return [rule for rule in held if not special.intersection(rule.yields_to)]


@pytest.mark.parametrize(("architecture", "layout", "shapes"), FIXTURES, ids=IDS)
def test_one_row_alone_holds_for_a_file(
    architecture: Architecture, layout: Layout, shapes: Shapes
) -> None:
    assert [rule.architecture for rule in rows_of(shapes)] == [architecture]
    assert architecture_of(shapes) is architecture


def test_every_row_and_every_kind_has_a_file() -> None:
    tried = {id(rule) for _, _, shapes in FIXTURES for rule in rows_of(shapes)}
    assert [rule for rule in RULES if id(rule) not in tried] == []
    kinds = {architecture for architecture, _, _ in FIXTURES}
    assert set(Architecture) - kinds == NOT_OF_THE_TABLE


def test_a_general_row_stands_below_those_that_it_yields_to() -> None:
    for index, rule in enumerate(RULES):
        above = {each.architecture for each in RULES[:index]}
        assert above.issuperset(rule.yields_to), rule
        assert rule.architecture not in rule.yields_to


def test_no_tensor_of_a_row_is_idle() -> None:
    """Without any name that its row requires, a file is no longer told by that row."""
    for _, _, shapes in FIXTURES:
        (rule,) = rows_of(shapes)
        for pattern in rule.required:
            without = {
                name: shape
                for name, shape in shapes.items()
                if not TensorNames({name: shape}).has(pattern)
            }
            assert not holds(rule, TensorNames(without)), (rule, pattern)
