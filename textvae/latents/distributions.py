"""What torch.distributions lacks: joining batches of distributions, picking from them, telling a point."""

import inspect
from collections.abc import Callable, Sequence
from functools import singledispatch

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent

Shape = torch.Size | list[int] | tuple[int, ...]  # of the draws, as torch's distributions take it


def concatenate(parts: Sequence[Distribution]) -> Distribution:
    """Distributions of one family, batch shapes (B_i,) -> one of batch shape (sum of B_i,)."""
    first = parts[0]
    if isinstance(first, Independent):
        bases = [part.base_dist for part in parts if isinstance(part, Independent)]
        return Independent(concatenate(bases), first.reinterpreted_batch_ndims, validate_args=False)
    columns = [parameters_of(part) for part in parts]
    joined = {name: torch.cat([column[name] for column in columns]) for name in columns[0]}
    return rebuilt(first, joined)


def select(q: Distribution, index: Tensor | slice) -> Distribution:
    """The members `index` of q's batch (B,), as of a tensor's first dimension: a slice, int64 or bool."""
    if isinstance(q, Independent):
        return Independent(select(q.base_dist, index), q.reinterpreted_batch_ndims, validate_args=False)
    return rebuilt(q, {name: value[index] for name, value in parameters_of(q).items()})


def lacks(q: Distribution) -> str | None:
    """What a posterior of batch shape (B,) lacks of all that training and measurements ask of one; None where it is whole."""
    if not q.has_rsample:
        return "no rsample, through which gradients reach the encoder"
    for name in ("mean", "variance", "mode"):
        try:
            getattr(q, name)
        except NotImplementedError:
            return f"no {name}"
    try:
        concatenate([q, q])
    except (AttributeError, KeyError, NotImplementedError, TypeError) as error:
        why = f" ({error})" if str(error) else ""
        return f"no way to be joined: register its type in parameters_of and rebuilt of {__name__}{why}"
    return None


def draw(q: Distribution, samples: int) -> Tensor:
    """z ~ q (S,B,Z), by rsample where there is one: given NaN it returns NaN, where sample() of a normal fails."""
    return q.rsample(torch.Size([samples])) if q.has_rsample else q.sample(torch.Size([samples]))


def factorises(q: Distribution) -> bool:
    """Whether q(z) = prod_j q(z_j) over the dimensions of z, as one univariate distribution for each."""
    return isinstance(q, Independent) and q.reinterpreted_batch_ndims == 1 and not q.base_dist.event_shape


def marginals(q: Distribution) -> list[Distribution]:
    """q(z_j) for each j, batch shape (B,) and event shape (1,) each, of a q that factorises, batch shape (B,)."""
    if not isinstance(q, Independent) or not factorises(q):
        raise ValueError(f"{q} does not factorise over the dimensions of z")
    known = parameters_of(q.base_dist)
    each = ({name: value[:, j : j + 1] for name, value in known.items()} for j in range(q.event_shape[0]))
    return [Independent(rebuilt(q.base_dist, one), 1, validate_args=False) for one in each]


@singledispatch
def facts(q: Distribution) -> dict[str, float]:
    """What a family tells of all its posteriors, batch shape (N,), beyond what every family does: none, mostly.

    A family with facts of its own registers them here by type; they are measured with all else.
    """
    return {}


@singledispatch
def unit_variance(p: Distribution) -> float | Tensor:
    """The variance of a z_j that a prior's family counts as one, () or (Z,): 1, that of N(0, I), on all of R^Z.

    A prior on a bounded set, whose scale is its own, registers its variance here by type.
    """
    return 1.0


@singledispatch
def spread(p: Distribution) -> Tensor | None:
    """The variance of each z_j under a prior on all of R^Z, (..,Z); None of one that knows none.

    A prior on a set that small changes of a z_j lead out of registers None by type.
    """
    try:
        return p.variance
    except NotImplementedError:
        return None


def is_deterministic(q: Distribution) -> bool:
    """Whether every draw from q is the same: no z at all (Z = 0), or a family whose `point_mass` is true.

    More than one draw then tells nothing new: an importance-weighted bound is the one-sample bound.
    """
    base = q.base_dist if isinstance(q, Independent) else q
    return q.event_shape.numel() == 0 or bool(getattr(base, "point_mass", False))


@singledispatch
def parameters_of(q: Distribution) -> dict[str, Tensor]:
    """What rebuilds q, each with q's batch shape first: those that its `arg_constraints` name.

    Of several parametrisations (probs or logits), which have a default of None each, one is enough. A family that is made of
    something else registers its own here by type, and in `rebuilt`.
    """
    signature = inspect.signature(type(q)).parameters
    optional = [name for name in q.arg_constraints if signature[name].default is None]
    known = [name for name in vars(q) if name in optional]  # those computed later stand behind the given one
    wanted = [name for name in q.arg_constraints if name not in optional] + known[:1]
    return {name: getattr(q, name) for name in wanted}


@singledispatch
def rebuilt(q: Distribution, parameters: dict[str, Tensor]) -> Distribution:
    """A distribution as q, of other parameters by the same names."""
    family: Callable[..., Distribution] = type(q)
    return family(**parameters, validate_args=False)
