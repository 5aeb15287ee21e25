"""Prompts of the score, with held-out combinations, and their expected answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from training.caption import PLACE_PHRASES, add_colour, plural, with_article
from training.composition import FULL, place_related, place_several
from training.objects import OBJECTS
from training.palette import COLOURS
from training.scene import (
    PLACES,
    RELATIONS,
    SIZES,
    DrawnScene,
    Plain,
    Scenic,
    Thing,
    held_out,
    held_out_count,
    held_out_pair,
)

WHEN: Mapping[str, str] = MappingProxyType(
    {"day": "under a blue sky", "night": "at night", "sunset": "at sunset"}
)
WHERE: Mapping[str, str] = MappingProxyType(
    {"grass": "on green grass", "snow": "in the snow", "sand": "on the beach"}
)
_COUNTS = ("", "one", "two", "three", "four")


@dataclass(frozen=True)
class ScorePrompt:
    """One prompt with what the picture must show, as labels of ``scene``.

    ``kind`` is ``alone``, ``scenery``, ``pair`` or ``count``; fields that it does not ask for are
    empty. A pair has two names and two colours, in the order of the relation.
    """

    kind: str
    prompt: str
    names: tuple[str, ...]
    colours: tuple[str, ...]
    background: str = ""
    place: str = ""
    relation: str = ""
    count: int = 1
    time: str = ""
    ground: str = ""


def make_questions(count: int, seed: int = 1) -> tuple[ScorePrompt, ...]:
    """``count`` different questions: of ten, five alone, one in scenery, three pairs, one count."""
    rng = Random(seed)
    chosen: list[ScorePrompt] = []
    for make in (_ROUND[k % len(_ROUND)] for k in range(count)):
        number = sum(question.kind == _KINDS[make] for question in chosen)
        question = make(rng, number)
        while question in chosen:
            question = make(rng, number)
        chosen.append(question)
    return tuple(chosen)


def true_scene(question: ScorePrompt, seed: int = 0) -> DrawnScene:
    """What the drawing program draws for the question: the ruler's own check."""
    rng = Random(seed)
    if question.kind == "pair":
        names, colours = question.names[:2], question.colours[:2]
        things = place_related(
            question.relation, (names[0], names[1]), (colours[0], colours[1]), rng
        )
        return DrawnScene(things, Plain(question.background), question.relation)
    if question.kind == "count":
        things = place_several(question.count, question.names[0], question.colours[0], rng)
        return DrawnScene(things, Plain(question.background))
    reach = SIZES["medium"]
    x, y = (min(max(c, reach), 1 - reach) for c in PLACES[question.place])
    thing = Thing(question.names[0], question.colours[0], "medium", question.place, x, y, reach)
    if question.kind == "alone":
        return DrawnScene((thing,), Plain(question.background))
    return DrawnScene((thing,), Scenic(question.ground, question.time, "clear", "summer", 0.62))


def _two_colours(rng: Random) -> tuple[str, str]:
    """Colours that a ruler can tell apart."""
    while True:
        first, second = rng.sample(list(COLOURS), 2)
        if {first, second} != {"white", "gray"}:
            return first, second


def _describe(name: str, colour: str) -> str:
    return with_article(add_colour(name, colour, OBJECTS[name].names[0], Random(0)))


def _alone(rng: Random, number: int) -> ScorePrompt:
    place = list(PLACES)[number % len(PLACES)]
    while True:
        name, (colour, background) = rng.choice(list(OBJECTS)), _two_colours(rng)
        if held_out(name, colour, place):
            where = PLACE_PHRASES[place][0]
            prompt = f"{_describe(name, colour)} {where} on {with_article(background)} background"
            return ScorePrompt("alone", prompt, (name,), (colour,), background, place)


def _scenery(rng: Random, number: int) -> ScorePrompt:
    grounded = [name for name, entry in OBJECTS.items() if entry.home == "ground"]
    time, ground = list(WHEN)[number % 3], list(WHERE)[number // 3 % 3]
    while True:
        name, colour = rng.choice(grounded), rng.choice(("red", "purple", "blue", "pink", "brown"))
        place = rng.choice(("left", "center", "right"))
        if held_out(name, colour, place):
            where = "" if place == "center" else f" {PLACE_PHRASES[place][0]}"
            prompt = f"{_describe(name, colour)}{where} {WHERE[ground]} {WHEN[time]}"
            return ScorePrompt(
                "scenery", prompt, (name,), (colour,), place=place, time=time, ground=ground
            )


def _pair(rng: Random, number: int) -> ScorePrompt:
    relation = RELATIONS[number % len(RELATIONS)]
    words = {"left of": "to the left of", "right of": "to the right of"}.get(relation, relation)
    while True:
        first = rng.choice(list(OBJECTS))
        second = rng.choice(FULL if relation == "inside" else list(OBJECTS))
        colours = tuple(rng.sample(("red", "yellow", "green", "blue", "pink", "black"), 2))
        if first != second and held_out_pair(first, relation, second):
            descriptions = _describe(first, colours[0]), _describe(second, colours[1])
            background = "white" if "black" in colours or rng.random() < 0.5 else "gray"
            prompt = f"{descriptions[0]} {words} {descriptions[1]} on a {background} background"
            return ScorePrompt(
                "pair", prompt, (first, second), colours, background, relation=relation
            )


def _count(rng: Random, number: int) -> ScorePrompt:
    count = 2 + number % 3
    while True:
        name, (colour, background) = rng.choice(list(OBJECTS)), _two_colours(rng)
        if not OBJECTS[name].wears and held_out_count(count, name, colour):
            several_of = f"{_COUNTS[count]} {colour} {plural(OBJECTS[name].names[0])}"
            prompt = f"{several_of} on {with_article(background)} background"
            return ScorePrompt("count", prompt, (name,), (colour,), background, count=count)


_KINDS: Mapping[Callable[[Random, int], ScorePrompt], str] = MappingProxyType(
    {_alone: "alone", _scenery: "scenery", _pair: "pair", _count: "count"}
)
_ROUND = (_alone, _pair, _alone, _scenery, _alone, _pair, _alone, _count, _alone, _pair)
