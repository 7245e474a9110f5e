"""What every term of an objective is."""

from torch import nn

from textvae.latents.heads import Head


class Term(nn.Module):
    """Output -> scalar, nats a sentence, added to rec + beta * rate."""

    def objection(self, head: Head) -> str | None:
        """Why this term cannot be charged for the posteriors of `head`; None where it can."""
        return None

    def objection_to(self, least: float) -> str | None:
        """Why this term cannot be charged beside a KL that at times is charged `least`; None where it can."""
        return None
