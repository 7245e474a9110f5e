import math

import pytest
import torch
from torch.distributions import Independent, Normal

from tests.tiny import tiny_batch, tiny_model
from textvae.latents.committed import LEAST, MOST, BatchNormHead, DeltaHead, RunningStatistics, log_roots
from textvae.latents.divergence import kl_groups


def kl_to_standard(q: Independent) -> torch.Tensor:
    size = q.event_shape[0]
    return kl_groups(q, Independent(Normal(torch.zeros(size), torch.ones(size)), 1), q.mean[None])


def test_batch_norm_fixes_the_spread_of_the_means_and_bounds_the_kl():
    torch.manual_seed(0)
    head = BatchNormHead(6, size=5, gamma=0.7)
    head.shift.data = torch.linspace(-1, 1, 5)
    q = head(3 * torch.randn(64, 6) + 2)
    torch.testing.assert_close(q.mean.mean(0), head.shift.data, atol=1e-5, rtol=0)
    torch.testing.assert_close(q.mean.std(0, unbiased=False), torch.full((5,), 0.7), atol=1e-3, rtol=0)
    bound = (0.7**2 + head.shift.data**2).sum() / 2
    assert kl_to_standard(q).sum(-1).mean() >= bound * 0.999


def test_the_bound_holds_from_a_start_of_tiny_weights_on():
    model = tiny_model(latent={"name": "batch_norm", "size": 3}, initialisation={"name": "uniform"}).float()
    kl = model(tiny_batch((5,) * 16)).kl.sum(-1).mean().item()
    assert kl >= 3 * 0.6**2 / 2 * 0.98


def test_the_published_bounds_of_batch_norm():
    for gamma, nats in {0.5: 4.0, 0.6: 5.76, 0.7: 7.84}.items():
        head = BatchNormHead(6, size=32, gamma=gamma)
        head.linear.weight.data[32:] = 0  # sigma 1: the bound is reached
        kl = kl_to_standard(head(torch.randn(256, 6))).sum(-1).mean().item()
        assert kl == pytest.approx(nats, rel=1e-2)


def test_without_gamma_every_sentence_has_the_same_mean():
    q = BatchNormHead(6, size=5, gamma=0.0)(torch.randn(9, 6))
    assert q.mean.std(0).max() == 0


def test_in_evaluation_a_posterior_does_not_depend_on_its_batch():
    torch.manual_seed(0)
    head, h = BatchNormHead(6, size=5), torch.randn(32, 6)
    for _ in range(200):
        head(h)
    trained = head(h).mean
    head.eval()
    torch.testing.assert_close(head(h).mean, trained, rtol=0.03, atol=1e-3)  # n - 1 in running variances
    torch.testing.assert_close(torch.cat([head(row[None]).mean for row in h]), head(h).mean)


def test_before_training_a_posterior_is_that_of_a_gaussian_head():
    torch.manual_seed(0)
    head, h = BatchNormHead(6, size=5, gamma=0.7).eval(), torch.randn(8, 6)
    torch.testing.assert_close(head(h).mean, 0.7 * head.linear(h)[:, :5])
    torch.testing.assert_close(head.train()(h[:1]).mean, head.eval()(h).mean[:1])


def test_one_sentence_many_times_is_a_batch_of_one():
    torch.manual_seed(0)
    head, h = BatchNormHead(6, size=5, gamma=0.7), torch.randn(32, 6)
    head(h)
    before = {name: value.clone() for name, value in head.statistics.state_dict().items()}
    rounded = h[:1].expand(8, 6) * (1 + 1e-8 * torch.randn(8, 1).double())
    for same in (h[:1].expand(8, 6), rounded.float()):
        q = head(same)
        q.mean.sum().backward()
        torch.testing.assert_close(q.mean, head.eval()(h[:1]).mean.expand(8, 5))
        head.train()
    assert head.linear.weight.grad.abs().max() < 100
    for name, value in head.statistics.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("batches", [1, 3])
