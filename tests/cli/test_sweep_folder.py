from textvae.cli.compose import folder_name
from textvae.cli.train import with_sweep_folder


def folder(*overrides: str) -> str:
    return with_sweep_folder(overrides)[-1]


def test_the_same_command_names_the_same_folder():
    command = ("-m", "experiment=ptb/annealing,ptb/free_bits", "seed=0,1")
    assert folder(*command) == folder(*reversed(command))
    assert folder(*command).startswith("sweep_dir=sweeps/ptb_annealing__ptb_free_bits-")
    assert folder(*command) != folder("-m", "experiment=ptb/annealing,ptb/free_bits", "seed=0,1,2")


def test_a_named_folder_and_a_single_run_stay_as_they_are():
    for overrides in (["-m", "sweep_dir=mine", "seed=0,1"], ["seed=0"]):
        assert with_sweep_folder(overrides) == overrides


def test_names_of_folders_need_no_quotes_and_stay_short():
    assert folder_name("seed=0,rate.total=0.5") == "seed-0__rate.total-0.5"
    assert folder_name("experiment=ptb/lm") == "experiment-ptb_lm"
    first, second = (folder_name("a.long.key=1," * 40 + end) for end in ("x=1", "x=2"))
    assert len(first) == len(second) == 150 and first != second
