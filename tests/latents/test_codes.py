import math

import pytest
import torch
from torch.distributions import kl_divergence

from tests.latents.pairs import pairwise_log_prob
from tests.tiny import tiny_batch, tiny_model, tiny_objective
from textvae.errors import ConfigError
from textvae.generation.latent import Codes
from textvae.latents.codes import Code, Quantised, UniformOverCodes, look_up
from textvae.latents.distributions import concatenate, facts, is_deterministic, select
from textvae.objectives.commitment import Commitment
from textvae.training.descent import Descent
from textvae.training.optimizers import sgd
from textvae.training.updaters import Joint


def head(**settings: float) -> Quantised:
    torch.manual_seed(0)
    return Quantised(6, **{"size": 4, "slots": 2, "codes": 5, **settings})


def test_each_part_is_its_nearest_code():
    part = head().eval()
    h = torch.randn(7, 6)
    q = part(h)
    query = part.linear(h).view(7, 2, 2)
    for sentence in range(7):
        for slot in range(2):
            distances = (part.codebooks[slot] - query[sentence, slot]).norm(dim=-1)
            assert q.codes[sentence, slot] == distances.argmin()
            nearest = part.codebooks[slot, distances.argmin()]
            assert torch.equal(q.mean[sentence, 2 * slot : 2 * slot + 2], nearest)


def test_gradients_pass_straight_through():
    part, h = head().eval(), torch.randn(7, 6, requires_grad=True)
    weights = torch.randn(7, 4)
    (through,) = torch.autograd.grad((part(h).rsample((1,))[0] * weights).sum(), h)
    (direct,) = torch.autograd.grad((part.linear(h) * weights).sum(), h)
    torch.testing.assert_close(through, direct)


def test_a_point_costs_the_logarithm_of_the_number_of_points():
    part = head().eval()
    q, p = part(torch.randn(7, 6)), UniformOverCodes(part.codebooks)
    assert kl_divergence(q, p).tolist() == pytest.approx([2 * math.log(5)] * 7)
    assert is_deterministic(q) and float(q.entropy().sum()) == 0
    every = torch.cartesian_prod(torch.arange(5), torch.arange(5))
    mass = p.log_prob(look_up(part.codebooks, every)).exp().sum()
    assert float(mass) == pytest.approx(1)


def test_draws_of_the_prior_are_points_all_as_likely():
    part = head()
    z = UniformOverCodes(part.codebooks).sample((5_000,))
    points, counts = z.unique(dim=0, return_counts=True)
    assert len(points) == 25 and counts.min() > 140 and counts.max() < 265
    known = look_up(part.codebooks, torch.cartesian_prod(torch.arange(5), torch.arange(5)))
    assert torch.cdist(points, known).amin(1).max() == 0


def test_pairs_share_a_point_or_nothing():
    q = head(codes=2).eval()(torch.randn(20, 6))
    same = (q.codes[:, None] == q.codes[None]).all(-1)
    assert torch.equal(pairwise_log_prob(q, q.mean) == 0, same)
    assert 20 < same.sum() < 400
    joined = concatenate([select(q, slice(0, 5)), select(q, slice(5, 20))])
    assert isinstance(joined, Code) and torch.equal(joined.codes, q.codes)


def test_a_code_moves_to_what_it_stands_for():
    part, h = head(codes=2, decay=0.5), torch.randn(40, 6)
    for _ in range(60):
        q = part(h)
    query = part.linear(h).view(40, 2, 2)
    for slot in range(2):
        for code in range(2):
            members = query[q.codes[:, slot] == code, slot]
            torch.testing.assert_close(part.codebooks[slot, code], members.mean(0), atol=1e-4, rtol=1e-3)
    assert float(part.counts.sum()) == pytest.approx(80, rel=1e-3)


def test_codes_are_the_published_moving_averages():
    part = head(codes=3, decay=0.7, patience=1000).double()
    part.idle.zero_()
    sums, counts = part.codebooks.clone(), torch.ones(2, 3, dtype=torch.float64)
    for _ in range(30):
        h = torch.randn(3, 6, dtype=torch.float64)  # of which one code or more stands for nothing, often
        members = torch.nn.functional.one_hot(part(h).codes.T, 3).double()  # (M,B,K)
        parts = part.linear(h).view(3, 2, 2).transpose(0, 1)
        sums = 0.7 * sums + 0.3 * torch.einsum("mbk,mbd->mkd", members, parts)
        counts = 0.7 * counts + 0.3 * members.sum(1)
        torch.testing.assert_close(part.codebooks, sums / counts.unsqueeze(-1))
        torch.testing.assert_close(part.counts, counts)


