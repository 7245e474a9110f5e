"""The folder of a run: config.json, tokenizer.json, weights as safetensors, metrics.jsonl, summary.json."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from textvae.data.tokenization import Tokenizer
from textvae.errors import CheckpointError
from textvae.model import SentenceVAE
from textvae.plugins import import_plugins
from textvae.refinement import build_refined
from textvae.training.files import read_tensors, write_json, write_tensors


class RunFolder:
    """Paths and files of one run."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config, self.tokenizer = self.path / "config.json", self.path / "tokenizer.json"
        self.best, self.last = self.path / "best.safetensors", self.path / "last.safetensors"
        self.final, self.summary = self.path / "model.safetensors", self.path / "summary.json"
        self.metrics, self.labels = self.path / "metrics.jsonl", self.path / "labels.json"
        self.corpus = self.path / "corpus.json"
        self.best_terms = self.path / "best_terms.safetensors"
        self.pretraining = self.path / "pretraining"

    def create(
        self,
        config: dict[str, Any],
        tokenizer: Tokenizer,
        labels: Sequence[str] = (),
        corpus: str | None = None,
    ) -> None:
        """Makes the folder, with the labels that the model reads, by number, where it reads any.

        `corpus`: the fingerprint of the text that it trains on. config.json comes last, since it marks the folder as
        that of a run.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        tokenizer.save(self.tokenizer)
        if labels:
            write_json(self.labels, list(labels))
        if corpus is not None:
            write_json(self.corpus, {"fingerprint": corpus})
        write_json(self.config, config)

    def reopen(self, config: dict[str, Any]) -> None:
        """Takes back what marks a run as finished, since training goes on, by this config from now on.

        config.json comes last: no summary of the run as it was stands beside other settings, wherever this is killed.
        """
        self.final.unlink(missing_ok=True)
        self.summary.unlink(missing_ok=True)
        write_json(self.config, config)

    def is_of(self, corpus: str) -> bool:
        """Whether the run was begun on the text of this fingerprint; so is one that says nothing of it.

        An earlier version of the program may have made the run's in another way: that one says nothing either.
        """
        said = _read_json(self.corpus) if self.corpus.is_file() else {"fingerprint": corpus}
        before = said.get("fingerprint") if isinstance(said, dict) else None
        if not isinstance(before, str):
            return False
        return before == corpus or before.rpartition(":")[0] != corpus.rpartition(":")[0]

    def read_config(self) -> dict[str, Any]:
        if not self.path.is_dir():
            raise CheckpointError(f"{self.path} is no folder; give the folder of a run")
        if not self.config.is_file():
            raise CheckpointError(f"{self.path} holds no config.json, so it is not the folder of a run")
        config = _read_json(self.config)
        if not isinstance(config, dict):
            raise CheckpointError(f"{self.config} is damaged: it holds no mapping")
        return config

    def read_labels(self) -> list[str]:
        """The names of labels 0, 1, ...; none where the model reads no labels."""
        names = _read_json(self.labels) if self.labels.is_file() else []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise CheckpointError(f"{self.labels} is damaged: it holds no list of names")
        return names

    def weights(self) -> Path:
        """The file with the weights of a finished run, else the best so far."""
        for path in (self.final, self.best):
            if path.is_file():
                return path
        raise CheckpointError(f"{self.path} holds no weights yet ({self.final.name} or {self.best.name})")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error


def load_model(path: str | Path) -> tuple[SentenceVAE, Tokenizer, dict[str, Any], list[str]]:
    """Model in evaluation mode, tokenizer, config and names of labels from a run's folder alone.

    CheckpointError where they do not fit, ConfigError where a module that the run imported is not found.
    """
    folder = RunFolder(path)
    config = folder.read_config()
    import_plugins(config)
    tokenizer = Tokenizer.load(folder.tokenizer)
    labels = folder.read_labels()
    model = build_refined(config, tokenizer.size, tokenizer.unk, len(labels))
    load_weights(model, folder.weights())
    return model.eval(), tokenizer, config, labels


def save_weights(model: SentenceVAE, path: Path) -> None:
    write_tensors(path, {key: value.contiguous() for key, value in model.state_dict().items()}, {})


def load_weights(model: SentenceVAE, path: Path) -> None:
    """All weights from a file. CheckpointError where they do not fit."""
    tensors, _ = read_tensors(path)
    put_weights(model, tensors, str(path))


def put_weights(
    model: SentenceVAE, tensors: Mapping[str, Tensor], whence: str, modules: Collection[str] | None = None
) -> None:
    """All weights from tensors by name, or those of submodules such as "head" alone; the others stay.

    CheckpointError where one does not fit; then nothing changes.
    """
    given, expected = (_of_modules(state, modules) for state in (tensors, model.state_dict()))
    for name in sorted(set(expected) ^ set(given)):
        raise CheckpointError(f"{whence} {'lacks' if name in expected else 'has an unexpected'} {name}")
    for name, tensor in given.items():
        if tensor.shape != expected[name].shape:
            here, there = tuple(tensor.shape), tuple(expected[name].shape)
            raise CheckpointError(
                f"{whence}: {name} is {here}, config and tokenizer of the run ask for {there}"
            )
    model.load_state_dict(given, strict=modules is None)


def _of_modules(state: Mapping[str, Tensor], modules: Collection[str] | None) -> dict[str, Tensor]:
    if modules is None:
        return dict(state)
    within = tuple(f"{module}." for module in modules)
    return {name: item for name, item in state.items() if name.startswith(within)}
