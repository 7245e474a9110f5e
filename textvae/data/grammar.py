"""The embedded corpus: sentences made by a grammar whose log p(x), entropy and information are known exactly.

A sentence is drawn in two steps, plan ~ p(plan) and x ~ p(x|plan): log p(x) = log sum_plan p(plan) p(x|plan).
The plan's share of a sentence, I(x; plan), is what a latent variable can usefully hold; H(x) is the least mean NLL.
Both are exact up to rounding, as grammar_automaton.py says. Nats a sentence throughout.
"""

import hashlib
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate, product
from math import log, prod
from typing import NamedTuple

import numpy as np

from textvae.data.corpus import SPLITS, Corpus, Reread
from textvae.data.grammar_automaton import Automaton
from textvae.data.grammar_choice import Phrase, draw, types, weighted
from textvae.data.grammar_rules import NUMBERS, PATTERNS, POLARITIES, RULES, TENSES, Plan, spell, unspell
from textvae.data.grammar_words import TOPICS, Topic
from textvae.errors import ConfigError

BLOCK = 8192  # random numbers fetched at a time

_KINDS = {"tenses": TENSES, "numbers": NUMBERS, "polarities": POLARITIES, "patterns": PATTERNS}


@dataclass(frozen=True)
class Grammar:
    """The corpus grammar; or a smaller one, where other topics or fewer kinds of plan are given.

    Raises ConfigError for a name that is not known, and where nothing is left to choose from.
    """

    topics: tuple[Topic, ...] = TOPICS
    tenses: tuple[str, ...] = tuple(TENSES)
    numbers: tuple[str, ...] = tuple(NUMBERS)
    polarities: tuple[str, ...] = tuple(POLARITIES)
    patterns: tuple[str, ...] = tuple(PATTERNS)

    def __post_init__(self) -> None:
        for what, known in _KINDS.items():
            chosen = getattr(self, what)
            if not chosen or not set(chosen) <= set(known) or len(set(chosen)) < len(chosen):
                raise ConfigError(
                    f"grammar {what}: {chosen} must be different ones of {tuple(known)}, at least one"
                )
        if not self.topics or len({topic.name for topic in self.topics}) < len(self.topics):
            raise ConfigError(
                "grammar topics: at least one topic is needed, and each must have a name of its own"
            )

    @property
    def topic_names(self) -> tuple[str, ...]:
        """The names behind the labels 0, 1, ... of a corpus."""
        return tuple(topic.name for topic in self.topics)

    def plans(self) -> dict[Plan, float]:
        """p(plan) of every plan; its parts are independent."""
        return {plan: p for plan, (_, p) in _table(self).items()}

    def vocabulary(self) -> frozenset[str]:
        """All word types."""
        return frozenset({"an"}.union(*(types(phrase) for phrase, _ in _table(self).values())))

    def draws(self, n: int, seed: int | Sequence[int]) -> Iterator[tuple[str, Plan]]:
        """n independent (sentence, plan), one at a time."""
        uniform = _uniforms(seed).__next__
        table = [(plan, phrase) for plan, (phrase, _) in _table(self).items()]
        bounds = list(accumulate(p for _, p in _table(self).values()))[:-1]
        for _ in range(n):
            plan, phrase = table[bisect(bounds, uniform())]
            words: list[str] = []
            draw(phrase, uniform, words)
            yield " ".join(spell(words)), plan

    def sample(self, n: int, seed: int | Sequence[int]) -> list[str]:
        """n independent sentences; the first m of them are those that sample(m, seed) gives."""
        return [sentence for sentence, _ in self.draws(n, seed)]

    def sample_with_plans(self, n: int, seed: int | Sequence[int]) -> tuple[list[str], list[Plan]]:
        """The sentences of sample(n, seed) and the plan that each was made from."""
        drawn = list(self.draws(n, seed))
        return [sentence for sentence, _ in drawn], [plan for _, plan in drawn]

    def log_prob(self, sentences: Sequence[str]) -> np.ndarray:
        """log p(x) = log sum_plan p(plan) p(x|plan), (N,) float64; -inf outside the language."""
        exact = _exact(self)
        return np.array(
            [_log_prob(exact.automaton, exact.root, sentence) for sentence in sentences], np.float64
        )

    def log_prob_given(self, plan: Plan, sentence: str) -> float:
        """log p(x|plan); -inf where the plan cannot make the sentence. ConfigError for a plan that the grammar lacks."""
        exact = _exact(self)
        if plan not in exact.states:
            raise ConfigError(f"the grammar has no {plan}")
        return _log_prob(exact.automaton, exact.states[plan], sentence)

    def entropy(self) -> float:
        """H(x)."""
        exact = _exact(self)
        return exact.automaton.entropy[exact.root]

    def entropy_given_plan(self) -> float:
        """H(x|plan) = sum_plan p(plan) H(x|plan): what no latent variable can tell in advance."""
        exact = _exact(self)
        return sum(p * exact.automaton.entropy[exact.states[plan]] for plan, p in self.plans().items())

    def plan_entropy(self) -> float:
        """H(plan)."""
        return -sum(p * log(p) for p in self.plans().values())

    def information(self) -> float:
        """I(x; plan) = H(x) - H(x|plan) <= H(plan)."""
        return self.entropy() - self.entropy_given_plan()

    def count(self) -> int:
        """How many different sentences there are."""
        exact = _exact(self)
        return exact.automaton.count[exact.root]


