import math

import pytest
import torch
from torch.distributions import Categorical, Independent, Laplace, MixtureSameFamily, Normal

from tests.tiny import tiny_batch, tiny_model
from textvae.errors import ConfigError, DataError
from textvae.latents.heads import GaussianHead, gaussian
from textvae.latents.mixtures import GaussianMixture
from textvae.latents.posteriors import HEADS
from textvae.latents.priors import Conditional, Mixture, Vamp

unused = None  # a model's encoder, for the priors that have no use for it


def mixture() -> GaussianMixture:
    torch.manual_seed(0)
    return GaussianMixture(torch.randn(4), 3 * torch.randn(4, 3), torch.rand(4, 3) + 0.5)


def test_a_mixture_s_density_and_moments_are_those_of_torch():
    p = mixture()
    same = MixtureSameFamily(Categorical(logits=p.logits), Independent(Normal(p.loc, p.scale), 1))
    z = 4 * torch.randn(2, 5, 3)
    torch.testing.assert_close(p.log_prob(z), same.log_prob(z))
    torch.testing.assert_close(p.mean, same.mean)
    torch.testing.assert_close(p.variance, same.variance)


def test_draws_of_a_mixture_have_its_moments_and_do_not_depend_on_their_number():
    p = mixture()
    z = p.sample(torch.Size([100_000]))
    torch.testing.assert_close(z.mean(0), p.mean, atol=0.05, rtol=0)
    torch.testing.assert_close(z.var(0), p.variance, rtol=0.03, atol=0)
    torch.manual_seed(3)
    few = p.sample(torch.Size([20]))
    torch.manual_seed(3)
    assert torch.equal(p.sample(torch.Size([50]))[:20], few)


def test_a_component_s_share_of_draws_is_its_weight():
    p = GaussianMixture(
        torch.tensor([0.1, 0.2, 0.7]).log(), torch.tensor([[-50.0], [0.0], [50.0]]), torch.ones(3, 1)
    )
    z = p.sample(torch.Size([50_000]))[:, 0]
    shares = [float(((z > low) & (z < low + 50)).float().mean()) for low in (-75, -25, 25)]
    assert shares == pytest.approx([0.1, 0.2, 0.7], abs=0.01)


def test_the_components_of_a_mixture_start_apart_whatever_the_initialisation():
    model = tiny_model(prior={"name": "mixture", "components": 50}, initialisation={"name": "uniform"})
    assert model.prior().loc.std(0).min() > 0.5


def test_vamp_is_the_mean_of_the_posteriors_of_its_texts():
    model = tiny_model(prior={"name": "vamp", "components": 4, "length": 3})
    words = torch.tensor([[1, 5, 2], [1, 9, 2], [1, 4, 2], [1, 17, 2]])
    texts = model.encoder.embedding(words)
    model.prior_module.inputs.weight.data = texts.detach().flatten(0, 1)
    q = model.head(model.encoder(words, torch.full((4,), 3)))
    z = torch.randn(6, 3, dtype=torch.float64)
    expected = q.log_prob(z[:, None]).logsumexp(1) - math.log(4)
    torch.testing.assert_close(model.prior().log_prob(z), expected)


def test_vamp_s_kl_teaches_the_encoder_and_the_texts():
    model = tiny_model(prior={"name": "vamp", "components": 4, "length": 3})
    z = torch.randn(6, 3, dtype=torch.float64)
    model.prior().log_prob(z).sum().backward()
    for parameter in (
        model.prior_module.inputs.weight,
        model.encoder.lstm.weight_hh_l0,
        model.head.linear.weight,
    ):
        assert parameter.grad.any()


def test_vamp_needs_an_encoder_that_reads():
    with pytest.raises(ConfigError, match="encoder's embedding is 0"):
        tiny_model(encoder={"name": "none"}, prior={"name": "vamp"})


def test_each_label_has_a_gaussian_of_its_own():
    prior, labels = Conditional(size=3, labels=4), torch.tensor([2, 0, 2])
    prior.mean.data, prior.logvar.data = torch.randn(4, 3), torch.randn(4, 3)
    p, z = prior(labels, unused), torch.randn(5, 3, 3)
    known = gaussian(prior.mean[labels], (0.5 * prior.logvar[labels]).exp())
    assert p.batch_shape == (3,)
    torch.testing.assert_close(p.log_prob(z), known.log_prob(z))


def test_without_labels_the_conditional_prior_is_the_mean_over_them():
    prior = Conditional(size=3, labels=4).eval()
    prior.mean.data = torch.randn(4, 3)
    z = torch.randn(6, 3)
    by_label = torch.stack([prior(torch.full((6,), c), unused).log_prob(z) for c in range(4)])
    torch.testing.assert_close(prior(None, unused).log_prob(z), by_label.logsumexp(0) - math.log(4))


def test_labels_are_as_many_as_the_data_has():
    assert [Conditional(3, **given).labels for given in ({"known_labels": 4}, {"labels": 4})] == [4, 4]


def test_training_without_labels_or_with_unknown_ones_is_refused():
    model = tiny_model(prior={"name": "conditional", "labels": 2})
    with pytest.raises(DataError, match="without labels"):
        model(tiny_batch())
    with pytest.raises(DataError, match="from 0 to 3; prior 'conditional' has labels=2"):
        model(tiny_batch()._replace(labels=torch.arange(4)))


@pytest.mark.parametrize(("prior", "settings", "says"), [
    (Mixture, {"components": 0}, "components is 0"),
    (Mixture, {"spread": 0.0}, "spread is 0.0"),
    (Vamp, {"embedding": 5, "length": 0}, "length is 0"),
    (Conditional, {"labels": 0}, "labels is 0"),
    (Conditional, {}, "the data has no labels"),
    (Conditional, {"labels": 2, "known_labels": 3}, "labels is 2, but the data has 3"),
])  # fmt: skip
def test_settings_out_of_range_are_refused(prior, settings, says):
    with pytest.raises(ValueError, match=says):
        prior(size=3, **settings)


def test_vamp_refuses_posteriors_that_are_not_gaussian(monkeypatch):
    class LaplaceHead(GaussianHead):
        gaussian = False

        def at(self, parameters):
            mu, log_scale = parameters.chunk(2, dim=-1)
            return Independent(Laplace(mu, log_scale.exp()), 1)

    monkeypatch.setitem(HEADS, "laplace", LaplaceHead)
    tiny_model(latent={"name": "laplace", "size": 3})
    with pytest.raises(ConfigError, match="its posteriors are not Gaussian"):
        tiny_model(latent={"name": "laplace", "size": 3}, prior={"name": "vamp"})
