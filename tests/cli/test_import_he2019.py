"""textvae import-he2019: weights by the published names become a run, checked against that network written down anew."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.distributions import Normal

import textvae as package
from tests.cli.process import inside, says_one_line, textvae
from textvae.data.batching import collate
from textvae.training.files import write_json

WORDS = ["<pad>", "<s>", "</s>", "<unk>", "zebra", "the", "cat", "N", "sleeps", "'s", "a"]
E_IN, H_IN, E_OUT, H_OUT, Z = 5, 6, 7, 4, 3


class Published(nn.Module):
    """The network of He et al. 2019 with torch's own modules, a sentence at a time, under its published names."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Module(), nn.Module()
        self.encoder.embed = nn.Embedding(len(WORDS), E_IN)
        self.encoder.lstm = nn.LSTM(E_IN, H_IN, batch_first=True)
        self.encoder.linear = nn.Linear(H_IN, 2 * Z, bias=False)
        self.decoder.embed = nn.Embedding(len(WORDS), E_OUT)
        self.decoder.trans_linear = nn.Linear(Z, H_OUT, bias=False)
        self.decoder.lstm = nn.LSTM(E_OUT + Z, H_OUT, batch_first=True)
        self.decoder.pred_linear = nn.Linear(H_OUT, len(WORDS), bias=False)

    def posterior(self, ids: list[int]) -> Normal:
        """ids: <s> w1 .. wn </s>."""
        states, _ = self.encoder.lstm(self.encoder.embed(torch.tensor([ids])))
        both = self.encoder.linear(states[0, -1])
        return Normal(both[:Z], (both[Z:] / 2).exp())

    def log_px_z(self, ids: list[int], z: Tensor) -> Tensor:
        words = self.decoder.embed(torch.tensor([ids[:-1]]))
        inputs = torch.cat([words, z.expand(1, len(ids) - 1, Z)], dim=2)
        cell = self.decoder.trans_linear(z).view(1, 1, H_OUT)
        states, _ = self.decoder.lstm(inputs, (cell.tanh(), cell))
        chances = self.decoder.pred_linear(states[0]).softmax(-1)
        return chances[range(len(ids) - 1), ids[1:]].log().sum()


@pytest.fixture(scope="module")
def published() -> Published:
    torch.manual_seed(3)
    return Published()


