import json
import math

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal

from tests.evaluation.known_answers import ClassPrior, HardCodes, LinearGaussian, NoLatent, points
from textvae.data.batching import Batch
from textvae.errors import ConfigError, DataError
from textvae.evaluation.evaluator import evaluate


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def split(batch: Batch, size: int) -> list[Batch]:
    parts = range(0, len(batch.lengths), size)
    return [Batch(*(None if t is None else t[i : i + size] for t in batch)) for i in parts]


def test_the_figures_of_a_model_whose_answers_are_known():
    model = LinearGaussian(shift=0.3, widen=1.2)
    batch = model.draw(2000)
    found = evaluate(model, split(batch, 32), iw_samples=200)
    exact = -float(model.log_prob(batch).mean())
    with torch.no_grad():
        q = model.posterior(batch)
    kl = 0.5 * (q.mean**2 + q.variance - 1 - q.variance.log())

    assert (found["sentences"], found["tokens"]) == (2000, 8000)
    assert found["kl"] == pytest.approx(float(kl.sum(-1).mean()))
    assert found["kl_per_dim"] == pytest.approx(kl.mean(0).tolist())
    assert found["kl_kind"] == "exact per dimension"
    assert found["elbo"] == -found["neg_elbo"] == pytest.approx(-(found["rec"] + found["kl"]))
    assert found["neg_elbo"] > found["nll_iw"] + 0.05
    assert found["nll_iw"] == pytest.approx(exact, abs=0.02)
    assert found["ppl_elbo"] == pytest.approx(math.exp(found["neg_elbo"] / 4))
    assert found["ppl_iw"] == pytest.approx(math.exp(found["nll_iw"] / 4))
    assert (found["iw_samples"], found["iw_sentences"], found["nll_iw_stderr"]) == (200, 2000, 0)
    assert found["active_units"] == found["total_dimensions"] == 2
    assert found["status"] == found["verdict"]["status"] == "HEALTHY"
    assert found["mi_cap"] == pytest.approx(math.log(2000))
    assert found["mi_lower"] - 4 * found["mi_lower_stderr"] < model.information()
    assert found["mi_upper"] + 4 * found["mi_upper_stderr"] > model.information()
    assert found["mi_upper"] - found["mi_lower"] < 0.1
    assert found["mi_he2019_batch"] < math.log(32)
    assert found["kl_aggregate"] == pytest.approx(found["kl"] - found["mi_lower"])


def test_the_exact_posterior_closes_the_gap_in_the_mean():
    model = LinearGaussian()
    batch = model.draw(3000)
    found = evaluate(model, [batch], iw_samples=1)
    exact = -float(model.log_prob(batch).mean())
    assert found["nll_iw"] == pytest.approx(exact, abs=1e-9)
    assert found["neg_elbo"] == pytest.approx(exact, abs=0.1)


def test_a_subset_of_sentences_estimates_the_whole_split():
    model = LinearGaussian(shift=0.3, widen=1.2)
    batches = split(model.draw(2000), 32)
    whole = evaluate(model, batches, iw_samples=100)
    parts = [evaluate(model, batches, iw_samples=100, iw_sentences=200, seed=seed) for seed in range(8)]
    spread = parts[0]["nll_iw_stderr"]
    assert 0.01 < spread < 0.2
    for part in parts:
        assert part["iw_sentences"] == 200
        assert part["nll_iw"] == pytest.approx(whole["nll_iw"], abs=4 * spread)
        assert part["ppl_iw"] == pytest.approx(math.exp(part["nll_iw"] / 4))
    assert len({part["nll_iw"] for part in parts}) == 8
    assert evaluate(model, batches, iw_samples=2, iw_sentences=10**6)["iw_sentences"] == 2000


def test_a_subset_decodes_no_other_sentence():
    model = LinearGaussian()
    batches = split(model.draw(100), 32)
    evaluate(model, batches, iw_samples=50, iw_sentences=7)
    assert model.decoded == 100 + 7 * 50
    assert model.encoded == 107


def test_every_sentence_is_as_likely_to_be_chosen_as_any():
    batch = points(torch.arange(40).double()[:, None].expand(40, 4) / 1000)
    times = torch.zeros(40)

    class Counting(LinearGaussian):
        def log_likelihood(self, batch: Batch, z: torch.Tensor) -> torch.Tensor:
            if len(z) == 2:
                times[batch.targets[:, 0]] += 1
            return super().log_likelihood(batch, z)

    for seed in range(100):
        evaluate(Counting(), split(batch, 32), iw_samples=2, iw_sentences=10, seed=seed)
    assert times.sum() == 1000
    assert 8 < times.min() < times.max() < 45


def test_the_same_call_gives_the_same_numbers():
    model = LinearGaussian(shift=0.2)
    batches = split(model.draw(200), 32)
    first = evaluate(model, batches, iw_samples=20, iw_sentences=50, seed=3)
    torch.manual_seed(77)
    assert evaluate(model, iter(batches), iw_samples=20, iw_sentences=50, seed=3) == first
    assert evaluate(model, batches, iw_samples=20, iw_sentences=50, seed=4) != first
    without = evaluate(model, batches, seed=3)
    assert without == {key: first[key] for key in without}
    assert not [key for key in without if "iw" in key]


