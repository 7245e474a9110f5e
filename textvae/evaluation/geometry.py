"""How far a decoder's words depend on z: the Fisher information of p(x|z) about z, sentence by sentence."""

import torch
from torch import Tensor

from textvae.data.batching import Batch
from textvae.evaluation.likelihood import LatentVariableModel

TOKENS = 8  # whose logits' Z derivatives are held at once


def fisher_information(model: LatentVariableModel, batch: Batch, z: Tensor, row_budget: int = 256) -> Tensor:
    """G(z) = sum_t Cov_w(d log p(w|x_<t, z) / dz), w ~ p(.|x_<t, z), along the words of x: z (B,Z) -> (B,Z,Z) float64.

    sum_t KL(p(.|x_<t, z) || p(.|x_<t, z + d)) = d^T G d / 2 + O(d^3). States are differentiated by central
    differences, `row_budget` of them at a time (at least one sentence's), the softmax in closed form.
    """
    most = max(1, row_budget // (2 * z.shape[1] + 1))
    parts = torch.arange(len(z), device=z.device).split(most)
    return torch.cat([_of_some(model, batch.rows(rows), z[rows]) for rows in parts])


def spectrum(information: Tensor, variance: Tensor) -> dict[str, float | list[float]]:
    """Means over sentences of what the eigenvalues l_i of G (B,Z,Z) tell, z in units of the prior's deviations; `variance` (B,Z).

    fisher_spectrum: the l_i from the largest on; fisher_directions: how many are above 1, where x halves the variance of
    z or more; fisher_rate = sum_i log(1 + l_i) / 2, nats: the rate of posteriors N(m, (I + G)^-1), as wide as the
    likelihood around m lets them be (the covariance that Kumar & Poole 2020, arXiv 2002.00041, study), where together they
    make up the prior.
    """
    scale = variance.to(information).sqrt()
    values = torch.linalg.eigvalsh(information * scale[:, :, None] * scale[:, None]).clamp(min=0).flip(-1)
    return {
        "fisher_spectrum": values.mean(0).tolist(),
        "fisher_directions": float((values > 1).double().sum(-1).mean()),
        "fisher_rate": float(values.log1p().sum(-1).mean() / 2),
    }


def _of_some(model: LatentVariableModel, batch: Batch, z: Tensor) -> Tensor:
    """The same for all of a batch at once."""
    size, found = z.shape[1], torch.zeros(*z.shape, z.shape[1], dtype=torch.float64, device=z.device)
    step = torch.finfo(z.dtype).eps ** (1 / 3)  # where the errors of differences and of rounding meet
    moves = step * torch.eye(size, dtype=z.dtype, device=z.device)[:, None]
    states = model.states(batch, torch.cat([z[None], z + moves, z - moves]))[:, batch.mask]  # (2Z+1,N,H)
    changes = ((states[1 : size + 1] - states[size + 1 :]) / (2 * step)).transpose(0, 1)
    sentences = batch.mask.nonzero()[:, 0]
    weight = model.output_weight.T
    for words in torch.arange(len(sentences), device=z.device).split(TOKENS):
        p = (states[0, words] @ weight).softmax(-1)[:, None]  # (n,1,V)
        scores = changes[words] @ weight  # (n,Z,V)
        scores.sub_(scores @ p.transpose(1, 2)).mul_(p.sqrt())
        found.index_add_(0, sentences[words], (scores @ scores.transpose(1, 2)).double())
    return found
