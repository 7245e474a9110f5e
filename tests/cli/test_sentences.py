"""The verbs that read a run's folder, from any directory and where processes matter in real ones."""

import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.cli.process import SMALL, command, environment, inside, says_one_line, textvae, train_small
from textvae.api import load
from textvae.cli import sample


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train_small(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def sentences(run):
    """Lines that the model's tokenizer knows."""
    vocabulary = json.loads((run / "tokenizer.json").read_text())["model"]["vocab"]
    words = [word for word in vocabulary if not word.startswith("<")]
    return [" ".join(words[i : i + 5]) for i in range(0, 30, 5)]


def lines(done) -> list[str]:
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "decoding",
    [
        ["decoding=greedy"],
        ["decoding=sample", "decoding.temperature=0.7", "decoding.top_k=5"],
        ["decoding=sample", "decoding.top_p=0.5", "ban_unk=true"],
        ["decoding=beam", "decoding.size=3"],
    ],
)
def test_sample_gives_n_lines_and_the_same_for_a_seed(run, tmp_path, decoding):
    arguments = ["sample", f"checkpoint={run}", "n=4", "seed=3", "max_length=12", *decoding]
    first = lines(inside(*arguments, cwd=tmp_path))
    assert len(first) == 4
    assert first == lines(inside(*arguments, cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_process_of_its_own_samples_the_same(run, tmp_path):
    arguments = ["sample", f"checkpoint={run}", "n=4", "seed=3", "max_length=12", "decoding=sample"]
    assert lines(textvae(*arguments, cwd=tmp_path)) == lines(inside(*arguments))
    assert list(tmp_path.iterdir()) == []


def test_interpolation_ends_are_the_reconstructions(run, sentences, tmp_path):
    (tmp_path / "pairs.txt").write_text("\n".join(sentences[:4]), encoding="utf-8")
    common = [f"checkpoint={run}", "max_length=12"]
    source = f"input={tmp_path / 'pairs.txt'}"
    images = [line[7:] for line in lines(inside("reconstruct", *common, source))[1::2]]
    for path, called in (("linear", textvae), ("spherical", inside)):
        blocks = "\n".join(lines(called("interpolate", *common, source, "steps=5", f"path={path}"))).split(
            "\n\n"
        )
        ways = [block.split("\n") for block in blocks]
        assert [len(way) for way in ways] == [5, 5]
        assert [way[i] for way in ways for i in (0, -1)] == images


def test_standard_input_and_blank_lines(run, sentences):
    text = "\n\n".join(sentences[:3])
    rows = [json.loads(line) for line in lines(inside("encode", f"checkpoint={run}", "input=-", stdin=text))]
    assert [row["sentence"] for row in rows] == sentences[:3]
    assert all(len(row["mean"]) == len(row["variance"]) == 32 for row in rows)
    assert len(lines(textvae("analogy", f"checkpoint={run}", "input=-", "max_length=9", stdin=text))) == 1


def test_standard_input_is_read_as_a_file_is(run, sentences, tmp_path):
    """A mark of the byte order is no word, and only \\n ends a line."""
    text = f"\ufeff{sentences[0]}\n{sentences[1]}\u2028{sentences[2]}\x85\n".encode()
    (tmp_path / "text").write_bytes(text)
    with (tmp_path / "text").open("rb") as file:
        piped = subprocess.run(
            command("encode", f"checkpoint={run}", "input=-"),
            stdin=file,
            env=environment(),
            capture_output=True,
        )
    by_path = inside("encode", f"checkpoint={run}", f"input={tmp_path / 'text'}")
    rows, same = (
        [json.loads(line) for line in out.split("\n") if line]
        for out in (piped.stdout.decode(), by_path.stdout)
    )
    assert rows == same and len(rows) == 2
    assert rows[0]["sentence"] == sentences[0]


def test_draws_where_no_sentence_is_given(run):
    assert len(lines(textvae("reconstruct", f"checkpoint={run}", "n=2", "max_length=9"))) == 4
    assert len(lines(inside("interpolate", f"checkpoint={run}", "steps=3", "max_length=9"))) == 3
    assert len(lines(inside("encode", f"checkpoint={run}", "n=2"))) == 2


def test_evaluate_gives_the_figures_of_the_summary(run, tmp_path):
    out = tmp_path / "figures.json"
    done = textvae("evaluate", f"checkpoint={run}", "eval.iw_samples=3", f"output={out}", cwd=tmp_path)
    text = "\n".join(lines(done))
    assert "nll_iw" in text and "mutual information" in text
    assert json.loads(out.read_text()) == json.loads((run / "summary.json").read_text())["test"]


def test_a_seed_says_the_same_sentences_in_python(run):
    assert lines(inside("sample", f"checkpoint={run}", "n=4", "seed=3")) == load(run).sample(4, seed=3)


def test_evaluate_own_sentences(run, sentences):
    done = inside("evaluate", f"checkpoint={run}", "input=-", "eval.iw_samples=2", stdin="\n".join(sentences))
    assert lines(done)[0].split() == ["sentences", str(len(sentences))] and "<unk>" not in done.stderr
    strange = f"{sentences[0]} qwertz"
    done = inside("evaluate", f"checkpoint={run}", "input=-", "eval.iw_samples=2", stdin=strange)
    assert f"{1 / len(strange.split()):.2%} of the words are <unk> to this run" in done.stderr


def test_report_prints_a_row_a_setting_and_the_truth_of_a_text_that_is_known_whole(run, tmp_path):
    whole = train_small(tmp_path / "whole", "data.train=5000")
    text = lines(inside("report", str(whole), str(whole), f"output={tmp_path / 'out'}"))
    assert len([line for line in text if line.startswith("grammar/vae")]) == 1
    assert [line for line in text if line.startswith("the truth")]
    assert not [line for line in lines(inside("report", str(run))) if line.startswith("the truth")]
    tables = {"table.md", "table.csv", "table.json", "report.html"}
    figures = {"training.png", "rate_distortion.png", "kl_per_dimension.png"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == tables | figures


@pytest.mark.parametrize(
    ("arguments", "stdin", "parts"),
    [
        (["sample", "checkpoint=/nowhere"], "", ["/nowhere"]),
        (["sample"], "", ["checkpoint must be given"]),
        (["sample", "checkpoint={run}", "n=0"], "", ["n is 0"]),
        (["sample", "checkpoint={run}", "decoding=beam", "decoding.size=0"], "", ["size is 0"]),
        (["sample", "checkpoint={run}", "decoding.temperature=0"], "", ["temperature is 0"]),
        (["sample", "checkpoint={run}", "decoding=magic"], "", ["magic"]),
        (["interpolate", "checkpoint={run}", "steps=1"], "", ["steps is 1"]),
        (["interpolate", "checkpoint={run}", "path=winding"], "", ["winding", "linear"]),
        (["interpolate", "checkpoint={run}", "input=-"], "one line", ["2 at a time"]),
        (["encode", "checkpoint={run}", "input=-"], "", ["holds no sentence"]),
        (
            ["encode", "checkpoint={run}", "input=-"],
            "zzyzx qwrt",
            ["only words that the model does not know"],
        ),
        (["encode", "checkpoint={run}", "input=/nowhere.txt"], "", ["/nowhere.txt"]),
        (["reconstruct", "checkpoint={run}", "posterior=mode"], "", ["posterior is 'mode'"]),
        (["evaluate", "checkpoint={run}", "split=dev"], "", ["split is 'dev'"]),
        (["sample", "checkpoint={run}", "seed=foo"], "", ["seed is 'foo'"]),
        (["sample", "checkpoint={run}", "seed=-1"], "", ["seed is -1"]),
        (["encode", "checkpoint={run}", "seed=1.5"], "", ["seed is 1.5"]),
        (["interpolate", "checkpoint={run}", "n=foo"], "", ["n is 'foo'"]),
        (["evaluate", "checkpoint={run}", "compute=3"], "", ["compute is 3, must be a group"]),
        (["evaluate", "checkpoint={run}", "output=/"], "", ["output is /, which is a folder"]),
        (["evaluate", "checkpoint=null"], "", ["checkpoint is None, must be text"]),
        (["evaluate", "checkpoint="], "", ["checkpoint is empty; give it a value"]),
        (["evaluate", "checkpoint={run}", "compute.device=mps"], "", ["compute: device is 'mps'"]),
        (["sample", "checkpoint={run}", "n=true"], "", ["n is True, must be a whole number"]),
        (["interpolate", "checkpoint={run}", "n=true"], "", ["n is True, must be a whole number"]),
        (
            ["sample", "checkpoint=runs/caf\udce9"],
            "",
            ["checkpoint is 'runs/caf\\udce9', bytes that are no text"],
        ),
        (["report"], "", ["usage"]),
        (["report", "/nowhere"], "", ["/nowhere"]),
        (["dance"], "", ["unknown verb 'dance'"]),
    ],
)
def test_errors_are_one_line(run, arguments, stdin, parts):
    says_one_line(inside(*(item.format(run=run) for item in arguments), stdin=stdin), *parts)


def test_a_letter_that_the_output_cannot_hold_is_told_by_its_number(run):
    done = subprocess.run(
        command("encode", f"checkpoint={run}", "input=-"),
        input="the naïve dog".encode(),
        capture_output=True,
        env=environment(PYTHONIOENCODING="ascii:strict", PYTHONUTF8="1"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sentence"] == "the naïve dog"
    for encoding in ("ascii:strict", "utf-8"):
        done = textvae(
            "reconstruct", f"checkpoint={run}", "input=-", stdin="the naïve dog", PYTHONIOENCODING=encoding
        )
        assert done.returncode == 0, done.stderr


def written_to(output, run, arguments):
    """What became of a command with `output` in the place of its standard output."""
    return subprocess.run(
        command(*(item.format(run=run) for item in arguments)),
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


@pytest.mark.parametrize(
    "arguments", [["sample", "checkpoint={run}", "n=2"], ["remedies"], ["sample", "--help"], ["--help"]]
)
def test_a_full_disk_behind_standard_output_is_one_line(run, arguments):
    with open("/dev/full", "w") as full:
        done = written_to(full, run, arguments)
    assert done.returncode == 1
    assert done.stderr == "textvae: standard output or a file: No space left on device\n"


@pytest.mark.parametrize("arguments", [["sample", "checkpoint={run}", "n=300"], ["remedies"]])
def test_a_reader_that_has_gone_is_no_error(run, arguments):
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as gone:
        done = written_to(gone, run, arguments)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_that_the_system_refuses_is_one_line(run, monkeypatch):
    def refused(config):
        raise PermissionError(13, "Permission denied", "/locked/file")

    monkeypatch.setattr(sample, "sample", refused)
    says_one_line(inside("sample", f"checkpoint={run}"), "/locked/file: Permission denied")


def test_a_fault_of_the_program_keeps_its_traceback_and_is_not_announced_by_hydra(run, monkeypatch, capsys):
    def fault(config):
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(sample, "sample", fault)
    with pytest.raises(ZeroDivisionError, match="a fault"):
        inside("sample", f"checkpoint={run}")
    assert "Error executing job" not in capsys.readouterr().err


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "lm"
    small = [item for item in SMALL if not item.startswith("encoder.")]
    done = inside("train", *small, "encoder=none", "latent=none", f"run_dir={folder}", cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("verb", ["encode", "interpolate", "reconstruct", "analogy"])
@pytest.mark.parametrize("source", [[], ["input=-"]])
def test_verbs_that_need_a_latent_refuse_a_run_without_one(language_model, verb, source):
    source = ["input=-"] if verb == "analogy" else source
    done = inside(verb, f"checkpoint={language_model}", *source, stdin="a\nb\nc")
    says_one_line(done, "this run has no latent (Z = 0)", str(language_model))
    assert done.stdout == ""


def test_sample_and_evaluate_go_with_a_run_without_a_latent(language_model):
    checkpoint = f"checkpoint={language_model}"
    assert len(lines(inside("sample", checkpoint, "n=3", "max_length=9"))) == 3
    assert "NO LATENT" in "\n".join(lines(inside("evaluate", checkpoint, "eval.iw_samples=2")))


@pytest.mark.parametrize("damage", ["truncated weights", "no weights", "other tokenizer", "no config"])
def test_damaged_runs_are_one_line(run, tmp_path, damage):
    folder = tmp_path / "damaged"
    folder.mkdir()
    for source in run.iterdir():
        (folder / source.name).write_bytes(source.read_bytes())
    if damage == "truncated weights":
        (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    elif damage == "no weights":
        (folder / "model.safetensors").unlink()
    elif damage == "other tokenizer":
        grown = json.loads((folder / "tokenizer.json").read_text())
        grown["model"]["vocab"]["onemore"] = len(grown["model"]["vocab"])
        (folder / "tokenizer.json").write_text(json.dumps(grown))
    else:
        (folder / "config.json").unlink()
    says_one_line(inside("sample", f"checkpoint={folder}"), str(folder))


@pytest.mark.parametrize(
    ("flag", "said"), [("--help", "usage: textvae VERB"), ("--version", f"textvae {version('textvae')}\n")]
)
def test_help_and_version_need_no_torch(flag, said):
    code = (
        f"import sys; from textvae.cli.main import main; main(['{flag}']); assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert said in done.stdout
