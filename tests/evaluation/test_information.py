import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MultivariateNormal,
    Normal,
    kl_divergence,
)

from tests.evaluation.known_answers import LinearGaussian
from textvae.evaluation import information as module
from textvae.evaluation.information import (
    Information,
    active_units,
    he2019_batch,
    information,
    log_sum_of_others,
    lower_bound_within,
    standard_error,
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def gaussian(loc: Tensor, scale: Tensor | float) -> Distribution:
    return Independent(Normal(loc, torch.as_tensor(scale, dtype=loc.dtype).expand_as(loc)), 1)


def kl_to_standard(q: Distribution) -> Tensor:
    return 0.5 * (q.mean**2 + q.variance - 1 - q.variance.log()).sum(-1)


def measure(q: Distribution, batch: int = 32) -> Information:
    count = q.batch_shape[0]
    sizes = [batch] * (count // batch) + [count % batch] * (count % batch > 0)
    return information(q, q.sample(), kl_to_standard(q), sizes)


def brute_force_others(q: Distribution, z: Tensor) -> Tensor:
    pairs = q.log_prob(z[:, None])
    return pairs.masked_fill(torch.eye(len(z), dtype=torch.bool), -math.inf).logsumexp(1)


def test_separated_posteriors_tell_every_sentence():
    found = measure(gaussian(100.0 * torch.randn(500, 4), 0.01))
    assert found.lower == pytest.approx(math.log(500), abs=1e-6)
    assert found.lower <= found.cap == math.log(500)
    assert found.he2019_batch == pytest.approx((480 * math.log(32) + 20 * math.log(20)) / 500, abs=0.3)
    assert found.li2019 == pytest.approx(math.log(500), abs=0.3)
    # Leaving the own component out explodes, so the average KL is the upper bound.
    assert found.upper == pytest.approx(float(kl_to_standard(gaussian(torch.zeros(1, 4), 0.01))), rel=2e3)
    assert math.isfinite(found.upper)


def test_identical_posteriors_tell_nothing():
    q = gaussian(torch.full((500, 4), 0.5), 0.8)
    found = measure(q)
    assert found.lower == pytest.approx(0, abs=1e-5)
    assert found.upper == pytest.approx(0, abs=1e-5)
    assert found.he2019_batch == pytest.approx(0, abs=0.2)
    assert found.kl_aggregate == pytest.approx(float(kl_to_standard(q).mean()), abs=1e-4)


def test_a_mixture_in_one_dimension_agrees_with_integration():
    centres, scales = torch.randn(12, 1).double() * 2, torch.rand(12, 1).double() + 0.2
    grid = torch.linspace(-15, 15, 30_001).double()
    log_q = Normal(centres, scales).log_prob(grid)
    log_mixture = log_q.logsumexp(0) - math.log(12)
    exact = float(torch.trapezoid(log_q.exp() * (log_q - log_mixture), grid).mean())
    to_prior = log_mixture - Normal(0.0, 1.0).log_prob(grid)
    exact_aggregate = float(torch.trapezoid(log_mixture.exp() * to_prior, grid))

    # The same twelve posteriors 400 times over have the same mixture and the same information.
    found = measure(gaussian(centres.repeat(400, 1).float(), scales.repeat(400, 1).float()))
    assert found.lower == pytest.approx(exact, abs=4 * found.lower_stderr)
    assert found.li2019 == pytest.approx(exact, abs=4 * found.lower_stderr)
    assert found.kl_aggregate == pytest.approx(exact_aggregate, abs=4 * found.lower_stderr)
    assert 0.001 < found.lower_stderr < 0.02
    assert exact <= found.upper + 4 * found.upper_stderr < exact + 0.1


def test_the_bounds_enclose_the_information_of_a_linear_gaussian_model():
    model = LinearGaussian()
    with torch.no_grad():
        q = model.posterior(model.draw(3000))
    found = measure(q)
    assert found.lower < model.information() < found.upper + 4 * found.upper_stderr
    assert found.upper - found.lower < 0.1
    assert found.he2019_batch < found.lower - 0.1


def test_few_sentences_bound_less_from_either_side():
    model = LinearGaussian()
    with torch.no_grad():
        few = [measure(model.posterior(model.draw(8))) for _ in range(200)]
    lower, upper = (
        torch.tensor([getattr(found, side) for found in few]).mean() for side in ("lower", "upper")
    )
    assert lower < model.information() < upper
    assert all(found.lower <= found.cap for found in few)


def test_the_lower_bound_never_passes_ln_n():
    for scale in (1e-6, 1e-3, 0.1, 1.0, 100.0):
        found = measure(gaussian(torch.randn(70, 3), scale))
        assert found.lower <= found.cap == math.log(70)
        assert found.lower <= found.upper


@pytest.mark.parametrize("scale", [1.0, 0.05, 1e-3])
@pytest.mark.parametrize(("rows", "columns"), [(512, 2048), (7, 7), (8, 3), (3, 50), (1, 1)])
def test_blocks_of_any_size_give_the_same_sums(monkeypatch, scale: float, rows: int, columns: int):
    monkeypatch.setattr(module, "ROWS", rows)
    monkeypatch.setattr(module, "COLUMNS", columns)
    q = gaussian(torch.randn(60, 3), scale)
    z = q.sample()
    wide = gaussian(q.mean.double(), scale)
    expected = brute_force_others(wide, z.double())
    torch.testing.assert_close(log_sum_of_others(q, z), expected, rtol=1e-4, atol=1e-3)


def test_threads_change_no_number_and_are_given_back(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 16)
    q, before = gaussian(torch.randn(100, 3), 0.3), torch.get_num_threads()
    z = q.sample()
    try:
        found = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(information(q, z, kl_to_standard(q), [40, 60]))
            assert torch.get_num_threads() == threads
            with ThreadPoolExecutor(1) as fresh:
                assert fresh.submit(torch.get_num_threads).result() == threads
    finally:
        torch.set_num_threads(before)
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_sharp_posteriors_close_together_keep_their_information():
    # Pairs of posteriors a few scales of 1e-3 apart, where float32 products alone would be off by whole nats.
    loc = (torch.randn(200, 16).repeat_interleave(2, 0) + 1e-3 * torch.randn(400, 16)).double()
    q, wide = gaussian(loc.float(), 1e-3), gaussian(loc.float().double(), 1e-3)
    z = q.sample()
    mixture = wide.log_prob(z.double()[:, None]).logsumexp(1) - math.log(400)
    exact = float((wide.log_prob(z.double()) - mixture).mean())
    found = information(q, z, kl_to_standard(q), [400])
    assert found.lower == pytest.approx(exact, abs=1e-3)
    assert math.log(200) < found.lower < found.cap - 0.001


def test_families_without_a_product_of_their_own_are_measured_alike():
    loc = torch.randn(80, 2)
    q = gaussian(loc, 0.4)
    full = MultivariateNormal(loc, 0.16 * torch.eye(2).expand(80, 2, 2))
    z, kl = q.sample(), kl_to_standard(q)
    for one, other in zip(information(q, z, kl, [80]), information(full, z, kl, [80]), strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_codes_that_coincide_are_counted():
    codes = torch.arange(12) % 3
    q = Independent(Categorical(probs=torch.nn.functional.one_hot(codes, 3)[:, None].float()), 1)
    found = information(q, q.sample(), torch.full((12,), math.log(3)), [12])
    assert found.lower == pytest.approx(math.log(3), abs=1e-5)
    assert found.upper == pytest.approx(math.log(3), abs=1e-5)
    assert found.kl_aggregate == pytest.approx(0, abs=1e-5)


def test_no_latent_and_a_single_sentence_tell_nothing():
    for q in (gaussian(torch.zeros(9, 0), 1.0), gaussian(torch.zeros(1, 2), 1.0)):
        found = measure(q)
        assert found[:4] == pytest.approx((0, 0, 0, 0), abs=1e-12)
        assert found.kl_aggregate == pytest.approx(0, abs=1e-12)


def test_where_no_other_posterior_reaches_the_sum_is_empty():
    codes = Independent(Categorical(logits=torch.eye(3)[:, None].log()), 1)
    for q in (gaussian(torch.zeros(1, 2), 1.0), codes):
        assert (log_sum_of_others(q, q.sample()) == -math.inf).all()


def test_a_conditional_prior_gives_no_bound_by_its_kl():
    q = gaussian(torch.randn(50, 2), 0.5)
    z, none = q.sample(), torch.zeros(50)
    assert information(q, z, none, [50]).upper == 0
    found = information(q, z, none, [50], told=20.0)
    assert 20 > found.upper > found.lower > 0.1
    assert found.kl_aggregate is None


def test_under_a_conditional_prior_the_kl_and_the_label_bound_the_information():
    """Sharp posteriors around each label's mean: the bound that leaves a sentence out explodes."""
    label = torch.arange(60) % 3
    q = gaussian(label[:, None] * 10.0 + 0.5 * torch.randn(60, 1), 0.001)
    kl = kl_divergence(q, gaussian(label[:, None] * 10.0, 0.5))
    found = information(q, q.sample(), kl, [60], told=math.log(3))
    assert found.upper == pytest.approx(float(kl.double().mean()) + math.log(3))
    assert found.lower < found.upper < 10
    one = information(gaussian(torch.zeros(1, 1), 1.0), torch.zeros(1, 1), torch.zeros(1), [1], told=0.0)
    assert (one.lower, one.upper, one.upper_stderr) == (0, 0, 0)


def test_the_estimate_within_batches_is_that_of_he_et_al():
    sizes = [40, 5, 1]
    q = gaussian(torch.randn(46, 3), 0.3)
    z = q.sample()
    total = 0.0
    for part in torch.arange(46).split([32, 8, 5, 1]):
        batch = gaussian(q.mean[part], 0.3)
        log_qz = batch.log_prob(z[part][:, None]).logsumexp(1) - math.log(len(part))
        total += float((-batch.entropy() - log_qz).sum())
    assert he2019_batch(q, z, sizes) == pytest.approx(total / 46, abs=1e-5)


def test_progress_reaches_every_sentence(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 20)
    q, calls = gaussian(torch.randn(50, 2), 0.5), []
    information(
        q, q.sample(), torch.zeros(50), [50], progress=lambda done, total: calls.append((done, total))
    )
    assert calls == [(20, 50), (40, 50), (50, 50)]


def test_active_units_count_the_means_that_vary():
    means = torch.tensor([[-1.0, 3.0, 0.1], [1.0, 3.0, -0.1]])
    assert active_units(means) == 2
    assert active_units(means, threshold=0.05) == 1
    # The unbiased variance of (0.07, -0.07) is 0.0098, of (0.071, -0.071) 0.010082; the biased ones are half.
    assert active_units(torch.tensor([[0.07, 0.071], [-0.07, -0.071]])) == 1
    assert active_units(torch.tensor([[0.1], [-0.1]]), unit=torch.tensor([3.0])) == 0
    assert active_units(torch.zeros(5, 0)) == active_units(torch.ones(1, 4)) == 0


def test_standard_error_of_a_mean():
    assert standard_error(torch.tensor([1.0, 3.0])) == pytest.approx(1.0)
    assert standard_error(torch.tensor([1.0])) == 0


def test_the_bound_within_labels_is_that_of_each_label_alone():
    labels = torch.tensor([0, 1, 1, 0, 2, 1, 1, 0])
    q = gaussian(torch.randn(8, 2).double(), 0.3)
    z = q.sample()
    lower, cap = lower_bound_within(q, z, labels)
    gains, caps = 0.0, 0.0
    for label in range(3):
        rows = torch.where(labels == label)[0]
        alone = gaussian(q.mean[rows], 0.3)
        found = information(alone, z[rows], kl_to_standard(alone), [len(rows)])
        gains, caps = gains + len(rows) * found.lower, caps + len(rows) * found.cap
    assert lower == pytest.approx(gains / 8)
    assert cap == pytest.approx(caps / 8)
    assert lower <= information(q, z, kl_to_standard(q), [8]).lower + 1e-9
