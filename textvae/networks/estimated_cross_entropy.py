"""log p of target words with gradients for hidden states alone, from some of the vocabulary."""

from torch import Tensor

from textvae.networks.cross_entropy import CrossEntropy
from textvae.networks.normaliser import choose

PILOTS = 128  # tokens whose mean distribution decides which words are looked at
ROUND = 256  # words are looked at in multiples of it: blocks of a few sizes are used again, ever new ones break up the memory
DEFENCE = 1e-2  # share of the uniform distribution in it: other tokens expect other words


class EstimatedCrossEntropy(CrossEntropy):
    """`exact`, but where gradients are wanted sum_v exp(h . w_v) comes from the words that are said and at least `words` others.

    The sum is estimated without bias, as in networks.normaliser. Tokens differ more than samples of one, so the error is
    larger: small beside the noise of z in a gradient, too large for a figure to report. W gets no gradient. Where the
    vocabulary is not twice as large nothing is estimated. Holds (tokens x words) logits.

    Which words are looked at goes by what tokens of its first call expected: one serves as long as W is what it was.
    """

    def __init__(self, exact: CrossEntropy, words: int) -> None:
        super().__init__(exact.products, exact.chunk, exact.normaliser_words)
        self.words = words
        self._expected: Tensor | None = None

    def _with_gradients(self, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        said, weight = targets.unique(), weight.detach()
        words, products = self.words + len(said), self.products or hidden.dtype
        if 2 * words > len(weight) or not len(targets):
            return super()._with_gradients(hidden, weight, targets)
        words = min(-(-words // ROUND) * ROUND, len(weight) // 2)
        ids, log_pi = choose(self._chances(hidden.detach(), weight, said), words)
        logits = hidden.to(products) @ weight[ids[0]].to(products).T
        normaliser = (logits.to(hidden.dtype) - log_pi[0]).logsumexp(1)
        return (hidden * weight[targets]).sum(1) - normaliser

    def _chances(self, hidden: Tensor, weight: Tensor, said: Tensor) -> Tensor:
        """What some tokens expect, on average, and certainty for the words in `said`: (1,V)."""
        if self._expected is None:
            products = self.products or hidden.dtype
            pilots = hidden[:: -(-len(hidden) // PILOTS)].to(products)
            expected = (pilots @ weight.to(products).T).to(hidden.dtype).softmax(1).mean(0)
            self._expected = expected.lerp(expected.new_tensor(1 / len(weight)), DEFENCE)
        return self._expected.index_fill(0, said, 1.0)[None]
