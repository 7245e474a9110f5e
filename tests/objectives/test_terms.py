"""Each term against its closed form, a sum written out, or the limits that it states."""

import math

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal

from tests.families import LATENTS
from tests.latents.pairs import pairwise_log_prob
from tests.tiny import VOCABULARY, tiny_batch, tiny_model, tiny_objective
from textvae.errors import ConfigError
from textvae.latents.spheres import UniformOnSphere
from textvae.model import Output
from textvae.objectives.rates import RATES
from textvae.objectives.schedules import SCHEDULES, Schedule
from textvae.objectives.terms import (
    TERMS,
    BagOfWords,
    CentredMuForcing,
    MaximumMeanDiscrepancy,
    MuForcing,
    MutualInformation,
    TotalCorrelation,
)
from textvae.training.descent import Descent
from textvae.training.optimizers import sgd
from textvae.training.updaters import Joint


def gaussian(loc, scale=1.0):
    return Independent(Normal(loc, torch.full_like(loc, scale)), 1)


def output_of(posterior, batch=None, samples=1):
    """What a term reads where no decoder is asked: q, N(0,I) and draws of q."""
    loc = posterior.mean
    prior = gaussian(torch.zeros(loc.shape[1], dtype=loc.dtype))
    z = posterior.rsample((samples,))
    nothing = torch.zeros(samples, len(loc))
    return Output(posterior, prior, z, nothing, torch.zeros_like(loc), batch, z)


def test_bag_of_words_is_the_sum_over_words_without_the_end():
    torch.manual_seed(0)
    batch, term = tiny_batch((4, 2, 3)), BagOfWords(VOCABULARY, latent=3, weight=2.0, hidden=5).double()
    output = output_of(gaussian(torch.randn(3, 3, dtype=torch.float64)), batch, samples=2)
    total = 0.0
    for z in output.z:
        for row, length in enumerate((4, 2, 3)):
            log_f = term.predict(z[row]).log_softmax(-1)
            total -= sum(log_f[word].item() for word in batch.targets[row, :length])
    assert term(output).item() == pytest.approx(2.0 * total / 6)


def test_bag_of_words_trains_its_own_network_with_the_decoder():
    model = tiny_model().float()
    objective = tiny_objective(terms={"bag_of_words": {"hidden": 4}})
    descent = Descent(model, sgd(0.1), 0.0, auxiliary=objective.parameters())
    before = [p.detach().clone() for p in objective.parameters()]
    loss = Joint(model, objective, descent).step(tiny_batch(), tiny_batch, 0)
    assert loss.logs["term_bag_of_words"] > 0
    assert all(not torch.equal(a, b) for a, b in zip(before, objective.parameters(), strict=True))
    assert len(descent.generative.parameters) == len([*model.generative_parameters(), *before])


def test_mmd_has_its_closed_form_between_gaussians():
    torch.manual_seed(0)
    shift = torch.tensor([0.8, -0.5], dtype=torch.float64)
    term, values = MaximumMeanDiscrepancy(weight=1.0, bandwidth=0.5), []
    for _ in range(20):
        values.append(term(output_of(gaussian(shift.expand(400, 2)))).item())
    s = 2 * 0.5  # k = exp(-|a - b|^2 / 2s); a - b has variance 2 in each dimension
    expected = 2 * (s / (s + 2)) * (1 - math.exp(-shift.square().sum().item() / (2 * (s + 2))))
    error = torch.tensor(values).std().item() / math.sqrt(len(values))
    assert abs(sum(values) / len(values) - expected) < 4 * error < 0.02


@pytest.mark.parametrize("spread", [0.0, 0.95])
@pytest.mark.parametrize("samples", [1, 4])
def test_mmd_is_unbiased_where_q_in_aggregate_is_the_prior(samples, spread):
    """Means of N(0, spread^2) and what is left of the variance 1 to each sentence."""
    torch.manual_seed(0)
    term, left = MaximumMeanDiscrepancy(weight=1.0), math.sqrt(1 - spread**2)
    values = torch.stack(
        [term(output_of(gaussian(spread * torch.randn(6, 3), left), samples=samples)) for _ in range(4000)]
    )
    assert values.mean().abs() < 4 * values.std() / math.sqrt(len(values)) < 0.02


def test_mmd_is_unbiased_where_the_prior_knows_the_label_of_a_sentence():
    """q(z|x) = p(z|label), labels at random: both are the same in aggregate."""
    torch.manual_seed(0)
    term, values = MaximumMeanDiscrepancy(weight=1.0), []
    for _ in range(4000):
        same = gaussian(3.0 * torch.randint(2, (6, 1)).expand(6, 3), 0.3)
        values.append(term(output_of(same, samples=2)._replace(prior=same)))
    found = torch.stack(values)
    assert found.mean().abs() < 4 * found.std() / math.sqrt(len(found)) < 0.02


def on_sphere(z):
    """What a term reads of draws z (1,B,Z) on the unit sphere, whose prior is the uniform one."""
    nothing = torch.zeros(z.shape[:2])
    uniform = UniformOnSphere(torch.zeros(z.shape[2], dtype=z.dtype), validate_args=False)
    return Output(uniform, uniform, z, nothing, nothing[0][:, None], None, z)


