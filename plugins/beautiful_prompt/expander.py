"""The embedded prompt expander: a table of phrases from the default checkpoint's captions.

It is no language model. It keeps the prompt as it is and adds what the prompt does not speak of:
where the subject stands, the hour, light, weather, hills, the season. A test holds that every
word it adds was in the checkpoint's captions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

Phrases = Sequence[str]

GROUNDS: Mapping[str, Phrases] = MappingProxyType(
    {
        "grass": ("on green grass", "on a meadow"),
        "snow": ("in the snow", "on white snow"),
        "sand": ("on the beach", "on yellow sand"),
        "sea": ("on blue water", "on the sea", "on a lake"),
        "desert": ("in the desert", "on orange sand"),
        "road": ("on the road", "on a street"),
    }
)
TIMES: Mapping[str, Phrases] = MappingProxyType(
    {
        "day": ("under a blue sky", "during the day"),
        "sunset": ("at sunset", "under an orange sky"),
        "night": ("at night", "under a night sky"),
        "dawn": ("at sunrise", "under a pink sky"),
        "dusk": ("at dusk", "under a purple sky"),
    }
)
HINTS: Mapping[str, Phrases] = MappingProxyType(
    {
        "background": ("background",),
        "ground": (
            *("grass", "meadow", "field", "snow", "beach", "sand", "sea", "water", "lake"),
            *("desert", "road", "street"),
        ),
        "time": (
            *("night", "day", "daylight", "sunset", "sunrise", "dawn", "dusk", "evening"),
            *("morning", "sky"),
        ),
        "light": ("sun", "moon"),
        "stars": ("stars", "starry"),
        "hills": ("hills", "mountains", "hill", "mountain"),
        "weather": ("cloud", "clouds", "cloudy", "rain", "rainy", "snowing", "falling"),
        "season": ("spring", "summer", "autumn", "winter"),
    }
)
"""Words by which a prompt speaks of something itself."""

AFLOAT = frozenset({"boat", "ship", "sailboat", "fish", "whale", "duck"})
WHEELED = frozenset({"car", "bus", "truck", "train", "bicycle", "van"})


TINTED = frozenset({"sky", "water", "sand", "grass", "field", "snow", "road"})
COLOURED = frozenset({"blue", "green", "orange", "yellow", "white", "gray", "pink", "purple"})
NIGHTLY = frozenset({"moon", "stars", "starry"})
HILLY = frozenset({"grass", "snow", "desert"})


@dataclass(frozen=True, slots=True)
class PromptScene:
    """Additions to a prompt, in the order in which they are appended."""

    ground: str
    time: str
    hills: bool
    light: str
    weather: str
    season: str


def expand_by_table(prompt: str, count: int, seed: int) -> list[str]:
    """``count`` fuller prompts that begin with ``prompt``; equal for an equal seed.

    Different from each other as long as the table has more to say.
    """
    rng, prompts = Random(seed), []
    for _ in range(count * 8):
        fuller = ", ".join([prompt.strip(" ,"), *_additions(prompt, rng)])
        if fuller not in prompts:
            prompts.append(fuller)
        if len(prompts) == count:
            return prompts
    return (prompts * count)[:count]


def _additions(prompt: str, rng: Random) -> list[str]:
    words = frozenset(prompt.lower().replace(",", " ").split())
    mentioned = {topic for topic, hints in HINTS.items() if not words.isdisjoint(hints)}
    if "background" in mentioned:
        return []  # a plain background is a wish too
    scene = _invent_scene(words, rng)
    parts = {
        "ground": rng.choice(GROUNDS[scene.ground]),
        "time": rng.choice(TIMES[scene.time]),
        "hills": rng.choice(("with hills", "with mountains")) if scene.hills else "",
        "light": scene.light,
        "stars": "with stars" if "moon" in scene.light else "",
        "weather": scene.weather,
        "season": f"in {scene.season}" if scene.season else "",
    }
    return [part for topic, part in parts.items() if part and topic not in mentioned]


def _invent_scene(words: frozenset[str], rng: Random) -> PromptScene:
    """A scene that goes together, as the checkpoint's drawings do: no snow in summer, sun and
    moon in a clear sky, hills behind dry land."""
    place_words = (
        words if words & TINTED else words - COLOURED
    )  # a blue cat stands on no blue water
    time = _find_row(place_words, TIMES) or rng.choices(tuple(TIMES), (4, 3, 3, 2, 1))[0]
    time = "night" if words & NIGHTLY else time
    named_ground = _find_row(place_words, GROUNDS)
    if named_ground or words & AFLOAT:
        ground = named_ground or "sea"
    elif words & WHEELED:
        ground = rng.choice(("road", "road", "grass", "snow"))
    else:
        ground = rng.choices(tuple(GROUNDS), (5, 3, 2, 0, 1, 0))[0]
    light, weather = _choose_sky(words, ground, time, rng)
    season = {"snow": "winter", "grass": rng.choice(("spring", "summer", "autumn"))}.get(ground, "")
    return PromptScene(ground, time, ground in HILLY, light, weather, season)


def _choose_sky(words: frozenset[str], ground: str, time: str, rng: Random) -> tuple[str, str]:
    """A light, or a weather that hides it: never both, and neither against the prompt's own."""
    clouded = not words.isdisjoint(HINTS["weather"])
    lit = not words.isdisjoint((*HINTS["light"], *HINTS["stars"]))
    if not clouded and (lit or rng.random() < 0.6):
        if time == "night":
            return rng.choice(("with a moon", "under the moon")), ""
        return rng.choice(("with a sun", "under the sun")), ""
    wet = ("with falling snow",) if ground == "snow" else ()
    return "", rng.choice(("with clouds", "with white clouds", *wet))


def _find_row(words: frozenset[str], table: Mapping[str, Phrases]) -> str:
    """The row of which the prompt uses a word that no other row has, "" for none."""
    for name, phrases in table.items():
        others = {w for other in table if other != name for p in table[other] for w in p.split()}
        if words & ({word for phrase in phrases for word in phrase.split()} - others):
            return name
    return ""
