"""textvae report on the folder of a sweep in which not all went well."""

import pytest

from tests.cli.process import inside, says_one_line
from tests.reporting.folders import config, finished, rows, write_run


@pytest.fixture
def sweep(tmp_path):
    for total in (1.0, 2.0):
        for seed in (0, 1):
            rate = {"name": "free_bits", "total": total}
            finished(tmp_path / "sweep" / f"{total}-{seed}", seed=seed, kl=total + seed, rate=rate)
    write_run(tmp_path / "sweep" / "half", config(), None, rows())
    (tmp_path / "sweep" / "broken").mkdir()
    (tmp_path / "sweep" / "broken" / "summary.json").write_text("{")
    return tmp_path / "sweep"


def test_a_row_a_setting_and_a_line_for_each_run_without_a_result(sweep, tmp_path):
    done = inside("report", str(sweep), f"output={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    table = [line for line in done.stdout.splitlines() if line.startswith("ptb/vae")]
    assert [line.split()[1] for line in table] == ["rate=free_bits", "rate=free_bits"]
    assert "1.50 (1.00)" in table[0] and "2.50 (1.00)" in table[1]
    assert "2 of 6 runs without a result" in done.stdout
    listed = [line for line in done.stdout.splitlines() if line.startswith(f"  {sweep}")]
    assert [line.split(": ")[1] for line in listed] == ["damaged", "unfinished"]
    assert (tmp_path / "out" / "report.html").exists()


def test_a_sweep_without_any_result_is_listed(sweep):
    done = inside("report", str(sweep / "half"), str(sweep / "broken"))
    assert done.returncode == 1 and "2 of 2 runs without a result" in done.stdout


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_says_how(flag):
    done = inside("report", flag)
    assert done.returncode == 0 and done.stderr == ""
    assert "usage: textvae report" in done.stdout and "output=FOLDER" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["usage"]),
        (["{sweep}", "output="], ["usage"]),
        (["{sweep}", "output=a", "output=b"], ["usage"]),
        (["/nowhere"], ["/nowhere", "no folder"]),
        (["{sweep}", "output={sweep}/broken/summary.json"], ["output=", "summary.json"]),
    ],
)
def test_errors_are_one_line(sweep, arguments, parts):
    says_one_line(inside("report", *(item.format(sweep=sweep) for item in arguments)), *parts)
