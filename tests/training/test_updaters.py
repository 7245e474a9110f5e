"""Which parameters an update changes, by which gradient, and when the aggressive phase ends."""

from pathlib import Path

import pytest
import torch

from tests.tiny import CONFIG, tiny_batch, tiny_model, tiny_objective
from textvae.errors import TrainingError
from textvae.model import build_model
from textvae.networks.estimated_cross_entropy import EstimatedCrossEntropy
from textvae.objectives.objective import Loss
from textvae.training.clipping import NormANat
from textvae.training.descent import Descent
from textvae.training.files import load_state, save_state
from textvae.training.optimizers import sgd
from textvae.training.updaters import Aggressive, EncoderSteps, Joint


def parts(clip=5.0, lr=0.1, **sections):
    model = tiny_model(**sections)
    return model, tiny_objective(), Descent(model, sgd(lr), clip)


def snapshot(parameters):
    return [p.detach().clone() for p in parameters]


def changed(before, parameters):
    return [not torch.equal(a, b) for a, b in zip(before, parameters, strict=True)]


def count_steps(optimizer, steps, name):
    descend = optimizer.descend

    def counted(factor):
        steps[name] += 1
        descend(factor)

    optimizer.descend = counted


def never():
    raise AssertionError("no further batch was to be drawn")


def test_joint_step_is_plain_clipped_sgd():
    model, objective, descent = parts(clip=0.01)
    other = tiny_model()  # whose embeddings give dense gradients
    torch.manual_seed(1)
    loss = Joint(model, objective, descent).step(tiny_batch(), never, 0)
    torch.manual_seed(1)
    objective(other(tiny_batch()), 0).total.backward()
    norm = torch.cat([p.grad.flatten() for p in other.parameters()]).norm()
    torch.testing.assert_close(loss.logs["gradient_norm"], norm)
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs - 0.1 * theirs.grad * 0.01 / norm, atol=1e-8, rtol=1e-5)


@pytest.mark.parametrize("clip", ["joint", "own", "foretold"])
def test_aggressive_step_updates_encoder_many_times_and_decoder_once(clip):
    model, objective, descent = parts()
    updater = Aggressive(model, objective, descent, clip=clip, window=2, most=7)
    steps = {"inference": 0, "generative": 0}
    for name in steps:
        count_steps(getattr(descent, name).optimizer, steps, name)
    before = snapshot(model.generative_parameters())
    loss = updater.step(tiny_batch(), lambda: tiny_batch(seed=steps["inference"]), 0)
    assert steps == {"inference": loss.logs["inner_updates"], "generative": 1}
    assert 4 <= steps["inference"] <= 7
    assert any(changed(before, model.generative_parameters()))
    assert all(p.requires_grad for p in model.parameters())


def test_inner_updates_leave_the_decoder_alone_and_stop_when_the_loss_rose():
    model, objective, descent = parts(lr=1e-9)
    updater = Aggressive(model, objective, descent, window=1, most=50)
    easy, hard = tiny_batch((2, 2)), tiny_batch((9, 9), seed=5)
    before = snapshot(model.generative_parameters())
    descend = updater.descend
    updater.descend = lambda batch, step, update, norm_over, norm_a_nat: descend(
        batch, step, update, norm_over
    )
    losses = {
        len(b.targets[0]): float(objective(model(b), 0).logs["loss"]) * 2 / b.tokens for b in (easy, hard)
    }
    first, second = sorted((easy, hard), key=lambda b: losses[len(b.targets[0])])
    assert updater._encoder_updates(first, lambda: second, 0) == 2
    assert not any(changed(before, model.generative_parameters()))


def test_published_clip_measures_all_gradients_and_own_the_encoders():
    norms = {}
    for clip in ("joint", "own"):
        model, objective, descent = parts()
        updater = Aggressive(model, objective, descent, clip=clip, most=1)
        seen = []
        descend = descent.descend
        descent.descend = lambda *a, descend=descend, seen=seen: seen.append(descend(*a)) or seen[-1]
        torch.manual_seed(2)
        updater._encoder_updates(tiny_batch(), tiny_batch, 0)
        norms[clip] = seen[0].item()
    assert norms["own"] < norms["joint"]


