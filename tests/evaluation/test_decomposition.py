import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, Normal, kl_divergence

from textvae.evaluation import information as blocks
from textvae.evaluation.decomposition import kl_parts, total_correlation
from textvae.evaluation.information import information


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def gaussian(loc: Tensor, scale: Tensor | float) -> Distribution:
    return Independent(Normal(loc, torch.as_tensor(scale, dtype=loc.dtype).expand_as(loc)), 1)


def standard(size: int) -> Distribution:
    return gaussian(torch.zeros(size), 1.0)


def parts(q: Distribution, p: Distribution) -> dict[str, float]:
    z, kl = q.sample(), kl_divergence(q, p)
    bounds = information(q, z, kl, [len(z)])
    return kl_parts(float(kl.mean()), bounds.lower, total_correlation(q, z))


def written_out(q: Distribution, p: Distribution, z: Tensor) -> dict[str, float]:
    """Equation 2 of Chen et al. 2018 term by term, with the sampled KL of the same z."""
    pairs = q.base_dist.log_prob(z[:, None])  # (N,N,Z)
    own, log_n = pairs.diagonal().sum(0), math.log(len(z))
    joint, each = pairs.sum(-1).logsumexp(1) - log_n, pairs.logsumexp(1).sum(-1) - log_n * z.shape[1]
    return {
        "index_code_mi": float((own - joint).mean()),
        "total_correlation": float((joint - each).mean()),
        "dimension_wise_kl": float((each - p.log_prob(z)).mean()),
    }


def test_the_parts_are_those_of_the_definition_and_sum_to_the_kl_of_the_same_draws():
    q, p = (
        gaussian(torch.randn(60, 3).double(), torch.rand(60, 3).double() + 0.2),
        gaussian(torch.zeros(3).double(), 1.0),
    )
    z = q.sample()
    sampled = q.log_prob(z) - p.log_prob(z)
    bounds = information(q, z, sampled, [60])
    found = kl_parts(float(sampled.mean()), bounds.lower, total_correlation(q, z))
    assert found == pytest.approx(written_out(q, p, z), abs=1e-6)
    assert sum(found.values()) == pytest.approx(float(sampled.mean()), abs=1e-12)
    assert found["index_code_mi"] == bounds.lower
    assert found["total_correlation"] + found["dimension_wise_kl"] == pytest.approx(bounds.kl_aggregate)


def test_a_linear_gaussian_posterior_has_the_parts_of_its_closed_form():
    # z = A e + noise with e ~ N(0, I): q(z) is N(0, C), C = A A' + s^2 I, in the limit of many sentences.
    weight, scale = torch.tensor([[0.8, 0.0], [0.9, 0.3]]), 0.6
    q = gaussian(torch.randn(4000, 2) @ weight.T + 0.3, scale)
    covariance = weight @ weight.T + scale**2 * torch.eye(2)
    variances, log_det = covariance.diagonal(), float(covariance.logdet())
    found = parts(q, standard(2))
    assert found["total_correlation"] == pytest.approx(
        0.5 * (float(variances.log().sum()) - log_det), abs=0.03
    )
    assert found["total_correlation"] > 0.2
    assert found["index_code_mi"] == pytest.approx(0.5 * (log_det - 4 * math.log(scale)), abs=0.05)
    expected = 0.5 * float((variances + 0.3**2 - 1 - variances.log()).sum())
    assert found["dimension_wise_kl"] == pytest.approx(expected, abs=0.05)


def test_independent_dimensions_have_no_total_correlation():
    found = parts(gaussian(0.6 * torch.randn(3000, 4), 0.8), standard(4))
    assert found["total_correlation"] == pytest.approx(0, abs=0.03)
    assert found["dimension_wise_kl"] == pytest.approx(0, abs=0.1)


def test_a_collapsed_posterior_has_no_part():
    assert parts(gaussian(torch.zeros(300, 4), 1.0), standard(4)) == pytest.approx(
        dict.fromkeys(("index_code_mi", "total_correlation", "dimension_wise_kl"), 0.0), abs=1e-4
    )


def test_two_equal_dimensions_tell_of_each_other_all_that_one_tells():
    codes = (torch.arange(12) % 3)[:, None].expand(12, 2)
    q = Independent(Categorical(probs=torch.nn.functional.one_hot(codes, 3).float()), 1)
    p = Independent(Categorical(probs=torch.full((2, 3), 1 / 3)), 1)
    assert parts(q, p) == pytest.approx(
        {"index_code_mi": math.log(3), "total_correlation": math.log(3), "dimension_wise_kl": 0}, abs=1e-5
    )


def test_of_no_dimension_and_of_one_there_is_no_total_correlation():
    for size in (0, 1):
        q = gaussian(torch.randn(50, size), 0.3)
        assert total_correlation(q, q.sample()) == pytest.approx(0, abs=1e-5)


def test_a_subset_of_draws_estimates_the_whole_under_the_same_mixture(monkeypatch):
    monkeypatch.setattr(blocks, "ROWS", 64)
    monkeypatch.setattr(blocks, "COLUMNS", 96)
    q = gaussian(torch.randn(600, 1) @ torch.ones(1, 3) + 0.2 * torch.randn(600, 3), 0.3)
    z = q.sample()
    whole = total_correlation(q, z)
    some = [total_correlation(q, z, sentences=150, seed=seed) for seed in range(8)]
    assert total_correlation(q, z, sentences=150, seed=0) == some[0]
    assert total_correlation(q, z, sentences=10_000, seed=3) == pytest.approx(whole, abs=1e-5)
    assert torch.tensor(some).std() > 1e-3
    assert torch.tensor(some).mean() == pytest.approx(whole, abs=0.1)


def test_few_sentences_count_as_correlation_what_the_information_cannot_hold():
    q = gaussian(10 * torch.randn(40, 3), 1e-3)
    assert total_correlation(q, q.sample()) == pytest.approx(2 * math.log(40), abs=1e-3)


def test_progress_counts_dimensions():
    calls, q = [], gaussian(torch.randn(20, 3), 0.5)
    total_correlation(q, q.sample(), progress=lambda done, of: calls.append((done, of)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(("kl", "few"), [(3.8, 0.2), (5.5, 0.6), (7.5, 1.4), (9.0, 2.5)])
def test_few_sentences_have_a_total_correlation_by_their_number_alone(kl, few):
    """The figures that its docstring and the README tell: independent dimensions, 1,000 posteriors."""
    scale = math.exp(-kl / 16)
    found = parts(gaussian((1 - scale**2) ** 0.5 * torch.randn(1000, 16), scale), standard(16))
    assert found["total_correlation"] == pytest.approx(few, abs=0.15)
    assert sum(found.values()) == pytest.approx(kl, abs=0.3)
