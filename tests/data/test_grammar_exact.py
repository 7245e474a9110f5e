"""Exact figures of the grammar against plain sums: over all sentences of a small one, over all plans of the whole."""

import math
from collections import Counter, defaultdict
from functools import lru_cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from textvae.data.grammar import Grammar
from textvae.data.grammar_choice import Choice, Phrase
from textvae.data.grammar_rules import NUMBERS, PATTERNS, POLARITIES, RULES, TENSES, Plan, spell, unspell
from textvae.data.grammar_words import TOPICS, Topic

# Two topics that share words, "read" (past and present alike in the plural) and a passive that hides number.
SMALL = Grammar(
    topics=(
        Topic("school", "pupil", "old", "read:read copy", "new", "poem", "in the hall"),
        Topic("law", "pupil judge", "old", "read:read", "old", "claim poem", "in the hall|in court"),
    ),
    tenses=("past", "present"),
    polarities=("affirmative",),
    patterns=("passive", "comment"),
)


def outcomes(phrase: Phrase) -> dict[tuple[str, ...], float]:
    """Every word sequence of a phrase with its probability, by writing all of them out."""
    made: dict[tuple[str, ...], float] = {(): 1.0}
    for item in phrase:
        options = (((item,), 1.0),) if isinstance(item, str) else item.options
        grown: dict[tuple[str, ...], float] = defaultdict(float)
        for option, p in options:
            parts = {(item,): 1.0} if isinstance(item, str) else outcomes(option)
            for (words, q), (more, r) in product(made.items(), parts.items()):
                grown[words + more] += p * q * r
        made = grown
    return made


def reached(phrase: Phrase, words: list[str], start: int) -> dict[int, float]:
    """{where it can end: probability} of a phrase that makes words[start:end]."""
    places = {start: 1.0}
    for item in phrase:
        after: dict[int, float] = defaultdict(float)
        for place, p in places.items():
            if isinstance(item, Choice):
                for option, q in item.options:
                    for end, r in reached(option, words, place).items():
                        after[end] += p * q * r
            elif words[place : place + 1] == [item]:
                after[place + 1] += p
        places = after
    return places


@lru_cache
def phrases() -> dict[Plan, Phrase]:
    """What each plan of the whole grammar says."""
    topics = {topic.name: topic for topic in TOPICS}
    return {plan: RULES[plan.pattern](plan, topics[plan.topic]) for plan in Grammar().plans()}


def summed(sentence: str) -> tuple[float, dict[Plan, float]]:
    """p(x) and p(x|plan) in the whole grammar, by parsing under each plan."""
    words = unspell(sentence.split())
    assert words is not None
    given = {plan: reached(phrase, words, 0).get(len(words), 0.0) for plan, phrase in phrases().items()}
    return sum(prior(plan) * p for plan, p in given.items()), given


def prior(plan: Plan) -> float:
    weights = TENSES[plan.tense] * NUMBERS[plan.number] * POLARITIES[plan.polarity] * PATTERNS[plan.pattern]
    return weights / len(TOPICS)


@lru_cache
def enumerated() -> tuple[dict[str, float], dict[Plan, dict[str, float]]]:
    """p(x) and, by plan, p(x|plan) of every sentence of SMALL."""
    topics = {topic.name: topic for topic in SMALL.topics}
    given = {}
    total: dict[str, float] = defaultdict(float)
    for plan, p in SMALL.plans().items():
        made = outcomes(RULES[plan.pattern](plan, topics[plan.topic]))
        given[plan] = {" ".join(spell(list(words))): q for words, q in made.items()}
        for sentence, q in given[plan].items():
            total[sentence] += p * q
    return total, given


def entropy_of(probabilities: dict[str, float]) -> float:
    return -sum(p * math.log(p) for p in probabilities.values())


@pytest.fixture(scope="module")
def drawn() -> tuple[list[str], list[Plan]]:
    return Grammar().sample_with_plans(20000, seed=5)


def test_small_grammar_sums_to_one_and_counts_its_sentences() -> None:
    total, _ = enumerated()
    log_p = SMALL.log_prob(list(total))
    assert math.fsum(np.exp(log_p)) == pytest.approx(1, abs=1e-10)
    assert SMALL.count() == len(total)
    np.testing.assert_allclose(log_p, np.log(list(total.values())), atol=1e-10)


def test_small_grammar_has_the_entropies_of_its_enumeration() -> None:
    total, given = enumerated()
    within = sum(SMALL.plans()[plan] * entropy_of(p) for plan, p in given.items())
    assert SMALL.entropy() == pytest.approx(entropy_of(total), abs=1e-9)
    assert SMALL.entropy_given_plan() == pytest.approx(within, abs=1e-9)
    assert SMALL.information() == pytest.approx(entropy_of(total) - within, abs=1e-9)
    # The plan is truly hidden in part: topics, tenses and numbers run together.
    assert SMALL.information() < SMALL.plan_entropy() - 0.1


def test_small_grammar_samples_at_its_probabilities() -> None:
    total, _ = enumerated()
    n = 30000
    seen = Counter(SMALL.sample(n, seed=1))
    likely = sorted(total, key=lambda sentence: -total[sentence])[:40]
    expected = [n * total[sentence] for sentence in likely]
    observed = [seen[sentence] for sentence in likely]
    assert min(expected) > 10
    rest = n - sum(expected), n - sum(observed)
    assert stats.chisquare([*observed, rest[1]], [*expected, rest[0]]).pvalue > 1e-3


def test_log_prob_is_the_sum_over_plans(drawn: tuple[list[str], list[Plan]]) -> None:
    grammar = Grammar()
    for sentence, plan in list(zip(*drawn, strict=True))[:12]:
        p, given_plan = summed(sentence)
        assert grammar.log_prob([sentence])[0] == pytest.approx(math.log(p), abs=1e-9)
        assert grammar.log_prob_given(plan, sentence) == pytest.approx(math.log(given_plan[plan]), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 199), st.data())
def test_a_changed_word_is_scored_as_the_sum_over_plans_says(index: int, data: st.DataObject) -> None:
    grammar = Grammar()
    words = grammar.sample(200, seed=9)[index].split()
    where = data.draw(st.integers(0, len(words) - 1))
    words[where] = data.draw(st.sampled_from(sorted(grammar.vocabulary())))
    sentence = " ".join(words)
    expected = 0.0 if unspell(words) is None else summed(sentence)[0]
    assert np.exp(grammar.log_prob([sentence])[0]) == pytest.approx(expected, rel=1e-9)


def test_mean_surprise_of_samples_is_the_entropy(drawn: tuple[list[str], list[Plan]]) -> None:
    grammar = Grammar()
    surprise = -grammar.log_prob(drawn[0])
    error = surprise.std() / math.sqrt(len(surprise))
    assert abs(surprise.mean() - grammar.entropy()) < 4 * error
    assert error < 0.03
    given_plan = [grammar.log_prob_given(plan, sentence) for sentence, plan in zip(*drawn, strict=True)]
    gain = np.array(given_plan) + surprise
    assert abs(gain.mean() - grammar.information()) < 4 * gain.std() / math.sqrt(len(gain))