def test_a_code_that_stands_for_nothing_stays_however_long_and_serves_again():
    part = head(size=2, slots=1, codes=2, decay=0.3, patience=10_000)
    part.idle.zero_()
    part.linear.weight.data = torch.eye(2, 6)
    here, there = torch.tensor([[1.0, 1, 0, 0, 0, 0]]), torch.tensor([[-5.0, -5, 0, 0, 0, 0]])
    part.codebooks.copy_(torch.tensor([[[1.0, 1.0], [-4.0, -4.0]]]))
    for _ in range(150):
        part(here)
    assert part.codebooks[0, 1].tolist() == [-4.0, -4.0]
    assert part(there).codes.tolist() == [[1]]
    assert part.codebooks[0].tolist() == [[1.0, 1.0], [-5.0, -5.0]]  # after an age, the present batch is all


def test_codes_start_at_vectors_of_the_first_batch_and_dead_ones_start_anew():
    part, h = head(decay=0.999, patience=3), torch.randn(12, 6)
    part(h)
    query = part.linear(h).view(12, 2, 2).transpose(0, 1)
    assert torch.cdist(part.codebooks, query).amin(-1).max() < 0.05
    part.codebooks[:, 0] = 1e3
    for step in range(4):
        assert float(part.codebooks[:, 0].abs().max()) == pytest.approx(1e3, rel=1e-2), step
        part(h)
    part(h)
    assert part.codebooks.abs().max() < 10


def test_in_evaluation_nothing_moves():
    part = head()
    part(torch.randn(12, 6))
    part.eval()
    before = {name: value.clone() for name, value in part.state_dict().items()}
    part(torch.randn(12, 6))
    assert all(torch.equal(value, part.state_dict()[name]) for name, value in before.items())


def test_usage_and_perplexity_are_those_of_the_counts():
    codes = torch.tensor([[0, 3], [1, 3], [0, 3], [1, 3]])
    found = facts(Code(torch.zeros(4, 2), codes))
    assert found == pytest.approx({"codes_used": 1.5, "code_perplexity": 1.5})


def test_gauges_count_the_codes_that_batches_use_and_no_other():
    part = head(codes=5, patience=3)
    assert part.gauges() == {"codes_used": 0, "code_perplexity": 0}
    q = part(torch.randn(4, 6))
    used = torch.tensor([len(slot.unique()) for slot in q.codes.T]).float()
    assert part.gauges()["codes_used"] == used.mean()
    assert float(part.gauges()["code_perplexity"]) == pytest.approx(facts(q)["code_perplexity"])
    part.idle.copy_(torch.tensor([[0, 2, 3, 9, 7], [1, 4, 4, 4, 4]]))
    part.use.copy_(torch.tensor([[2.0, 2.0, 0.0, 0.0, 0.0], [3.0, 0.0, 0.0, 0.0, 0.0]]))
    assert part.gauges() == {"codes_used": 1.5, "code_perplexity": pytest.approx(1.5)}


def test_every_step_of_training_logs_the_use_of_codes():
    model = tiny_model(
        latent={"name": "quantised", "size": 4, "slots": 2, "codes": 4}, prior={"name": "uniform_codes"}
    )
    updater = Joint(model, tiny_objective(), Descent(model, sgd(0.1), 0.0))
    logs = updater.step(tiny_batch(), tiny_batch, 0).logs
    assert 1 <= float(logs["code_perplexity"]) <= float(logs["codes_used"]) <= 4
    assert all(torch.equal(logs[name], value) for name, value in model.gauges().items())


def test_commitment_is_the_squared_distance_to_the_code_and_moves_the_encoder_alone():
    model = tiny_model(
        latent={"name": "quantised", "size": 4, "slots": 2, "codes": 3}, prior={"name": "uniform_codes"}
    )
    output = model(tiny_batch())
    q = output.posterior
    value = Commitment(weight=0.5)(output)
    torch.testing.assert_close(value, 0.5 * (q.query - q.mean).square().sum(-1).mean())
    (gradient,) = torch.autograd.grad(value, q.query)
    torch.testing.assert_close(gradient, 0.5 * 2 * (q.query - q.mean) / 4)
    with pytest.raises(ConfigError, match="needs latent 'quantised'"):
        Commitment()(tiny_model()(tiny_batch()))


def test_a_path_changes_one_slot_after_another():
    a, b = torch.zeros(1, 6), torch.ones(1, 6)
    way = Codes(slots=3)(a, b, 4)[:, 0]
    assert way.tolist() == [[0] * 6, [1] * 2 + [0] * 4, [1] * 4 + [0] * 2, [1] * 6]


@pytest.mark.parametrize("settings", [{"slots": 3}, {"codes": 1}, {"patience": 0}, {"decay": 1.0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=f"{next(iter(settings))}.*{next(iter(settings.values()))}"):
        head(**settings)
