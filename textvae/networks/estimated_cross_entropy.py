"""log p of target words with gradients for hidden states alone, from some of the vocabulary."""

import torch
from torch import Tensor
from torch.nn import functional as F

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

    W is rounded in its first call, and which words are looked at goes by what tokens of that call expected: one serves
    as long as W is what it was.
    """

    def __init__(self, exact: CrossEntropy, words: int) -> None:
        super().__init__(exact.products, exact.chunk, exact.normaliser_words)
        self.words = words
        self._held: tuple[Tensor, Tensor] | None = None

    def _with_gradients(self, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        said, places = targets.unique(return_inverse=True)
        words = self.words + len(said)
        if 2 * words > len(weight) or not len(targets):
            return super()._with_gradients(hidden, weight, targets)
        words = min(-(-words // ROUND) * ROUND, len(weight) // 2)
        self._held = self._held or self._hold(hidden.detach(), weight.detach())
        expected, rounded = self._held
        others, log_pi = choose(expected.index_fill(0, said, 0.0)[None], words - len(said))
        logits = hidden.to(rounded.dtype) @ rounded[torch.cat([said, others[0]])].T
        weighted = logits.to(hidden.dtype) - F.pad(log_pi[0], (len(said), 0))
        return -F.cross_entropy(weighted, places, reduction="none")

    def _hold(self, hidden: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """What some tokens expect on average (V,), and W in the type of products (V,H)."""
        rounded = weight.to(self.products or hidden.dtype)
        pilots = hidden[:: -(-len(hidden) // PILOTS)].to(rounded.dtype)
        expected = (pilots @ rounded.T).to(hidden.dtype).softmax(1).mean(0)
        return expected.lerp(expected.new_tensor(1 / len(weight)), DEFENCE), rounded
