"""Exact mathematics of a finite mixture of phrases.

What is still to come of a phrase, after some words, is a node. A reader who does not see the plan is left, after
each word, with a belief: a distribution over nodes. The beliefs are the states of a deterministic automaton, so
that with p(w | belief) the chain rule gives, exactly,

    log p(x) = sum_t log p(x_t | belief_t)        H(belief) = sum_w p(w) (-log p(w) + H(belief after w))

(determinisation of a weighted automaton: Mohri 1997). Equal beliefs are one state; each is worked out once.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import log

from textvae.data.grammar_choice import Choice, Phrase

SCALE = 1e12  # beliefs that agree to this are equal: their differences are rounding
DONE = 0  # the node with nothing to come

Belief = Mapping[int, float]  # node -> probability
Step = tuple[float, dict[str, dict[int, float]]]  # p(nothing more), {next word: {node after it: p}}


class Automaton:
    """States are numbered as they are found; state s reads a word by `arcs[s][word] = (next state, log p)`.

    end[s]: log p(the sentence ends here); entropy[s]: nats still to come; count[s]: number of different endings.
    """

    def __init__(self) -> None:
        self.arcs: list[dict[str, tuple[int, float]]] = []
        self.end: list[float] = []
        self.entropy: list[float] = []
        self.count: list[int] = []
        self._states: dict[frozenset[tuple[int, int]], int] = {}
        self._nodes: dict[tuple[str | Choice, int], int] = {}
        self._steps: list[Step] = [(1.0, {})]

    def node(self, phrase: Phrase, rest: int = DONE) -> int:
        """The node of a phrase before its first word, with node `rest` after its last."""
        for item in reversed(phrase):
            if (item, rest) not in self._nodes:
                if isinstance(item, str):
                    step: Step = (0.0, {item: {rest: 1.0}})
                else:
                    step = self._mix((self.node(option, rest), p) for option, p in item.options)
                self._nodes[item, rest] = len(self._steps)
                self._steps.append(step)
            rest = self._nodes[item, rest]
        return rest

    def _mix(self, nodes: Iterable[tuple[int, float]]) -> Step:
        ends = 0.0
        read: dict[str, dict[int, float]] = {}
        for node, weight in nodes:
            node_ends, arcs = self._steps[node]
            ends += weight * node_ends
            for word, targets in arcs.items():
                merged = read.setdefault(word, {})
                for target, p in targets.items():
                    merged[target] = merged.get(target, 0.0) + weight * p
        return ends, read

    def state(self, belief: Belief) -> int:
        """The number of a belief's state, which is worked out with all that can follow if it is new."""
        key = frozenset([(node, round(weight * SCALE)) for node, weight in belief.items()])
        if key not in self._states:
            self._states[key] = self._work_out(belief)
        return self._states[key]

    def _work_out(self, belief: Belief) -> int:
        ends, read = self._mix(belief.items())
        entropy, count = (-ends * log(ends), 1) if ends else (0.0, 0)
        arcs = {}
        for word, targets in read.items():
            p = sum(targets.values())
            after = self.state({target: weight / p for target, weight in targets.items()})
            log_p = log(p)
            arcs[word] = (after, log_p)
            entropy += p * (self.entropy[after] - log_p)
            count += self.count[after]
        self.arcs.append(arcs)
        self.end.append(log(ends) if ends else float("-inf"))
        self.entropy.append(entropy)
        self.count.append(count)
        return len(self.arcs) - 1

    def log_prob(self, state: int, words: Sequence[str]) -> float:
        """log p(words and then the end | state) in nats; -inf where that cannot be."""
        total = 0.0
        for word in words:
            if word not in self.arcs[state]:
                return float("-inf")
            state, log_p = self.arcs[state][word]
            total += log_p
        return total + self.end[state]
