"""From a sentence's plan to its words: the rules of the embedded corpus.

The plan governs words all along the sentence: its topic the nouns, verbs, adjectives and places; tense and
number the verb group, pronoun and time; polarity negation, moods, manners and reasons; and the pattern their order.
"""

from collections.abc import Callable
from typing import NamedTuple

from textvae.data.grammar_choice import Choice, Phrase, any_phrase, any_word, maybe, weighted
from textvae.data.grammar_words import (
    ATTITUDES,
    COMMENTS,
    DEGREES,
    DETERMINERS,
    MANNERS,
    MOODS,
    PRONOUNS,
    QUESTIONS,
    REASONS,
    TIMES,
    VOWELS,
    Topic,
    Verb,
    conjugated,
)


class Plan(NamedTuple):
    """What governs a whole sentence, each by its name."""

    topic: str
    tense: str
    number: str
    polarity: str
    pattern: str


TENSES = {"past": 0.4, "present": 0.25, "future": 0.2, "perfect": 0.15}
NUMBERS = {"singular": 0.6, "plural": 0.4}
POLARITIES = {"affirmative": 0.65, "negative": 0.35}

AUXILIARIES = {
    "past": {"singular": "did", "plural": "did"},
    "present": {"singular": "does", "plural": "do"},
    "future": {"singular": "will", "plural": "will"},
    "perfect": {"singular": "has", "plural": "have"},
}
PASSIVES = {"past": ("was",), "present": ("is",), "future": ("will", "be"), "perfect": ("has", "been")}


def negation(plan: Plan) -> Phrase:
    return ("not",) if plan.polarity == "negative" else ()


def subject(plan: Plan, topic: Topic) -> Phrase:
    """the (young | tired) farmers"""
    determiner = weighted(((word,), weight) for word, weight in DETERMINERS[plan.number].items())
    adjective = weighted(
        [((), 0.4), ((any_word(topic.adjectives),), 0.3), ((any_word(MOODS[plan.polarity]),), 0.3)]
    )
    return (determiner, adjective, any_word(getattr(noun, plan.number) for noun in topic.nouns))


def after_auxiliary(tense: str, verbs: tuple[Verb, ...]) -> Choice:
    """The form that follows did, does, will or has."""
    return any_word(verb.past if tense == "perfect" else verb.base for verb in verbs)


def predicate(plan: Plan, verbs: tuple[Verb, ...], negative: bool) -> Phrase:
    """planted | did not plant | plants | does not plant | will (not) plant | has (not) planted"""
    auxiliary = AUXILIARIES[plan.tense][plan.number]
    if negative:
        return (auxiliary, "not", after_auxiliary(plan.tense, verbs))
    if plan.tense == "past":
        return (any_word(verb.past for verb in verbs),)
    if plan.tense == "present":
        return (any_word(verb.third if plan.number == "singular" else verb.base for verb in verbs),)
    return (auxiliary, after_auxiliary(plan.tense, verbs))


def action(plan: Plan, topic: Topic) -> Phrase:
    return (*predicate(plan, topic.actions, plan.polarity == "negative"), thing(topic))


def thing(topic: Topic) -> Choice:
    """the (golden) wheat | everything"""
    determiner = weighted([(("the",), 0.8), (("that",), 0.2)])
    quality = maybe(0.35, any_word(topic.qualities))
    return weighted([((determiner, quality, any_word(topic.objects)), 0.92), (("everything",), 0.08)])


def place(topic: Topic, probability: float) -> Choice:
    return maybe(probability, any_phrase(topic.places))


def time(plan: Plan, probability: float) -> Choice:
    return maybe(probability, any_phrase(TIMES[plan.tense]))


def plain(plan: Plan, topic: Topic) -> Phrase:
    """the young farmers have not planted the wheat properly in the valley this week"""
    manner = maybe(0.5, any_phrase(MANNERS[plan.polarity]))
    return (*subject(plan, topic), *action(plan, topic), manner, place(topic, 0.5), time(plan, 0.5))


def fronted(plan: Plan, topic: Topic) -> Phrase:
    """last week our old baker heated that soup with pleasure in the kitchen"""
    manner = maybe(0.5, any_phrase(MANNERS[plan.polarity]))
    return (time(plan, 1.0), *subject(plan, topic), *action(plan, topic), manner, place(topic, 0.5))


def reason(plan: Plan, topic: Topic) -> Phrase:
    """the nurse did not treat the wound at the clinic because she was too tired"""
    plural = plan.number == "plural"
    be = ("were" if plural else "was") if plan.tense == "past" else ("are" if plural else "is")
    degree = maybe(0.6, any_word(DEGREES[plan.polarity]))
    clause = ("because", any_word(PRONOUNS[plan.number]), be, degree, any_word(REASONS[plan.polarity]))
    return (*subject(plan, topic), *action(plan, topic), place(topic, 0.4), *clause)


def comment(plan: Plan, topic: Topic) -> Phrase:
    """what a pity that the actors do not praise the comedy in the theatre"""
    opening = any_phrase(COMMENTS[plan.polarity])
    return (opening, *subject(plan, topic), *action(plan, topic), place(topic, 0.5))


def passive(plan: Plan, topic: Topic) -> Phrase:
    """the old ferry will not be painted (by two sailors) near the river next week: number may stay hidden"""
    auxiliary, *be = PASSIVES[plan.tense]
    agent = maybe(0.6, "by", *subject(plan, topic))
    participle = any_word(verb.past for verb in topic.actions)
    group = (auxiliary, *negation(plan), *be, participle)
    return (thing(topic), *group, agent, place(topic, 0.5), time(plan, 1.0))


def question(plan: Plan, topic: Topic) -> Phrase:
    """why did the nurses not treat the burn at the clinic"""
    opening = (any_word(QUESTIONS[plan.polarity]), AUXILIARIES[plan.tense][plan.number])
    done = (*negation(plan), after_auxiliary(plan.tense, topic.actions), thing(topic))
    return (*opening, *subject(plan, topic), *done, place(topic, 0.5), time(plan, 0.4))


def attitude(plan: Plan, topic: Topic) -> Phrase:
    """the sailors refused to paint the ferry at the harbour: polarity without a negation"""
    attitudes = tuple(conjugated(entry) for entry in ATTITUDES[plan.polarity].split())
    done = ("to", any_word(verb.base for verb in topic.actions), thing(topic))
    return (
        *subject(plan, topic),
        *predicate(plan, attitudes, False),
        *done,
        place(topic, 0.5),
        time(plan, 0.4),
    )


RULES: dict[str, Callable[[Plan, Topic], Phrase]] = {
    rule.__name__: rule for rule in (plain, fronted, reason, comment, passive, question, attitude)
}
PATTERNS = {
    "plain": 0.22,
    "fronted": 0.16,
    "reason": 0.16,
    "comment": 0.14,
    "passive": 0.12,
    "question": 0.1,
    "attitude": 0.1,
}


def spell(words: list[str]) -> list[str]:
    """Turn "a" into "an" before a vowel: one to one, so that no probability changes (the rules know "a" alone)."""
    return [
        "an" if word == "a" and following[:1] in tuple(VOWELS) else word
        for word, following in zip(words, [*words[1:], ""], strict=True)
    ]


def unspell(words: list[str]) -> list[str] | None:
    """The words as the rules make them, or None where "a" or "an" is misspelt."""
    plain_words = ["a" if word == "an" else word for word in words]
    return plain_words if spell(plain_words) == words else None
