"""What keeps an encoder near the codes that stand for it."""

from torch import Tensor

from textvae.errors import ConfigError
from textvae.latents.codes import Code
from textvae.latents.heads import CODES, Head
from textvae.model import Output
from textvae.objectives.term import Term


class Commitment(Term):
    """weight * mean_b |query - code|^2, without gradient for the code (van den Oord et al. 2017, arXiv 1711.00937).

    ConfigError where the posterior has no codes.
    """

    def __init__(self, weight: float = 0.25) -> None:
        super().__init__()
        if not weight > 0:
            raise ValueError(f"weight is {weight}, must be above 0")
        self.weight = weight

    def objection(self, head: Head) -> str | None:
        return None if head.space == CODES else f"z lies in {head.space}, where no code is to be kept near"

    def forward(self, output: Output) -> Tensor:
        q = output.posterior
        if not isinstance(q, Code) or q.query is None:
            raise ConfigError(
                f"terms.commitment needs latent 'quantised'; the posterior is {type(q).__name__}"
            )
        distance: Tensor = (q.query - q.loc.detach()).square().sum(-1)
        return self.weight * distance.mean()