@dataclass(frozen=True)
class GrammarCorpus:
    """A source of three independent draws from the corpus grammar, labelled by topic; sizes in sentences."""

    train: int = 10000
    valid: int = 1000
    test: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        for split in SPLITS:
            size = getattr(self, split)
            if not isinstance(size, int) or size < 1:
                raise ConfigError(
                    f"grammar corpus: {split} is {size}; it must be a whole number of at least 1"
                )
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ConfigError(f"grammar corpus: seed is {self.seed}; it must be a whole number of at least 0")

    def load(self) -> Corpus:
        """The splits, and as facts the true limits."""
        grammar = Grammar()
        return Corpus(
            name="grammar",
            splits={split: Reread(partial(self._draws, grammar, split)) for split in SPLITS},
            fingerprint=hashlib.sha256(f"({self!r}, {_written(grammar)})".encode()).hexdigest(),
            labels={split: Reread(partial(self._labels, grammar, split)) for split in SPLITS},
            facts=partial(self._facts, grammar),
            known_labels=grammar.topic_names,
        )

    def _facts(self, grammar: Grammar) -> dict[str, float]:
        """entropy: H(x); information: I(x; plan); plan_entropy: H(plan); test_nll: mean of -log p(x) over the test split."""
        return {
            "entropy": grammar.entropy(),
            "information": grammar.information(),
            "plan_entropy": grammar.plan_entropy(),
            "test_nll": float(-grammar.log_prob(list(self._draws(grammar, "test"))).mean()),
        }

    def _seed(self, split: str) -> tuple[int, int]:
        return self.seed, SPLITS.index(split)

    def _draws(self, grammar: Grammar, split: str) -> Iterator[str]:
        return (sentence for sentence, _ in grammar.draws(getattr(self, split), self._seed(split)))

    def _labels(self, grammar: Grammar, split: str) -> Iterator[str]:
        return (plan.topic for _, plan in grammar.draws(getattr(self, split), self._seed(split)))


class _Exact(NamedTuple):
    automaton: Automaton
    root: int
    states: dict[Plan, int]


@lru_cache(maxsize=8)
def _table(grammar: Grammar) -> dict[Plan, tuple[Phrase, float]]:
    """Every plan with its phrase and probability."""
    kinds = [
        weighted(((name,), known[name]) for name in getattr(grammar, what)) for what, known in _KINDS.items()
    ]
    table = {}
    for topic in grammar.topics:
        for parts in product(*(kind.options for kind in kinds)):
            plan = Plan(topic.name, *(str(name) for (name,), _ in parts))
            p = prod(p for _, p in parts) / len(grammar.topics)
            table[plan] = (RULES[plan.pattern](plan, topic), p)
    return table


@lru_cache(maxsize=8)
def _written(grammar: Grammar) -> str:
    """All that its draws depend on."""
    return f"{_table(grammar)!r}, {grammar.topic_names!r}"


@lru_cache(maxsize=8)
def _exact(grammar: Grammar) -> _Exact:
    """The automaton, its state before any word, and that of a reader who knows the plan."""
    automaton = Automaton()
    belief: dict[int, float] = {}
    nodes = {}
    for plan, (phrase, p) in _table(grammar).items():
        nodes[plan] = automaton.node(phrase)
        belief[nodes[plan]] = belief.get(nodes[plan], 0.0) + p
    root = automaton.state(belief)
    return _Exact(automaton, root, {plan: automaton.state({node: 1.0}) for plan, node in nodes.items()})


def _log_prob(automaton: Automaton, state: int, sentence: str) -> float:
    words = unspell(sentence.split(" "))
    return float("-inf") if words is None else automaton.log_prob(state, words)


def _uniforms(seed: int | Sequence[int]) -> Iterator[float]:
    generator = np.random.default_rng(seed)
    while True:
        yield from generator.random(BLOCK).tolist()
