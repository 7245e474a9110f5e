"""Ready sweeps and experiments whose settings go together, and those that are refused before any job starts."""

from pathlib import Path

import pytest

from tests.cli.process import SMALL, inside, says_one_line
from textvae.cli.rehearsal import rehearse
from textvae.errors import ConfigError

LACKS = r"has no setting '{}'.*"


@pytest.mark.parametrize(
    "settings",
    [
        ["sweep=optuna", "experiment=ptb/annealing"],
        ["sweep=optuna", "experiment=grammar/cured", "~schedule.warmup_epochs"],
        ["sweep=optuna", "experiment=ptb/minimum_rate", "schedule.beta=interval(1, 2)"],
        ["sweep=schedules", "experiment=grammar/cured", "schedule=linear,logistic"],
        ["sweep=schedules", "experiment=grammar/pi_control", "~schedule.target", "~schedule.ki"],
        ["sweep=free_bits", "experiment=ptb/hinge", "~rate.delta"],
        ["sweep=free_bits", "experiment=ptb/free_bits", "+term=[mmd,mu_forcing]", "terms.mmd.weight=2"],
        ["sweep=latent_size", "experiment=ptb/vq,ptb/annealing", "latent.size=32,64"],
        ["sweep=seeds", "experiment=glob(nothing)"],
        ["sweep=seeds", "name=run${hydra:job.num}"],
        ["sweep=seeds,latent_size", "experiment=ptb/lm"],
        ["sweep=optuna", "latent=von_mises_fisher", "prior=uniform_sphere", "latent.kappa=interval(0,40)"],
        ["schedule=linear", "rate.delta=1"],
    ],
)
def test_what_goes_together(settings: list[str]) -> None:
    rehearse(settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ["sweep=schedules", "experiment=grammar/cured"],
            "with schedule=constant: .*"
            + LACKS.format("warmup_epochs")
            + "schedule=linear,logistic can be made; "
            "add '~schedule.warmup_epochs' to leave out",
        ),
        (
            ["sweep=schedules", "experiment=grammar/cured", "launcher=joblib", "hydra.launcher.n_jobs=4"],
            "with schedule=constant: ",
        ),
        (["sweep=schedules", "experiment=grammar/pi_control"], "add '~schedule.target' '~schedule.ki'"),
        (["sweep=optuna", "experiment=ptb/pi_control"], LACKS.format("target") + "add '~schedule.target'"),
        (["sweep=optuna", "schedule=linear"], "schedule.beta is nothing that the chosen schedule has"),
        (["sweep=optuna", "experiment=ptb/minimum_rate"], "schedule.beta=0.55: .*charged 0.55 at times"),
        (["sweep=free_bits", "experiment=ptb/hinge"], LACKS.format("delta") + "add '~rate.delta'"),
        (["sweep=latent_size", "experiment=ptb/lm"], "latent.size is nothing that the chosen latent has"),
        (["sweep=latent_size", "experiment=ptb/vq"], "those of latent.size=32,64,128 can be made$"),
        (["sweep=optuna", "experiment=ptb/vq"], "those of latent.size=32,64,128 can be made$"),
        (
            ["sweep=schedules", "schedule=linear,cyclical", "experiment=ptb/annealing,grammar/cured"],
            "with schedule=cyclical experiment=grammar/cured: .*warmup_epochs",
        ),
        (
            ["sweep=latent_size", "latent.size=8,-1"],
            "with latent.size=-1: .*-1.*those of latent.size=8 can be made$",
        ),
    ],
)
def test_what_does_not_go_together(settings: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{settings[0]} and the other settings do not go .*{said}"):
        rehearse(settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["data=hub"], "^data.dataset must be given"),
        (["experiment=ptb/nonsense"], "^there is no experiment=ptb/nonsense"),
        (["experiment=ptb/hinge", "rate=true_kl"], "^rate 'true_kl' has no setting 'delta'"),
    ],
)
def test_what_the_sweep_has_no_part_in_is_told_by_itself(settings: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        rehearse(["sweep=seeds", *settings])


def test_own_configs_are_found(tmp_path: Path) -> None:
    place = tmp_path / "own" / "experiment" / "mine.yaml"
    place.parent.mkdir(parents=True)
    place.write_text("# @package _global_\ndefaults: [override /schedule: cyclical]\nschedule: {cycles: 3}\n")
    flag = f"--config-dir={place.parents[1]}"
    rehearse([flag, "sweep=seeds", "experiment=mine"])
    with pytest.raises(
        ConfigError, match=r"no setting 'cycles'.*schedule=cyclical can be made; add '~schedule.cycles'"
    ):
        rehearse([flag, "sweep=schedules", "experiment=mine"])


def test_a_refused_sweep_leaves_nothing(tmp_path: Path) -> None:
    done = inside("train", "sweep=schedules", "experiment=grammar/cured", *SMALL, cwd=tmp_path)
    says_one_line(done, "no job was started", "'~schedule.warmup_epochs'")
    assert not list(tmp_path.iterdir())


def test_how_far_it_is_with_crossed_sections_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    rehearse(
        ["sweep=seeds", "seed=0,1", "latent=gaussian,batch_norm", "rate=true_kl,hinge"],
        lambda *done: told.append(done),
    )
    assert told == [("settings of the sweep", number, 8) for number in range(1, 9)]