@pytest.fixture(scope="module")
def files(published, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    save_file(published.state_dict(), folder / "weights.safetensors")
    (folder / "vocabulary.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return folder


def arguments(files: Path, run: Path) -> list[str]:
    names = {"weights": "weights.safetensors", "vocabulary": "vocabulary.txt"}
    return ["import-he2019", *(f"{key}={files / name}" for key, name in names.items()), f"run_dir={run}"]


@pytest.fixture(scope="module")
def run(files, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "imported"
    done = inside(*arguments(files, folder))
    assert done.returncode == 0, done.stderr
    return folder


def test_the_run_is_the_published_network(run, published):
    vae = package.load(run)
    rows = [[5, 6, 8], [10, 4, 3, 9, 7, 6], [8]]
    batch, z = collate(rows), torch.randn(2, len(rows), Z, dtype=torch.float64)
    model, original = vae.model.double(), published.double()
    q, log_px_z = model.posterior(batch), model.log_likelihood(batch, z)
    for i, row in enumerate(rows):
        ids = [1, *row, 2]
        expected = original.posterior(ids)
        torch.testing.assert_close(q.mean[i], expected.mean)
        torch.testing.assert_close(q.stddev[i], expected.stddev)
        for sample in range(2):
            torch.testing.assert_close(log_px_z[sample, i], original.log_px_z(ids, z[sample, i]))


def test_a_report_says_that_it_is_imported_and_how_to_measure_it(run):
    done = inside("report", str(run))
    assert done.returncode == 1
    assert f"{run}: imported; evaluate it: textvae evaluate checkpoint={run} keep=true" in done.stdout


def test_words_keep_their_ids(run):
    vae = package.load(run)
    assert vae.tokenizer.vocabulary == WORDS
    assert vae.tokenizer.encode(["the cat 's dog"]) == [[5, 6, 9, 3]]


def test_the_verbs_work_on_it(run):
    text = "the cat sleeps\na zebra 's N"
    done = textvae("evaluate", f"checkpoint={run}", "input=-", "eval.iw_samples=4", stdin=text)
    assert done.returncode == 0, done.stderr
    figures = dict(line.split()[:2] for line in done.stdout.splitlines()[:11])
    assert figures["sentences"] == "2" and float(figures["nll_iw"]) > 0
    for verb in (["sample", "n=3"], ["interpolate", "steps=3"]):
        done = inside(*verb, f"checkpoint={run}", "max_length=9")
        assert done.returncode == 0 and len(done.stdout.splitlines()) == 3, done.stderr


def test_a_split_of_the_runs_data_is_read_by_its_vocabulary(files, tmp_path):
    (tmp_path / "text.txt").write_text("the cat sleeps\na zebra sleeps\n" * 20, encoding="utf-8")
    data = [f"data.{split}={tmp_path / 'text.txt'}" for split in ("train", "valid", "test")]
    assert inside(*arguments(files, tmp_path / "run"), "data=text", *data).returncode == 0
    evaluate = ["evaluate", f"checkpoint={tmp_path / 'run'}", "eval.iw_samples=2"]
    done = inside(*evaluate)
    assert done.returncode == 0 and done.stdout.split()[:2] == ["sentences", "40"], done.stderr
    says_one_line(inside(*evaluate, "keep=true", "split=valid"), "keep is for split=test")
    assert not (tmp_path / "run" / "summary.json").exists()
    assert inside(*evaluate, "keep=true").returncode == 0
    shown = inside("report", str(tmp_path / "run"), f"output={tmp_path / 'page'}")
    assert shown.returncode == 0 and (tmp_path / "page" / "table.md").is_file(), shown.stderr
    assert f"{float(done.stdout.split('nll_iw')[1].split()[0]):.2f}" in shown.stdout
    assert inside(*evaluate[:-1], "eval.iw_samples=5", "keep=true").returncode == 0
    kept = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert kept["test"]["iw_samples"] == 5
    write_json(tmp_path / "run" / "summary.json", kept | {"train": {"epochs": 3}})
    says_one_line(inside(*evaluate, "keep=true"), "keep is for a run that was imported")


def changed(files: Path, to: Path, **tensors: Tensor | None) -> Path:
    to.mkdir()
    (to / "vocabulary.txt").write_bytes((files / "vocabulary.txt").read_bytes())
    weights = Published().state_dict() | tensors
    save_file({k: v for k, v in weights.items() if v is not None}, to / "weights.safetensors")
    return to


def test_the_mask_of_their_loss_is_no_parameter(files, tmp_path):
    given = changed(files, tmp_path / "given", **{"decoder.loss.weight": torch.ones(len(WORDS))})
    assert inside(*arguments(given, tmp_path / "run")).returncode == 0


@pytest.mark.parametrize(
    ("tensors", "parts"),
    [
        (
            {"decoder.lstm.bias_hh_l0": None, "encoder.linear.weight": None, "extra": torch.ones(1)},
            ["lacks decoder.lstm.bias_hh_l0", "lacks encoder.linear.weight", "unexpected extra"],
        ),
        (
            {"encoder.linear.weight": torch.ones(8, 6), "decoder.pred_linear.weight": torch.ones(12, 4)},
            ["encoder.linear.weight is (8, 6), must be (6, 6)", "(12, 4), must be (11, 4)", "V = 11"],
        ),
        ({"decoder.trans_linear.weight": torch.ones(4)}, ["trans_linear.weight has 1 dim", "have 2"]),
        ({"encoder.lstm.bias_ih_l0": torch.ones(24, 1)}, ["bias_ih_l0 has 2 dimensions, must have 1"]),
        (
            {"decoder.trans_linear.weight": torch.tensor([[1.0, float("nan"), float("inf")]] * 4)},
            ["decoder.trans_linear.weight has 8 values of 12 that are infinite or no number"],
        ),
    ],
)
def test_what_is_missing_extra_misshapen_or_no_number_is_named_at_once(files, tmp_path, tensors, parts):
    given = changed(files, tmp_path / "given", **tensors)
    says_one_line(inside(*arguments(given, tmp_path / "run")), *parts)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (WORDS[:-1], ["(11, 5), must be (10, 5)", "V = 10"]),
        ([*WORDS[:-1], "the"], ["'the' more than once"]),
        (["<pad>", "<unk>", "<s>", "</s>", *WORDS[4:]], ["first four tokens"]),
        ([*WORDS[:5], "", *WORDS[6:]], ["line 6", "not one word"]),
    ],
)
def test_a_vocabulary_that_does_not_fit_is_one_line(files, tmp_path, words, parts):
    given = changed(files, tmp_path / "given")
    (given / "vocabulary.txt").write_text("\n".join(words), encoding="utf-8")
    says_one_line(inside(*arguments(given, tmp_path / "run")), *parts)
    assert not (tmp_path / "run").exists()


def test_files_that_are_none_and_a_run_that_is_there(files, run, tmp_path):
    for name in ("weights", "vocabulary"):
        says_one_line(inside(*arguments(files, tmp_path / "run"), f"{name}=/nowhere"), "/nowhere")
    broken = changed(files, tmp_path / "given")
    (broken / "weights.safetensors").write_bytes(b"torn")
    says_one_line(inside(*arguments(broken, tmp_path / "run")), "damaged")
    says_one_line(inside(*arguments(files, run)), "holds a run already")
    says_one_line(inside("import-he2019"), "must be given", "import-he2019")
    says_one_line(inside("train", f"resume={run}"), "no training state")
