"""The embedded prompt writer: a table of phrases that the default checkpoint has learned.

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


@dataclass(frozen=True, slots=True)
class Scene:
    """What may be added to a subject, in the order in which it is said."""

    ground: str
    time: str
    hills: bool
    weather: str
    season: str


def expand(prompt: str, count: int, seed: int) -> list[str]:
    """``count`` fuller prompts that begin with ``prompt``; equal for an equal seed.

    Different from each other as long as the table has more to say.
    """
    rng, found = Random(seed), []
    for _ in range(count * 8):
        fuller = ", ".join([prompt.strip(" ,"), *_added(prompt, rng)])
        if fuller not in found:
            found.append(fuller)
        if len(found) == count:
            return found
    return (found * count)[:count]


def _added(prompt: str, rng: Random) -> list[str]:
    words = frozenset(prompt.lower().replace(",", " ").split())
    said = {topic for topic, hints in HINTS.items() if not words.isdisjoint(hints)}
    if "background" in said:
        return []  # a plain background is a wish too
    scene = _imagined(words, rng)
    parts = {
        "ground": rng.choice(GROUNDS[scene.ground]),
        "time": rng.choice(TIMES[scene.time]),
        "hills": rng.choice(("with hills", "with mountains")) if scene.hills else "",
        "light": _light(scene.time, rng),
        "stars": "with stars" if scene.time == "night" else "",
        "weather": scene.weather,
        "season": f"in {scene.season}" if scene.season else "",
    }
    return [part for topic, part in parts.items() if part and topic not in said]


def _imagined(words: frozenset[str], rng: Random) -> Scene:
    """A scene that goes together: no snow in summer, no clouds over the stars."""
    time = _named(words, TIMES) or rng.choices(tuple(TIMES), (4, 3, 3, 2, 1))[0]
    named = _named(words, GROUNDS)
    if named or words & AFLOAT:
        ground = named or "sea"
    elif words & WHEELED:
        ground = rng.choice(("road", "road", "grass", "snow"))
    else:
        ground = rng.choices(tuple(GROUNDS), (5, 2, 2, 1, 1, 1))[0]
    weather = rng.choice(("with clouds", "with white clouds", "")) if time != "night" else ""
    season = {"snow": "winter", "grass": rng.choice(("spring", "summer", "autumn"))}.get(ground, "")
    if ground == "snow" and rng.random() < 0.4:
        weather = "with falling snow"
    return Scene(ground, time, ground != "sea" or rng.random() < 0.5, weather, season)


def _named(words: frozenset[str], table: Mapping[str, Phrases]) -> str:
    """The row of which the prompt uses a word that no other row has, "" for none."""
    for name, phrases in table.items():
        others = {w for other in table if other != name for p in table[other] for w in p.split()}
        if words & ({word for phrase in phrases for word in phrase.split()} - others):
            return name
    return ""


def _light(time: str, rng: Random) -> str:
    if time == "night":
        return rng.choice(("with a moon", "under the moon"))
    return rng.choice(("with a sun", "under the sun")) if time != "dusk" else ""
