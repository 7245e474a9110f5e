"""log p of target words with gradients for hidden states alone, from some of the vocabulary."""

import torch
from torch import Tensor
from torch.nn import functional as F

from textvae.networks.cross_entropy import CrossEntropy, token_log_prob
from textvae.networks.normaliser import choose

PILOTS = 128  # tokens whose mean distribution decides which words are looked at
ROUND = 256  # words are looked at in multiples of it: blocks of a few sizes are used again, ever new ones break up the memory
DEFENCE = 1e-2  # share of the uniform distribution in it: other tokens expect other words


class EstimatedCrossEntropy(CrossEntropy):
    """`exact`, but where gradients are wanted sum_v exp(h . w_v) comes from the words that are said and at least `words` others.

    The sum is estimated without bias, as in networks.normaliser. Tokens differ more than samples of one, so the error is
    larger: small beside the noise of z in a gradient, too large for a figure to report. W gets no gradient. Where the
    vocabulary is not twice as large nothing is estimated.

    Which words are looked at goes by what tokens of its first call expected: one serves as long as W is what it was.
    """

    def __init__(self, exact: CrossEntropy, words: int) -> None:
        super().__init__(exact.products, exact.chunk, exact.normaliser_words)
        self.words = words
        self._expected: Tensor | None = None

    def _with_gradients(self, hidden: Tensor, weight: Tensor, targets: Tensor, foreseen: float) -> Tensor:
        said, places = targets.unique(return_inverse=True)
        words = self.words + len(said)
        if 2 * words > len(weight) or not len(targets):
            return super()._with_gradients(hidden, weight, targets, foreseen)
        words = min(-(-words // ROUND) * ROUND, len(weight) // 2)
        weight = weight.detach()
        if self._expected is None:
            self._expected = self._expect(hidden.detach(), weight)
        others, log_pi = choose(self._expected.index_fill(0, said, 0.0)[None], words - len(said))
        some, counts = torch.cat([said, others[0]]), F.pad(-log_pi[0], (len(said), 0)).exp()
        products = self.products or hidden.dtype
        return token_log_prob(hidden, weight[some], places, foreseen, products, self.chunk, counts)

    def _expect(self, hidden: Tensor, weight: Tensor) -> Tensor:
        """The mean distribution of some tokens (V,), in which every word has a chance."""
        products = self.products or hidden.dtype
        pilots = hidden[:: -(-len(hidden) // PILOTS)].to(products)
        expected = (pilots @ weight.to(products).T).to(hidden.dtype).softmax(1).mean(0)
        return expected.lerp(expected.new_tensor(1 / len(weight)), DEFENCE)
