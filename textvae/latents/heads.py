"""From the encoder's vector h (B,H) to the posterior q(z|x), batch shape (B,), event shape (Z,)."""

from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal


class Head(nn.Module):
    """h (B,H) -> q(z|x), event shape (size,)."""

    size: int


class GaussianHead(Head):
    """q(z|x) = N(mu, diag exp(logvar)), (mu, logvar) = W h without bias (He et al. 2019).

    Size 0 is the model without z: every KL of it is an empty sum.
    """

    def __init__(self, inputs: int, size: int = 32) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"size is {size}, must be at least 1 (a model without z is latent=none)")
        self.size = size
        self.linear = nn.Linear(inputs, 2 * size, bias=False)

    def forward(self, h: Tensor) -> Distribution:
        mu, logvar = self.linear(h).chunk(2, dim=-1)
        return Independent(Normal(mu, (0.5 * logvar).exp(), validate_args=False), 1, validate_args=False)


class NoLatent(Head):
    """The posterior over no z at all (Z = 0): what is left of the model is its language model."""

    size = 0

    def forward(self, h: Tensor) -> Distribution:
        empty = h.new_zeros(len(h), 0)
        return Independent(Normal(empty, empty.exp(), validate_args=False), 1, validate_args=False)


HEADS: dict[str, type[Head]] = {"gaussian": GaussianHead, "none": NoLatent}