@pytest.mark.parametrize("row_budget", [1, 100])
def test_the_row_budget_changes_no_number(row_budget: int):
    model = LinearGaussian(shift=0.2)
    batches = split(model.draw(100), 32)
    expected = evaluate(model, batches, iw_samples=20)
    model.widest = 0
    found = evaluate(model, batches, iw_samples=20, row_budget=row_budget)
    assert found.pop("nll_iw") == pytest.approx(expected.pop("nll_iw"), abs=1e-12)
    assert found.pop("ppl_iw") == pytest.approx(expected.pop("ppl_iw"), abs=1e-12)
    assert found == expected
    assert model.widest <= max(32, row_budget)


def test_the_caller_finds_everything_as_it_was():
    model = torch.nn.Sequential()
    inner = LinearGaussian()
    model.given, model.reads_labels = inner.given, inner.reads_labels
    model.posterior, model.prior, model.log_likelihood = inner.posterior, inner.prior, inner.log_likelihood
    model.add_module("frozen", torch.nn.Dropout().eval())
    model.add_module("used", torch.nn.Dropout().train())
    batch = inner.draw(10)
    before = torch.get_rng_state()
    modes_inside = []

    def spy(batch, z):
        modes_inside.extend(module.training or torch.is_grad_enabled() for module in model.modules())
        if len(batch.lengths) == 3:
            raise KeyboardInterrupt
        return inner.log_likelihood(batch, z)

    model.log_likelihood = spy
    evaluate(model, [batch], iw_samples=3)
    with pytest.raises(KeyboardInterrupt):
        evaluate(model, split(batch, 3))
    assert not any(modes_inside)
    assert torch.equal(torch.get_rng_state(), before)
    assert (model.training, model.frozen.training, model.used.training) == (True, False, True)
    assert torch.is_grad_enabled()


def test_a_kl_of_one_group_gives_the_same_sums():
    model, full = LinearGaussian(), LinearGaussian(full=True)
    batches = split(model.draw(300), 32)
    one, other = evaluate(model, batches, iw_samples=2), evaluate(full, batches, iw_samples=2)
    assert len(one["kl_per_dim"]) == 2
    assert len(other["kl_per_dim"]) == 1
    assert other["kl_kind"] == "exact"
    assert other["kl"] == pytest.approx(one["kl"])
    assert other["nll_iw"] == pytest.approx(one["nll_iw"])
    assert other["active_units"] == one["active_units"] == 2
    assert other["mi_lower"] == pytest.approx(one["mi_lower"], abs=0.2)


def test_what_the_likelihoods_are_given_is_said_where_it_is_something():
    model = LinearGaussian()
    batches = split(model.draw(20), 8)
    assert "given" not in evaluate(model, batches)
    model.given = "its words"
    assert evaluate(model, batches)["given"] == "its words"


def test_a_prior_for_each_class():
    model = ClassPrior()
    labelled = model.draw(200)._replace(labels=torch.arange(200) % 3)
    found = evaluate(model, split(labelled, 32), iw_samples=10, iw_sentences=60)
    with torch.no_grad():
        q = model.posterior(labelled)
    kl = 0.5 * ((q.mean - labelled.labels[:, None]) ** 2 + q.variance - 1 - q.variance.log())
    assert found["kl"] == pytest.approx(float(kl.sum(-1).mean()))
    assert "kl_aggregate" not in found
    assert found["mi_upper"] >= found["mi_lower"]
    shares = torch.tensor([67, 67, 66]).double() / 200
    assert found["label_entropy"] == pytest.approx(float(-(shares * shares.log()).sum()))
    assert found["mi_lower_given_label"] <= found["mi_cap_given_label"] < found["mi_cap"]
    unlabelled = evaluate(LinearGaussian(), split(model.draw(20), 8))
    assert not {"label_entropy", "mi_lower_given_label"} & unlabelled.keys()


def test_a_posterior_that_copies_the_label_tells_nothing_beyond_it():
    """Under one prior for all the KL pays for what the decoder is told anyway."""

    class Copying(LinearGaussian):
        given, reads_labels = "its label", True

        def posterior(self, batch):
            assert batch.labels is not None
            mean = 3.0 * batch.labels.double()[:, None].expand(-1, 2)
            return Independent(Normal(mean, torch.full_like(mean, 0.1)), 1)

    model = Copying()
    labelled = model.draw(90)._replace(labels=torch.arange(90) % 3)
    found = evaluate(model, split(labelled, 32))
    assert found["mi_lower"] == pytest.approx(math.log(3), abs=1e-6)
    assert found["mi_lower_given_label"] == pytest.approx(0.0, abs=1e-6)
    assert found["mi_cap_given_label"] == pytest.approx(math.log(30))
    assert "label_entropy" not in found and "kl_aggregate" in found


