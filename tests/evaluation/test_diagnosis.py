import math

import pytest
import torch

from textvae.evaluation.diagnosis import diagnose, in_brief, kl_is_low, verdict_lines


def status(active: int, total: int) -> str:
    kl = torch.zeros(total)
    kl[:active] = 0.2
    return diagnose(kl, torch.randn(6, total), torch.ones(6, total), 0, True)["status"]


@pytest.mark.parametrize(
    ("active", "total", "expected"),
    [
        (0, 32, "FULL COLLAPSE"),
        (1, 32, "SEVERE COLLAPSE"),
        (3, 32, "SEVERE COLLAPSE"),
        (3, 30, "PARTIAL COLLAPSE"),
        (15, 32, "PARTIAL COLLAPSE"),
        (16, 32, "HEALTHY"),
        (32, 32, "HEALTHY"),
        (1, 1, "HEALTHY"),
    ],
)
def test_status_by_the_share_of_active_dimensions(active: int, total: int, expected: str):
    assert status(active, total) == expected


def test_the_evidence():
    means = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    variances = torch.tensor([[0.25, 1.0], [0.25, 1.0]])
    found = diagnose([1.3, 0.005], means, variances, 2, True)
    assert found == {
        "active_dimensions": 1,
        "total_dimensions": 2,
        "utilization": 0.5,
        "total_kl": pytest.approx(1.305),
        "mu_variance": pytest.approx(1.0),
        "mean_logvar": pytest.approx(math.log(0.25) / 2),
        "kl_per_dim": [1.3, 0.005],
        "status": "HEALTHY",
    }


def test_a_kl_of_exactly_the_threshold_is_not_active():
    assert diagnose([0.01], torch.randn(6, 1), torch.ones(6, 1), 1, True)["status"] == "FULL COLLAPSE"


def test_a_kl_of_one_group_is_judged_by_active_units():
    means = torch.randn(50, 4)
    found = diagnose([9.0], means, torch.ones(50, 4), 1, False)
    assert (found["active_dimensions"], found["total_dimensions"]) == (1, 4)
    assert found["status"] == "PARTIAL COLLAPSE"
    assert diagnose([9.0], means, torch.ones(50, 4), 0, False)["status"] == "FULL COLLAPSE"


def test_layers_are_no_dimensions_where_there_are_as_many():
    means = torch.randn(50, 2)
    found = diagnose([9.0, 8.0], means, torch.ones(50, 2), 0, False)
    assert (found["active_dimensions"], found["status"]) == (0, "FULL COLLAPSE")
    assert diagnose([9.0, 8.0], means[:1], torch.ones(1, 2), 0, False)["status"] == "UNKNOWN"


def test_one_sentence_says_nothing_of_the_units_of_a_kl_of_one_group():
    found = diagnose([9.0], torch.randn(1, 4), torch.ones(1, 4), 0, False)
    assert found["status"] == "UNKNOWN"
    assert verdict_lines({"verdict": found})[0].startswith("UNKNOWN: KL 9.000 nats")
    assert diagnose([9.0, 0.1], torch.randn(1, 2), torch.ones(1, 2), 0, True)["status"] == "HEALTHY"


def test_no_latent_and_point_masses_give_finite_numbers():
    none = diagnose(torch.zeros(0), torch.zeros(5, 0), torch.zeros(5, 0), 0, True)
    assert none["status"] == "NO LATENT"
    assert [none[key] for key in ("total_kl", "utilization", "mu_variance", "mean_logvar")] == [0, 0, 0, 0]
    assert -100 < diagnose([1.0], torch.randn(5, 1), torch.zeros(5, 1), 1, True)["mean_logvar"] < -80


def test_low_kl():
    assert kl_is_low(0.09)
    assert kl_is_low(torch.tensor(0.09))
    assert not kl_is_low(0.1)
    assert kl_is_low(0.5, threshold=1.0)