def test_mmd_tells_two_points_of_a_sphere_from_all_of_it():
    """Distances there are at most 2, whatever Z: a kernel as wide as for N(0, I) finds 2e-4."""
    torch.manual_seed(0)
    term, poles = MaximumMeanDiscrepancy(weight=1.0), torch.zeros(1, 200, 32, dtype=torch.float64)
    poles[0, :, 0] = torch.tensor([1.0, -1.0]).repeat(100)
    anywhere = torch.nn.functional.normalize(torch.randn(1, 200, 32, dtype=torch.float64), dim=-1)
    assert term(on_sphere(poles)).item() > 0.1
    assert abs(term(on_sphere(anywhere)).item()) < 0.01


def test_mmd_moves_a_prior_whose_draws_have_a_gradient():
    """Towards a q that is far from it: at beta 0 nothing else does."""
    torch.manual_seed(0)
    mean = torch.zeros(12, 2, dtype=torch.float64, requires_grad=True)
    output = output_of(gaussian(1 + torch.randn(12, 2, dtype=torch.float64), 0.3), samples=2)
    MaximumMeanDiscrepancy()(output._replace(prior=gaussian(mean))).backward()
    assert (mean.grad.sum(0) < 0).all()


def test_information_of_posteriors_far_apart_is_the_logarithm_of_their_number():
    loc = 100.0 * torch.arange(8, dtype=torch.float64)[:, None].expand(8, 3)
    assert MutualInformation()(output_of(gaussian(loc))).item() == pytest.approx(-math.log(8))


def test_information_of_equal_posteriors_is_zero():
    torch.manual_seed(0)
    output = output_of(gaussian(torch.ones(8, 3, dtype=torch.float64), 0.3), samples=2)
    assert MutualInformation()(output).item() == pytest.approx(0.0, abs=1e-12)


def test_information_is_that_of_the_densities_written_out():
    torch.manual_seed(0)
    output = output_of(gaussian(torch.randn(5, 3, dtype=torch.float64), 0.7), samples=2)
    expected = 0.0
    for z in output.z:
        log_q = pairwise_log_prob(output.posterior, z)
        expected += (log_q.diagonal() - log_q.logsumexp(1) + math.log(5)).mean() / 2
    torch.testing.assert_close(MutualInformation(weight=0.5)(output), -0.5 * expected)


def test_total_correlation_counts_what_dimensions_tell_of_each_other():
    torch.manual_seed(0)
    corners = 100.0 * torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64)
    assert TotalCorrelation()(output_of(gaussian(corners))).item() == pytest.approx(0.0, abs=1e-9)
    line = 100.0 * torch.arange(4, dtype=torch.float64)[:, None].expand(4, 3)
    assert TotalCorrelation(0.5)(output_of(gaussian(line))).item() == pytest.approx(0.5 * 2 * math.log(4))
    same = torch.ones(4, 3, dtype=torch.float64)
    assert TotalCorrelation()(output_of(gaussian(same))).item() == pytest.approx(0.0, abs=1e-9)


def test_total_correlation_refuses_a_posterior_that_does_not_factorise():
    q = MultivariateNormal(torch.zeros(4, 2), torch.eye(2))
    with pytest.raises(ConfigError, match="factorises"):
        TotalCorrelation()(output_of(q))


@pytest.mark.parametrize(
    ("term", "latent"),
    [
        ("total_correlation", "von_mises_fisher"),
        ("total_correlation", "quantised"),
        ("total_correlation", "hierarchical"),
        ("mutual_information", "quantised"),
        ("commitment", "gaussian"),
        ("commitment", "hierarchical"),
    ],
)
def test_a_posterior_that_a_term_cannot_charge_is_refused_before_training_by_both_names(term, latent):
    names = f"latent '{latent}' and terms.{term} do not go together: "
    with pytest.raises(ConfigError, match=names):
        tiny_objective(latent={"name": latent, **LATENTS[latent]}, terms={term: {}})


MEANS = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 2.0], [-1.0, -2.0]])


def test_mu_forcing_charges_what_the_means_lack_of_the_margin():
    assert MuForcing(margin=5.0, weight=2.0)(output_of(gaussian(MEANS))) == pytest.approx(2 * (5 - 1.5))
    assert MuForcing(margin=1.0)(output_of(gaussian(MEANS))) == 0
    assert MuForcing(margin=5.0)(output_of(gaussian(torch.full((4, 2), 3.0)))) == 0


@pytest.mark.parametrize("shift", [0.0, 7.0])
def test_centred_mu_forcing_sees_the_spread_of_the_means_alone(shift):
    spread = 0.5 * (1 + 2)
    output = output_of(gaussian(MEANS + shift))
    assert CentredMuForcing(margin=5.0, weight=2.0)(output) == pytest.approx(2 * (5 - spread))
    assert CentredMuForcing(margin=1.0)(output) == 0