def test_a_foretold_norm_is_that_of_all_gradients_where_batch_and_decoder_are_the_same():
    """Without noise and without a step the foretold norm is the joint one, and a batch of other loss has it in proportion."""
    model, objective, descent = parts(clip=1e-3, lr=1e-9)
    updater = Aggressive(model, objective, descent, clip="foretold", most=1)
    joint = Joint(model, objective, descent)
    for _ in range(2):  # the second time the decoder's update has told the norm
        torch.manual_seed(3)
        loss = joint.step(tiny_batch(), never, 0)
        updater.clip.beside.see(loss)
    factors = []
    descent.inference.descend = factors.append
    torch.manual_seed(3)
    updater.encoder_update(tiny_batch(), 0)
    assert factors == [pytest.approx(1e-3 / float(loss.logs["gradient_norm"]), rel=1e-4)]


@pytest.mark.parametrize(("norm_a_nat", "bounded"), [(0.0, 3.0), (0.2, 3.0), (2.0, 20.0)])
def test_a_norm_counts_as_what_it_is_at_least(norm_a_nat, bounded):
    _, _, descent = parts(clip=1.5)
    factors = []
    descent.inference.descend = factors.append
    leaf = next(iter(descent.inference.parameters))
    loss = 10 + 3 * (leaf - leaf.detach()).flatten()[0]
    norm = descent.descend(loss, [descent.inference], [descent.inference], norm_a_nat)
    assert float(norm) == pytest.approx(3.0)
    assert factors == [pytest.approx(1.5 / bounded)]


def test_what_the_last_decoder_update_told_outlives_a_resumption():
    told = Aggressive(*parts(), clip="foretold", most=1)
    told.step(tiny_batch(), tiny_batch, 0)
    again = Aggressive(*parts(), clip="foretold", most=1)
    again.load_state_dict(told.state_dict())
    assert again.clip.beside.value == told.clip.beside.value > 0


def test_a_loss_that_terms_pay_below_zero_tells_no_norm():
    beside = NormANat()
    beside.see(Loss(torch.zeros(()), {"gradient_norm": torch.tensor(6.0), "loss": torch.tensor(3.0)}))
    beside.see(Loss(torch.zeros(()), {"gradient_norm": torch.tensor(6.0), "loss": torch.tensor(-0.2)}))
    assert beside.value == 2.0


def test_aggressive_phase_ends_for_good_when_information_falls(tmp_path: Path):
    model, objective, descent = parts()
    updater = Aggressive(model, objective, descent)
    for information, active in ((-0.1, True), (0.8, True), (0.7, False), (2.0, False)):
        updater.epoch_end({"mi_he2019_batch": information})
        assert updater.active is active
    other = Aggressive(model, objective, descent)
    save_state(tmp_path / "fresh", other.state_dict())
    other.load_state_dict(updater.state_dict())
    assert other.active is False
    other.load_state_dict(load_state(tmp_path / "fresh"))
    other.epoch_end({"mi_he2019_batch": -5.0})
    assert other.active is True
    other.load_state_dict(updater.state_dict())
    assert other.step(tiny_batch(), never, 0).logs["inner_updates"] == 0


def test_aggressive_phase_ends_after_its_epochs_at_the_latest_over_a_resumption_too():
    updater = Aggressive(*parts(), epochs=3)
    active = []
    for information in (0.1, 0.2, 0.3):
        updater.epoch_end({"mi_he2019_batch": information})
        state, updater = updater.state_dict(), Aggressive(*parts(), epochs=3)
        updater.load_state_dict(state)
        active.append(updater.active)
    assert active == [True, True, False]


def test_aggressive_phase_of_a_checkpoint_without_a_limit_goes_on():
    updater = Aggressive(*parts())
    updater.load_state_dict({"active": True, "mutual_information": 0.1})
    updater.epoch_end({"mi_he2019_batch": 0.2})
    assert updater.active