def test_one_dimension_whose_kl_never_varies_is_judged_by_its_mean():
    """A code costs the same whether sentences have all the same or each its own."""

    class Constant(LinearGaussian):
        def posterior(self, batch):
            mean = torch.full((len(batch.lengths), 1), 2.0).double()
            return MultivariateNormal(mean, torch.eye(1).double().expand(len(mean), 1, 1))

        def prior(self, batch):
            return MultivariateNormal(torch.zeros(1).double(), torch.eye(1).double())

        def log_likelihood(self, batch, z):
            return z.new_zeros(z.shape[:2])

    found = evaluate(Constant(), split(LinearGaussian().draw(40), 16))
    assert found["kl"] == pytest.approx(2.0) and found["kl_kind"] == "exact"
    assert found["status"] == "FULL COLLAPSE"


def test_a_model_without_z_is_its_likelihood():
    model = NoLatent(words=10)
    batches = [points(torch.ones(8, 5)), points(torch.ones(3, 2))]
    found = evaluate(model, batches, iw_samples=500)
    nll = (8 * 5 + 3 * 2) * math.log(10) / 11
    assert found["rec"] == found["neg_elbo"] == pytest.approx(nll)
    assert found["nll_iw"] == pytest.approx(nll)
    assert found["ppl_iw"] == pytest.approx(10) == found["ppl_elbo"]
    assert (found["iw_samples"], found["kl"], found["active_units"]) == (1, 0, 0)
    assert found["status"] == "NO LATENT"
    assert model.decoded == 22
    for key in ("mi_lower", "mi_upper", "mi_he2019_batch", "kl_aggregate"):
        assert found[key] == pytest.approx(0, abs=1e-9)


def test_point_masses_are_measured_by_one_sample():
    ids = torch.arange(40)[:, None].expand(40, 2)
    found = evaluate(HardCodes(codes=4), split(points(ids / 1000), 8), iw_samples=100)
    assert found["iw_samples"] == 1
    assert found["kl"] == pytest.approx(math.log(4))
    assert found["mi_lower"] == pytest.approx(math.log(4))
    assert found["nll_iw"] == pytest.approx(found["neg_elbo"])


def test_every_figure_is_plain_and_can_be_kept_as_json():
    model = LinearGaussian()
    found = evaluate(model, split(model.draw(50), 32), iw_samples=3)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_model_that_went_astray_is_reported_and_not_a_crash():
    model = LinearGaussian()
    batch = model.draw(50)
    with torch.no_grad():
        model.weight.fill_(math.nan)
    assert math.isnan(evaluate(model, [batch], iw_samples=2)["neg_elbo"])
    far = evaluate(LinearGaussian(shift=1e6), [batch], iw_samples=2)
    assert far["ppl_elbo"] == math.inf


def test_progress_counts_the_sentences_of_each_stage():
    model, calls = LinearGaussian(), []
    batches = split(model.draw(80), 32)
    evaluate(model, batches, iw_samples=3, iw_sentences=10, progress=lambda *call: calls.append(call))
    stages = [stage for stage, _, _ in calls]
    assert sorted(set(stages), key=stages.index) == ["elbo", "information", "likelihood"]
    assert [call for call in calls if call[0] == "elbo"] == [("elbo", n, 80) for n in (32, 64, 80)]
    assert calls[-1] == ("likelihood", 10, 10)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("iw_samples", -1),
        ("iw_sentences", 0),
        ("tc_sentences", -1),
        ("fisher_sentences", -1),
        ("row_budget", 0),
    ],
)
def test_counts_out_of_range_are_refused(setting: str, value: int):
    model = LinearGaussian()
    with pytest.raises(ConfigError, match=f"{setting} is {value}"):
        evaluate(model, [model.draw(2)], **{setting: value})


def test_an_empty_split_is_refused():
    with pytest.raises(DataError, match="no sentence"):
        evaluate(LinearGaussian(), [])


def test_a_kl_that_factorises_is_told_in_its_parts_where_they_are_asked_for():
    model = LinearGaussian(shift=0.3, widen=1.2)
    batches = split(model.draw(500), 32)
    names = ("index_code_mi", "total_correlation", "dimension_wise_kl")
    plain, found = evaluate(model, batches), evaluate(model, batches, tc_sentences=None)
    assert {name: value for name, value in found.items() if name not in names} == plain
    assert sum(found[name] for name in names) == pytest.approx(found["kl"])
    assert found["index_code_mi"] == found["mi_lower"]
    few = evaluate(model, batches, tc_sentences=100)
    assert few["total_correlation"] != found["total_correlation"]
    assert sum(few[name] for name in names) == pytest.approx(few["kl"])


@pytest.mark.parametrize(
    "model", [LinearGaussian(full=True), ClassPrior()], ids=["full", "conditional prior"]
)
def test_another_kl_has_no_such_parts(model):
    batch = model.draw(50)._replace(labels=torch.arange(50) % 3)
    assert "total_correlation" not in evaluate(model, [batch], tc_sentences=None)
