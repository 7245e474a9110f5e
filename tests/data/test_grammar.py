"""The grammar keeps the rules of English that it claims, and its samples and corpus are what they say."""

import re
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from textvae.data.corpus import SPLITS
from textvae.data.grammar import Grammar, GrammarCorpus
from textvae.data.grammar_choice import any_word, maybe, weighted
from textvae.data.grammar_rules import NUMBERS, PATTERNS, POLARITIES, TENSES, Plan, spell, unspell
from textvae.data.grammar_words import TOPICS, conjugated, inflected
from textvae.errors import ConfigError


@pytest.fixture(scope="module")
def drawn() -> tuple[list[str], list[Plan]]:
    return Grammar().sample_with_plans(20000, seed=5)


def test_the_plan_tells_much_but_not_all() -> None:
    grammar = Grammar()
    assert 5 < grammar.information() < grammar.plan_entropy() - 0.01
    assert grammar.information() + grammar.entropy_given_plan() == pytest.approx(grammar.entropy())
    assert grammar.count() > 10**9
    assert sum(grammar.plans().values()) == pytest.approx(1)


def test_plans_are_drawn_at_their_probabilities(drawn: tuple[list[str], list[Plan]]) -> None:
    for part, weights in enumerate(
        [dict.fromkeys(Grammar().topic_names, 1 / 8), TENSES, NUMBERS, POLARITIES, PATTERNS]
    ):
        seen = Counter(plan[part] for plan in drawn[1])
        observed = [seen[name] for name in weights]
        assert stats.chisquare(observed, [p * len(drawn[1]) for p in weights.values()]).pvalue > 1e-3


def test_seeds() -> None:
    grammar = Grammar()
    assert grammar.sample(50, seed=3) == grammar.sample(50, seed=3) == grammar.sample(80, seed=3)[:50]
    assert not set(grammar.sample(50, seed=3)) & set(grammar.sample(50, seed=4))
    assert grammar.sample_with_plans(50, seed=3)[0] == grammar.sample(50, seed=3)


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "the",
        "the farmer",
        "the farmer plants the wheat every",
        "the farmer plants the wheat every day every day",
        "the farmer plants  the wheat",
        "The farmer plants the wheat",
        "the farmer plant the wheat",
        "the farmer plants the song",
        "a old farmer plants the wheat",
        "an farmer plants the wheat",
        "the farmer <unk> the wheat",
    ],
)
def test_what_the_grammar_cannot_say_has_no_probability(sentence: str) -> None:
    log_p = Grammar().log_prob([sentence, "an old farmer plants the wheat"])
    assert log_p[0] == -np.inf
    assert np.isfinite(log_p[1])


def test_another_plan_cannot_make_the_sentence() -> None:
    plan = Plan("farming", "present", "singular", "affirmative", "plain")
    grammar = Grammar()
    assert np.isfinite(grammar.log_prob_given(plan, "an old farmer plants the wheat"))
    for change in ({"topic": "music"}, {"tense": "past"}, {"number": "plural"}, {"polarity": "negative"}):
        assert grammar.log_prob_given(plan._replace(**change), "an old farmer plants the wheat") == -np.inf
    with pytest.raises(ConfigError, match="knitting"):
        grammar.log_prob_given(plan._replace(topic="knitting"), "an old farmer plants the wheat")


def test_sentences_are_short_and_of_plain_words(drawn: tuple[list[str], list[Plan]]) -> None:
    types = Grammar().vocabulary()
    assert 250 <= len(types) <= 500
    assert {word for sentence in drawn[0] for word in sentence.split(" ")} == types
    assert all(re.fullmatch("[a-z]+", word) for word in types)
    lengths = np.array([len(sentence.split(" ")) for sentence in drawn[0]])
    assert lengths.min() >= 4
    assert lengths.max() <= 17
    assert np.mean((lengths >= 6) & (lengths <= 16)) > 0.98
    assert len(set(drawn[0])) > 0.99 * len(drawn[0])


def test_articles_are_spelt_right(drawn: tuple[list[str], list[Plan]]) -> None:
    text = "\n".join(drawn[0])
    assert not re.search(r"\ba [aeiou]|\ban [^aeiou]|\b(a|an)$", text, re.M)
    assert re.search(r"\ban [aeiou]", text)