def test_encoder_updates_may_estimate_the_normaliser_and_the_decoders_own_never_does():
    model, objective, descent = parts()
    updater = Aggressive(model, objective, descent, clip="own", most=3, words=1)
    exact, descend, used = model.cross_entropy, descent.descend, []
    descent.descend = lambda *a: used.append(model.cross_entropy) or descend(*a)
    updater.step(tiny_batch(), tiny_batch, 0)
    assert [isinstance(way, EstimatedCrossEntropy) for way in used] == [True] * 3 + [False]
    assert model.cross_entropy is exact
    assert {way.words for way in used[:3]} == {1}


def test_an_estimated_encoder_update_is_near_the_exact_one():
    changes = []
    for words in (None, 250):
        model = large_model()
        updater = Aggressive(model, tiny_objective(), Descent(model, sgd(0.1), 0.0), clip="own", words=words)
        before = torch.cat([p.detach().flatten() for p in model.inference_parameters()])
        torch.manual_seed(1)
        with updater.decoder_held():
            updater.encoder_update(tiny_batch((6,) * 8), 0)
        changes.append(torch.cat([p.detach().flatten() for p in model.inference_parameters()]) - before)
    exact, estimated = changes
    assert 0 < (estimated - exact).norm() < 0.3 * exact.norm()


def large_model():
    """Of a vocabulary from which some words can be drawn."""
    torch.manual_seed(0)
    return build_model(CONFIG, 600, unk=3).double()


@pytest.mark.parametrize("kind", [Aggressive, EncoderSteps])
def test_what_updates_the_encoder_by_itself_needs_one(kind):
    with pytest.raises(ValueError, match="none that learns"):
        kind(*parts(encoder={"name": "none"}, latent={"name": "none"}))


@pytest.mark.parametrize(
    "settings",
    [
        {"clip": "mine"},
        {"window": 0},
        {"most": 0},
        {"words": 512},
        {"epochs": 0},
        {"clip": "own", "words": 0},
    ],
)
def test_aggressive_settings_out_of_range(settings):
    with pytest.raises(ValueError):
        Aggressive(*parts(), **settings)


@pytest.mark.parametrize("count", [1, 4])
def test_encoder_steps_are_that_many_for_one_of_the_decoder(count):
    model, objective, descent = parts()
    steps, drawn = {"inference": 0, "generative": 0}, []
    for name in steps:
        count_steps(getattr(descent, name).optimizer, steps, name)

    def more():
        drawn.append(steps.copy())
        return tiny_batch(seed=len(drawn))

    EncoderSteps(model, objective, descent, steps=count).step(tiny_batch(), more, 0)
    assert steps == {"inference": count, "generative": 1}
    assert drawn == [{"inference": i, "generative": 0} for i in range(count - 1)]
    assert all(p.requires_grad for p in model.parameters())


def test_one_encoder_step_is_joint_training():
    ends = []
    for make in (Joint, EncoderSteps):
        settings = {"steps": 1} if make is EncoderSteps else {}
        model, objective, descent = parts()
        torch.manual_seed(3)
        make(model, objective, descent, **settings).step(tiny_batch(), never, 0)
        ends.append(snapshot(model.parameters()))
    assert not any(changed(*ends))


def test_encoder_steps_must_be_some():
    with pytest.raises(ValueError, match="steps is 0"):
        EncoderSteps(*parts(), steps=0)


def test_logs_show_the_temperature():
    model, objective, descent = parts()
    assert Joint(model, objective, descent).step(tiny_batch(), never, 0).logs["temperature"] == 1


def test_loss_that_is_not_finite_changes_nothing():
    model, objective, descent = parts()
    with torch.no_grad():
        model.decoder.output.weight[0, 0] = float("nan")
    before = snapshot(model.encoder.parameters())
    with pytest.raises(TrainingError, match="loss is nan"):
        Joint(model, objective, descent).step(tiny_batch(), never, 0)
    assert not any(changed(before, model.encoder.parameters()))


def test_language_model_trains_without_inference_parameters():
    model, objective, descent = parts(encoder={"name": "none"}, latent={"name": "none"})
    before = snapshot(model.parameters())
    Joint(model, objective, descent).step(tiny_batch(), never, 0)
    assert any(changed(before, model.parameters()))
    assert descent.learning_rate == 0.1
