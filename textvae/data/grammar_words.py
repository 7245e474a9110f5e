"""The words of the embedded corpus: eight topics that share some of their words, and what all topics share.

Within a topic any agent fits any verb and any verb any object, so that each is an independent choice. Agents,
adjectives, verbs and places are shared by more topics than objects: a topic comes to light along the sentence.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

VOWELS = "aeiou"
SIBILANTS = ("s", "x", "sh", "ch")


class Noun(NamedTuple):
    """An agent in both numbers."""

    singular: str
    plural: str


class Verb(NamedTuple):
    """base (to paint), third (she paints), past (painted: also the participle; no other verbs are used)."""

    base: str
    third: str
    past: str


def add_s(word: str) -> str:
    """Regular plural of a noun, and third person of a verb."""
    if word.endswith("y") and word[-2] not in VOWELS:
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(SIBILANTS) else "s")


def add_ed(word: str) -> str:
    """Regular past of a verb that doubles no consonant."""
    if word.endswith("y") and word[-2] not in VOWELS:
        return word[:-1] + "ied"
    return word + ("d" if word.endswith("e") else "ed")


def inflected(entry: str) -> Noun:
    """Of "baker", or "man:men" where the plural is irregular."""
    singular, _, plural = entry.partition(":")
    return Noun(singular, plural or add_s(singular))


def conjugated(entry: str) -> Verb:
    """Of "paint", or "build:built" where the past is irregular."""
    base, _, past = entry.partition(":")
    return Verb(base, add_s(base), past or add_ed(base))


@dataclass(frozen=True)
class Topic:
    """The words of a topic, each list one string; `places` are phrases parted by "|".

    agents do something, adjectives describe them; objects have it done to them, qualities describe those.
    """

    name: str
    agents: str
    adjectives: str
    verbs: str
    qualities: str
    objects: str
    places: str
    nouns: tuple[Noun, ...] = field(init=False)
    actions: tuple[Verb, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nouns", tuple(inflected(entry) for entry in self.agents.split()))
        object.__setattr__(self, "actions", tuple(conjugated(entry) for entry in self.verbs.split()))


TOPICS = (
    Topic(
        "music",
        agents="pianist violinist drummer singer student",
        adjectives="young famous talented",
        verbs="play record practise rehearse perform",
        qualities="new slow difficult",
        objects="song melody waltz symphony opera",
        places="in the hall|in the studio|at the festival",
    ),
    Topic(
        "theatre",
        agents="actor dancer director singer assistant",
        adjectives="famous talented friendly",
        verbs="watch direct film rehearse perform",
        qualities="new long strange",
        objects="comedy tragedy drama scene opera",
        places="on the stage|in the theatre|at the festival",
    ),
    Topic(
        "school",
        agents="pupil librarian teacher student professor",
        adjectives="young clever curious",
        verbs="read:read copy discuss explain study",
        qualities="short long difficult",
        objects="lesson essay chapter poem formula",
        places="in the classroom|in the library|in the hall",
    ),
    Topic(
        "science",
        agents="scientist chemist physicist professor engineer",
        adjectives="clever curious experienced",
        verbs="test publish present explain study",
        qualities="new strange important",
        objects="theory experiment result method formula",
        places="in the laboratory|in the library|at the institute",
    ),
    Topic(
        "medicine",
        agents="doctor nurse surgeon student assistant",
        adjectives="careful friendly experienced",
        verbs="treat examine photograph check study",
        qualities="small serious painful",
        objects="wound injury burn rash infection",
        places="in the hospital|at the clinic|in the village",
    ),
    Topic(
        "cooking",
        agents="chef baker cook assistant owner",
        adjectives="careful local friendly",
        verbs="prepare serve taste heat sell:sold",
        qualities="fresh hot delicious",
        objects="soup stew bread pie rice",
        places="in the kitchen|at the restaurant|in the village",
    ),
    Topic(
        "farming",
        agents="farmer shepherd gardener owner worker",
        adjectives="old local strong",
        verbs="plant harvest water check sell:sold",
        qualities="fresh cheap golden",
        objects="wheat barley cotton corn rice",
        places="in the valley|on the hill|near the river",
    ),
    Topic(
        "sailing",
        agents="sailor captain skipper worker engineer",
        adjectives="old strong experienced",
        verbs="repair paint clean inspect check",
        qualities="small old wooden",
        objects="boat ship ferry yacht canoe",
        places="at the harbour|along the coast|near the river",
    ),
)

DETERMINERS = {
    "singular": {"the": 0.5, "a": 0.25, "our": 0.15, "this": 0.1},
    "plural": {"the": 0.5, "some": 0.2, "our": 0.15, "these": 0.1, "two": 0.05},
}
PRONOUNS = {"singular": "he she", "plural": "they"}

# Where a phrase stands under two keys it is shared, and does not tell which of the two governs the sentence.
TIMES = {
    "past": "yesterday|last week|last month|on monday|this morning|this week",
    "present": "every day|every week|every morning|on sundays|these days",
    "future": "tomorrow|next week|next month|on monday|this evening|this week",
    "perfect": "recently|lately|this morning|this week|today",
}
MOODS = {"affirmative": "happy cheerful proud eager busy", "negative": "tired angry nervous lazy busy"}
MANNERS = {
    "affirmative": "with great care|with pleasure|in a hurry|once more|without help|as planned",
    "negative": "at all|properly|on time|again|without help|as planned",
}
REASONS = {
    "affirmative": "hopeful confident curious proud eager happy bored busy",
    "negative": "ill late afraid tired angry nervous bored busy",
}
DEGREES = {"affirmative": "very so quite", "negative": "very so too"}
COMMENTS = {
    "affirmative": "we are glad that|how wonderful that|luckily|we heard that|people say that|it seems that",
    "negative": "we are sorry that|what a pity that|sadly|we heard that|people say that|it seems that",
}
ATTITUDES = {"affirmative": "agree decide manage promise", "negative": "refuse fail decline hesitate"}
QUESTIONS = {"affirmative": "why how", "negative": "why"}