def test_the_subject_agrees_along_the_whole_sentence(drawn: tuple[list[str], list[Plan]]) -> None:
    nouns = [noun for topic in TOPICS for noun in topic.nouns]
    verbs = [verb for topic in TOPICS for verb in topic.actions]
    only = {
        "singular": {noun.singular for noun in nouns} | {"a", "an", "he", "she", "does"},
        "plural": {noun.plural for noun in nouns} | {"some", "two", "these", "they", "do", "have"},
    }
    for sentence, plan in zip(*drawn, strict=True):
        words = set(re.sub("these days|what a pity|in a hurry", "", sentence).split())
        other = "plural" if plan.number == "singular" else "singular"
        assert not words & only[other], sentence
        if plan.pattern in ("plain", "fronted") and plan[1:4] == ("present", plan.number, "affirmative"):
            assert bool(words & {verb.third for verb in verbs}) == (plan.number == "singular"), sentence
    text = "\n".join(drawn[0])
    assert not re.search(r"\b(he|she) are\b|\b(he|she) were\b|\bthey (is|was)\b", text)


def test_tense_and_polarity_show_in_the_words(drawn: tuple[list[str], list[Plan]]) -> None:
    for sentence, plan in zip(*drawn, strict=True):
        words = sentence.split()
        assert ("will" in words) == (plan.tense == "future"), sentence
        assert not (set(words) & {"yesterday", "did"} and plan.tense != "past"), sentence
        assert ("not" in words) == (plan.polarity == "negative" and plan.pattern != "attitude"), sentence


def test_early_words_do_not_give_the_topic_away() -> None:
    topics = {
        word: {t.name for t in TOPICS if word in t.agents.split()}
        for t in TOPICS
        for word in t.agents.split()
    }
    assert sum(len(names) > 1 for names in topics.values()) >= 5
    for topic in TOPICS:
        assert any(len(topics[word]) > 1 for word in topic.agents.split()), topic.name


def test_inflection() -> None:
    assert [inflected(word).plural for word in ("baker", "boss", "boy", "lady", "man:men")] == [
        "bakers",
        "bosses",
        "boys",
        "ladies",
        "men",
    ]
    assert conjugated("watch") == ("watch", "watches", "watched")
    assert conjugated("study") == ("study", "studies", "studied")
    assert conjugated("play") == ("play", "plays", "played")
    assert conjugated("practise") == ("practise", "practises", "practised")
    assert conjugated("sell:sold") == ("sell", "sells", "sold")


def test_spelling_goes_back_and_forth() -> None:
    words = ["a", "old", "farmer", "sold", "a", "song"]
    assert spell(words) == ["an", "old", "farmer", "sold", "a", "song"]
    assert unspell(spell(words)) == words
    assert unspell(words) is None


def test_choices_add_up() -> None:
    choice = weighted([(("a",), 1.0), ((), 2.0), (("a",), 1.0), (("b",), 0.0)])
    assert choice == maybe(0.5, "a")
    assert [any_word("a b a").pick(u) for u in (0.6, 0.7)] == [("a",), ("b",)]
    assert [choice.pick(u) for u in (0.0, 0.49, 0.5, 0.9999)] == [("a",), ("a",), (), ()]


@pytest.mark.parametrize("change", [{"patterns": ()}, {"tenses": ("pluperfect",)}, {"topics": ()}])
def test_a_grammar_of_nothing_or_of_the_unknown_is_refused(change: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        Grammar(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"train": 0}, {"valid": -1}, {"test": 1.5}, {"seed": -1}])
def test_a_corpus_of_no_size_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        GrammarCorpus(**change)


def test_corpus_splits_labels_and_facts() -> None:
    grammar = Grammar()
    corpus = GrammarCorpus(train=300, valid=100, test=400, seed=2).load()
    assert [len(list(corpus.splits[split])) for split in SPLITS] == [300, 100, 400]
    sentences = {split: list(corpus.splits[split]) for split in SPLITS}
    assert sentences["train"] == list(corpus.splits["train"])
    assert len(set().union(*sentences.values())) > 790
    assert corpus.labels is not None
    assert corpus.label_names(SPLITS) == list(grammar.topic_names)
    for split in SPLITS:
        labels = list(corpus.labels[split])
        assert len(labels) == len(sentences[split])
        for sentence, label in zip(sentences[split][:40], labels[:40], strict=True):
            plans = [plan for plan in grammar.plans() if plan.topic == label]
            assert any(np.isfinite(grammar.log_prob_given(plan, sentence)) for plan in plans)
    surprise = -grammar.log_prob(sentences["test"])
    assert corpus.facts()["test_nll"] == pytest.approx(surprise.mean())
    assert abs(surprise.mean() - corpus.facts()["entropy"]) < 4 * surprise.std() / 20
    assert corpus.facts()["information"] == grammar.information()
    assert corpus.facts()["plan_entropy"] == grammar.plan_entropy()


def test_fingerprint_follows_the_text() -> None:
    prints = [
        GrammarCorpus(train=10, test=10, seed=seed, valid=valid).load().fingerprint
        for seed, valid in ((0, 5), (0, 5), (1, 5), (0, 6))
    ]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3
