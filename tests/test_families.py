"""What holds for every legal pair of posterior and prior, and that no other pair is built."""

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from tests.evaluation.known_answers import log_weights
from tests.families import FAMILIES, LABELS, Family
from tests.tiny import VOCABULARY, tiny_batch, tiny_config, tiny_model
from textvae.data.batching import Batch
from textvae.data.specials import SPECIAL_WORDS
from textvae.data.tokenization import Tokenizer
from textvae.errors import ConfigError
from textvae.evaluation.evaluator import FIGURES, evaluate
from textvae.evaluation.likelihood import importance_weighted_log_prob
from textvae.generation.sentences import SentenceSpace
from textvae.latents.distributions import factorises
from textvae.latents.divergence import kl_groups, kl_kind
from textvae.latents.heads import SPHERE
from textvae.latents.posteriors import HEADS
from textvae.latents.priors import PRIORS
from textvae.model import build_model
from textvae.training.checkpoint import load_weights, save_weights

every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"{family[0]}-{family[1]}")


def labelled(lengths: tuple[int, ...], seed: int = 0) -> Batch:
    return tiny_batch(lengths, seed)._replace(labels=torch.arange(len(lengths)) % LABELS)


def stirred(family: Family, seed: int = 0) -> torch.nn.Module:
    """The family's model with weights so large that sentences differ, in evaluation mode."""
    model = family.model(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return model.eval()


@every_family
def test_shapes(family):
    model, batch = family.model(), labelled((4, 6, 3))
    output = model(batch, samples=2)
    size = model.latent_size
    groups = {"exact per dimension": size}.get(family.kl, 2 if family.latent == "hierarchical" else 1)
    assert output.z.shape == (2, 3, size)
    assert output.log_px_z.shape == (2, 3)
    assert output.kl.shape == (3, groups)
    assert kl_kind(output.posterior, output.prior) == family.kl
    assert output.posterior.batch_shape == (3,)
    assert factorises(output.posterior) == model.head.factorises
    for moment in (output.posterior.mean, output.posterior.variance, output.posterior.mode):
        assert moment.shape == (3, size) and moment.isfinite().all()
    assert {value.dtype for value in (output.z, output.log_px_z, output.kl)} == {torch.float64}
    prior = model.eval().prior()
    assert (prior.batch_shape, prior.event_shape) == ((), (size,))
    assert prior.sample(torch.Size([2])).shape == (2, size)


@every_family
@pytest.mark.parametrize("lengths", [(4, 6, 3), (5,)], ids=["batch", "batch of one"])
def test_every_parameter_gets_a_finite_gradient(family, lengths):
    model = family.model()
    output = model(labelled(lengths), samples=2)
    (output.kl.sum() - output.log_px_z.mean()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@every_family
def test_the_kl_is_the_mean_of_the_log_ratio(family):
    model, batch = stirred(family), labelled((4, 6, 3))
    with torch.no_grad():
        q, p = model.posterior(batch), model.prior(batch)
        z = q.rsample((40_000,))
        ratios = q.log_prob(z) - p.log_prob(z)
        error = ratios.std(0) / math.sqrt(len(z))
        again = kl_groups(q, p, q.rsample((40_000,))).sum(-1)
    assert ((again - ratios.mean(0)).abs() <= 6 * error + 1e-9).all()


@every_family
def test_the_importance_weighted_bound_is_not_above_the_elbo_of_the_same_weights(family):
    model, batch = stirred(family), labelled((4, 6, 3))
    with torch.no_grad():
        torch.manual_seed(5)
        weights = log_weights(model, batch, samples=20)
        torch.manual_seed(5)
        log_px = importance_weighted_log_prob(model, batch, samples=20)
    assert (log_px >= weights.mean(0) - 1e-9).all()
    if model.latent_size:
        torch.testing.assert_close(log_px, weights.logsumexp(0) - math.log(20))


@every_family
def test_the_bounds_on_information_are_in_order(family):
    model = stirred(family)
    batches = [labelled((length,) * 8, seed=length) for length in (3, 4, 5, 6)]
    found = evaluate(model, batches, iw_samples=3, tc_sentences=None, fisher_sentences=None)
    assert found["mi_lower"] <= math.log(32) + 1e-9
    error = math.hypot(found["mi_lower_stderr"], found["mi_upper_stderr"])
    assert found["mi_lower"] <= found["mi_upper"] + 3 * error + 1e-9
    assert found["kl_kind"] == family.kl
    has_parts = family.kl == "exact per dimension" and family.prior != "conditional"
    assert ("total_correlation" in found) == has_parts
    assert all(math.isfinite(v) for v in found.values() if isinstance(v, float))


def test_the_numbers_of_an_evaluation_are_those_that_are_named():
    """A search may ask for any of them, so that a name too many or too few is a figure that none can have."""
    named: set[str] = set()
    for family in FAMILIES:
        model = stirred(family)
        found = evaluate(model, [labelled((4,) * 6)])
        numbers = {name for name, value in found.items() if isinstance(value, int | float)}
        assert numbers - set(FIGURES) == set(model.head.tells)
        within = {"mi_lower_given_label", "mi_cap_given_label"}
        assert set(FIGURES) - numbers in ({"kl_aggregate"}, {"label_entropy", *within})
        named |= numbers
    assert set(FIGURES) <= named


def test_two_layers_of_one_dimension_each_are_not_judged_as_dimensions():
    """Both layers pay a KL by their variances alone: no mean of z varies, so that no unit is active."""
    layers = {"latent": {"name": "hierarchical", "size": 2}, "prior": {"name": "hierarchical", "hidden": 5}}
    model = tiny_model(**layers)
    with torch.no_grad():
        model.head.linear.weight[[0, 1, 3]] = 0.0  # the mean of z1, its gain and the mean of z2
        model.head.linear.weight[[2, 4]] = 5.0
    found = evaluate(model, [labelled((length,) * 8, seed=length) for length in (3, 4, 5)])
    assert len(found["kl_per_dim"]) == found["total_dimensions"] == 2 and min(found["kl_per_dim"]) > 0.01
    assert found["active_units"] == found["verdict"]["active_dimensions"] == 0
    assert found["status"] == "FULL COLLAPSE"


@every_family
def test_padding_changes_no_number(family):
    model, lengths = stirred(family), (7, 2, 1, 5)
    batch = labelled(lengths)
    q, p = model.posterior(batch), model.prior(batch)
    z = q.sample((3,))
    log_px_z, kl = model.log_likelihood(batch, z), kl_groups(q, p, z)
    for index in range(len(lengths)):
        one, own_z = batch.rows(torch.tensor([index])), z[:, [index]]
        own = model.posterior(one)
        assert one.inputs.shape[1] == batch.lengths[index]
        for moment in ("mean", "variance"):
            torch.testing.assert_close(getattr(own, moment)[0], getattr(q, moment)[index])
        torch.testing.assert_close(model.log_likelihood(one, own_z)[:, 0], log_px_z[:, index])
        torch.testing.assert_close(kl_groups(own, model.prior(one), own_z)[0], kl[index])


@every_family
def test_saved_and_loaded_it_gives_the_same_numbers(family, tmp_path):
    model, batch = family.model(seed=0), labelled((4, 6, 3))
    model(batch)  # moves running statistics, where there are any
    save_weights(model, tmp_path / "weights.safetensors")
    other = family.model(seed=1)
    load_weights(other, tmp_path / "weights.safetensors")
    for part in (model, other):
        part.eval()
    assert torch.equal(model.posterior(batch).mean, other.posterior(batch).mean)
    z = model.posterior(batch).rsample((2,))
    assert torch.equal(model.prior(batch).log_prob(z), other.prior(batch).log_prob(z))
    assert torch.equal(model.prior().log_prob(z), other.prior().log_prob(z))


@every_family
def test_it_samples_and_interpolates(family):
    model = stirred(family)
    words = [f"w{number}" for number in range(VOCABULARY - len(SPECIAL_WORDS))]
    space = SentenceSpace(model, Tokenizer.from_vocabulary([*SPECIAL_WORDS, *words]))
    draws = space.draw(32, seed=1)
    torch.testing.assert_close(space.draw(16, seed=1), draws[:16])
    assert len(space.sample(5)) == 5
    assert len(space.interpolate(steps=4)) == 4
    ends = ("w1 w2 w3", "w4 w5")
    path = space.interpolate(*ends, steps=5)
    assert len(path) == 5
    assert [path[0], path[-1]] == space.reconstruct(ends)
    assert path == space.interpolate(*ends, steps=5, path=model.head.path)
    if model.head.space == SPHERE:
        assert_on_the_sphere(draws)
        assert_on_the_sphere(space.points(ends))


def assert_on_the_sphere(z: Tensor) -> None:
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(len(z), dtype=z.dtype))


LEGAL = {family[:2] for family in FAMILIES}


@pytest.mark.parametrize(("latent", "prior"), [pair for pair in product(HEADS, PRIORS) if pair not in LEGAL])
def test_other_pairs_are_refused_by_both_names(latent, prior):
    sections = Family(latent, prior, "").sections
    with pytest.raises(ConfigError, match=f"latent '{latent}' and prior '{prior}' do not go together: "):
        build_model(tiny_config(**sections), VOCABULARY, unk=3)


def test_the_pairs_that_hold_are_named_once():
    assert len(LEGAL) == len(FAMILIES)
    assert {latent for latent, _ in LEGAL} == set(HEADS)
    assert {prior for _, prior in LEGAL} == set(PRIORS)
