"""The temperature of the output layer: logits / tau."""

import torch
from torch import Tensor, nn

SLOWNESS = 0.05  # log tau curves the loss by the variance of logits summed over a sentence: at 1, SGD at rate 1 diverges


class Fixed(nn.Module):
    """logits / tau. A high tau makes the decoder deaf to its states, as a large variance does one of images.

    The output layer's weights can make up for any tau in the end: it acts on the way there.
    """

    def __init__(self, start: float) -> None:
        super().__init__()
        if not 0 < start < torch.inf:
            raise ValueError(f"temperature is {start}, must be above 0 and finite")
        self.start = start

    def tau(self) -> Tensor:
        return torch.tensor(self.start)

    def forward(self, states: Tensor) -> Tensor:
        """What the output layer W reads: W (h / tau) are its logits over tau."""
        return states if self.start == 1 else states / self.start


class Learned(Fixed):
    """logits / tau, tau = start * exp(s / 20), s learned from about 0: text's analogue of a learned decoder variance.

    Such a variance is the larger the worse the decoder predicts, and the larger it is the weaker is what the
    likelihood asks of q(z|x) (Lucas et al. 2019, arXiv 1911.02469): watch it in the log.
    """

    def __init__(self, start: float) -> None:
        super().__init__(start)
        self.s = nn.Parameter(torch.zeros(()))

    def tau(self) -> Tensor:
        return self.start * (SLOWNESS * self.s).exp()

    def forward(self, states: Tensor) -> Tensor:
        return states / self.tau()