def test_evaluation_sees_what_training_sees_from_the_first_batch_on(batches):
    model = tiny_model(latent={"name": "batch_norm", "size": 3}, initialisation={"name": "uniform"}).float()
    batch = tiny_batch((5,) * 40)
    for _ in range(batches):
        trained = model(batch).posterior.mean
    torch.testing.assert_close(model.eval()(batch).posterior.mean, trained, rtol=0.02, atol=1e-3)


def test_running_statistics_are_means_of_few_batches_and_forget_where_there_are_many():
    torch.manual_seed(0)
    statistics, batches = RunningStatistics(2).double(), 3 + 2 * torch.randn(60, 7, 2).double()
    for batch in batches[:10]:
        statistics.follow(batch)
    torch.testing.assert_close(statistics.running_mean, batches[:10].mean((0, 1)))
    torch.testing.assert_close(statistics.running_var, batches[:10].var(1).mean(0))
    expected = statistics.running_mean.clone()
    for batch in batches[10:]:
        statistics.follow(batch)
        expected = 0.9 * expected + 0.1 * batch.mean(0)
    torch.testing.assert_close(statistics.running_mean, expected)


def test_a_batch_of_one_takes_the_running_statistics_and_leaves_them():
    torch.manual_seed(0)
    head = BatchNormHead(6, size=5)
    head(torch.randn(32, 6))
    before = {name: value.clone() for name, value in head.state_dict().items()}
    h = torch.randn(1, 6, requires_grad=True)
    trained = head(h).mean
    trained.sum().backward()
    assert h.grad is not None and h.grad.isfinite().all() and h.grad.any()
    torch.testing.assert_close(trained, head.eval()(h).mean)
    assert all(torch.equal(before[name], value) for name, value in head.state_dict().items())


@pytest.mark.parametrize("delta", [1e-4, 0.01, 0.15, 1.0, 5.0])
def test_both_roots_solve_their_equation(delta):
    for root in log_roots(delta):
        assert root - math.exp(root) + 2 * delta + 1 == pytest.approx(0, abs=1e-9)
    assert log_roots(delta)[0] < 0 < log_roots(delta)[1]


@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0, 1e4])
@pytest.mark.parametrize("delta", [0.01, 0.15, 2.0])
def test_every_dimension_pays_delta_with_finite_gradients(scale, delta):
    torch.manual_seed(0)
    head, h = DeltaHead(6, size=4, delta=delta), scale * torch.randn(200, 6)
    q = head(h)
    kl = kl_to_standard(q)
    m = head.linear(h)[:, :4]
    torch.testing.assert_close(kl, delta + m.relu() / 2, rtol=1e-4, atol=1e-6)
    (q.rsample().square().sum() + kl.sum()).backward()
    assert head.linear.weight.grad.isfinite().all()
    assert q.mean.isfinite().all() and (q.stddev > 0).all()


@pytest.mark.parametrize("delta", [LEAST, MOST])
def test_the_bounds_of_delta_hold_with_finite_gradients_wherever_the_variance_lies(delta):
    head, position = DeltaHead(6, size=1, delta=delta), torch.linspace(-120, 120, 100_001)
    parameters = torch.stack([torch.full_like(position, -1.0), position], -1).requires_grad_()
    q = head.at(parameters)
    kl = kl_to_standard(q)
    torch.testing.assert_close(kl, torch.full_like(kl, delta), rtol=2e-3, atol=0)
    (q.mean.sum() + q.stddev.sum() + kl.sum()).backward()
    assert parameters.grad.isfinite().all()


@pytest.mark.parametrize(("head", "settings", "says"), [
    (BatchNormHead, {"gamma": -0.1}, "gamma is -0.1"),
    (DeltaHead, {"delta": 0.0}, "delta is 0.0"),
    (DeltaHead, {"delta": 1e-5}, "delta is 1e-05, must be from 0.0001 to 40.0"),
    (DeltaHead, {"delta": 50.0}, "delta is 50.0, must be from 0.0001 to 40.0"),
    (DeltaHead, {"delta": math.nan}, "delta is nan"),
    (DeltaHead, {"size": 0}, "size is 0"),
])  # fmt: skip
def test_settings_out_of_range_are_refused(head, settings, says):
    with pytest.raises(ValueError, match=says):
        head(6, **settings)