def metrics(kl: float, lower: float, cap: float = 8.23) -> dict:
    verdict = diagnose([kl / 2, kl / 2], torch.randn(6, 2), torch.ones(6, 2), 2, True)
    return {
        "verdict": verdict,
        "kl_kind": "exact per dimension",
        "active_units": 2,
        "mi_lower": lower,
        "mi_upper": kl,
        "mi_cap": cap,
        "mi_he2019_batch": 1.0,
    }


def warnings(kl: float, lower: float, cap: float = 8.23) -> list[str]:
    return [line for line in verdict_lines(metrics(kl, lower, cap)) if line.startswith("WARNING")]


def test_the_verdict_prints_information_beside_kl():
    text = "\n".join(verdict_lines(metrics(kl=6.54, lower=5.31)))
    for figure in ("HEALTHY", "2 of 2", "6.540", "5.310", "8.230"):
        assert figure in text
    assert "WARNING" not in text


def test_the_verdict_warns_of_noise_and_of_nothing_else():
    assert "noise" in warnings(kl=6.0, lower=2.9)[0]
    assert warnings(kl=6.0, lower=3.0) == []
    assert "collapsed" in warnings(kl=0.05, lower=0.0)[0]
    assert warnings(kl=0.005, lower=0.0) == []
    assert "cap" in warnings(kl=30.0, lower=8.2)[0]
    assert "cap" not in warnings(kl=30.0, lower=5.0)[0]


def test_information_that_the_label_holds_is_not_held_against_the_kl():
    within = {"mi_lower_given_label": 0.0, "mi_cap_given_label": 7.1}
    noise = metrics(kl=0.7, lower=math.log(3)) | within
    assert "0.000 nats of information beyond the label" in verdict_lines(noise)[-1]
    shown = metrics(kl=0.7, lower=math.log(3) + 0.4) | within | {"mi_lower_given_label": 0.4}
    assert "at least 0.400 beyond the label" in verdict_lines(shown)[2]
    assert not any(line.startswith("WARNING") for line in verdict_lines(shown))


@pytest.mark.parametrize("kl", [6.0, 0.0])
def test_the_verdict_warns_where_likelihoods_are_not_those_of_x_alone(kl):
    *_, last = verdict_lines(metrics(kl, lower=kl) | {"given": "its words"})
    assert last.startswith("WARNING") and "given its words, not of p(x)" in last


def test_the_verdict_of_a_model_without_z_is_one_line():
    verdict = diagnose(torch.zeros(0), torch.zeros(5, 0), torch.zeros(5, 0), 0, True)
    assert len(verdict_lines({"verdict": verdict})) == 1


@pytest.mark.parametrize(
    ("kl", "lower", "says"),
    [
        (6.54, 5.31, "HEALTHY"),
        (6.0, 2.9, "HEALTHY, MI < KL/2"),
        (30.0, 8.2, "HEALTHY, MI at its cap"),
        (0.05, 0.0, "HEALTHY, KL < 0.1"),
        (6.0, None, "HEALTHY"),
    ],
)
def test_a_status_in_brief_tells_where_noise_may_have_paid(kl: float, lower: float | None, says: str):
    assert in_brief({"status": "HEALTHY", "kl": kl, "mi_lower": lower, "mi_cap": 8.23}) == says
    assert in_brief({}) == "-"


def test_a_status_in_brief_takes_off_what_the_label_may_hold():
    figures = {"status": "HEALTHY", "kl": 0.7, "mi_lower": math.log(3), "mi_cap": 8.23}
    assert in_brief(figures) == "HEALTHY"
    within = {"mi_lower_given_label": 0.3, "mi_cap_given_label": 7.0}
    assert in_brief(figures | within) == "HEALTHY, MI < KL/2"
    assert in_brief(figures | within | {"mi_lower_given_label": 0.4}) == "HEALTHY"


@pytest.mark.parametrize("status", ["FULL COLLAPSE", "NO LATENT"])
def test_a_status_of_no_information_says_no_more_of_a_low_kl(status: str):
    assert in_brief({"status": status, "kl": 0.0, "mi_lower": 0.0, "mi_cap": 8.23}) == status