def test_centred_mu_forcing_is_the_published_code_in_other_units():
    torch.manual_seed(0)
    mu, v = torch.randn(7, 3) + 2, 1.7
    published = (v - torch.nn.functional.mse_loss(mu.mean(0).expand_as(mu), mu)).relu()
    assert published > 0
    torch.testing.assert_close(
        CentredMuForcing(margin=3 * v / 2, weight=2 / 3)(output_of(gaussian(mu))), published
    )


@pytest.mark.parametrize(
    "term", [MaximumMeanDiscrepancy(), MutualInformation(), TotalCorrelation(), CentredMuForcing(3.0)]
)
def test_one_sentence_alone_is_charged_nothing(term):
    loc = torch.ones(1, 3, requires_grad=True)
    value = term(output_of(gaussian(loc)))
    value.backward()
    assert value.item() == pytest.approx(0.0, abs=1e-6) and loc.grad.isfinite().all()


@pytest.mark.parametrize(
    "terms",
    [
        {"bag_of_words": {}},
        {"mmd": {}},
        {"mutual_information": {}},
        {"total_correlation": {}},
        {"mu_forcing": {"margin": 50.0}},
        {"mu_forcing_centred": {"margin": 50.0}},
    ],
)
def test_every_term_reaches_the_encoder_and_leaves_the_true_figures(terms):
    model, objective = tiny_model(), tiny_objective(terms=terms).double()
    torch.manual_seed(0)
    output = model(tiny_batch((4, 2, 3)), samples=2)
    loss, plain = objective(output, 0), tiny_objective()(output, 0)
    assert (loss.logs["rec"], loss.logs["kl"]) == (plain.logs["rec"], plain.logs["kl"])
    (name,) = terms
    value = loss.logs[f"term_{name}"]
    torch.testing.assert_close(loss.total, plain.total + value)
    gradient = torch.autograd.grad(loss.total - plain.total, model.head.linear.weight)[0]
    assert gradient.isfinite().all() and gradient.any()


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("mmd", {"weight": -1.0}, "weight is -1"),
        ("mmd", {"bandwidth": 0.0}, "bandwidth is 0"),
        ("mu_forcing", {"margin": -1.0}, "margin is -1"),
        ("bag_of_words", {"hidden": 0}, "hidden units"),
        ("bag", {}, "known: bag_of_words"),
        ("mmd", None, "terms.mmd is None, must be a group of settings; ~terms.mmd"),
    ],
)
def test_settings_out_of_range(name, settings, says):
    with pytest.raises(ConfigError, match=says):
        tiny_objective(terms={name: settings})


def test_a_model_without_z_has_no_bag_of_words():
    with pytest.raises(ConfigError, match="needs a z"):
        tiny_objective(latent={"name": "none"}, terms={"bag_of_words": {}})


@pytest.mark.parametrize(
    "terms",
    [{"mmd": {}}, {"mutual_information": {}}, {"total_correlation": {}}, {"minimum_rate": {"target": 1.0}}],
)
def test_a_model_without_z_has_nothing_to_charge(terms):
    model = tiny_model(encoder={"name": "none"}, latent={"name": "none"})
    objective, output = tiny_objective(latent={"name": "none"}, terms=terms), model(tiny_batch())
    (name,) = terms
    for _ in range(2):  # a controller has moved by the second time
        loss = objective(output, 0)
        assert float(loss.logs[f"term_{name}"]) == pytest.approx(0.0, abs=1e-12)
        objective.advance(loss)


class Bare:
    """What a user's own might be, written with the call alone."""

    def __call__(self, *given):
        return given[0]


class Falling(Schedule):
    final = 0.5

    def __call__(self, step):
        return 1 / (step + 1)


def test_parts_of_one_s_own_are_asked_for_all_that_is_read_of_them(monkeypatch):
    for registry, section, says in (
        (SCHEDULES, "schedule", "schedule 'own' has no final; a schedule needs final, least, settled"),
        (RATES, "rate", "rate 'own' has no free"),
    ):
        monkeypatch.setitem(registry, "own", Bare)
        with pytest.raises(ConfigError, match=says):
            tiny_objective(**{section: {"name": "own"}})
    monkeypatch.setitem(TERMS, "own", Bare)
    with pytest.raises(ConfigError, match=r"terms.own is of .*Bare.*must be a textvae.objectives.term.Term"):
        tiny_objective(terms={"own": {}})
    monkeypatch.setitem(SCHEDULES, "own", Falling)
    made = tiny_objective(schedule={"name": "own"})
    assert made.final_beta == 0.5 and made.schedule.settled(0) and made.schedule.least == 0


@pytest.mark.parametrize(("size", "charged"), [(2, 0.5), (32, 1.0)])
def test_near_its_end_total_correlation_charges_for_information(size, charged):
    """The figures of its docstring: independent dimensions, 3.7 nats of information, batches of 32."""
    torch.manual_seed(0)
    scale = math.exp(-3.7 / size)
    values = []
    for _ in range(100):
        q = gaussian((1 - scale**2) ** 0.5 * torch.randn(32, size), scale)
        values.append(TotalCorrelation()(output_of(q)))
    assert float(torch.stack(values).mean()) == pytest.approx(charged, abs=0.1)
