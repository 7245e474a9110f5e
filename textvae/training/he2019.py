"""Weights that the code of He et al. 2019 (arXiv 1901.05534) and Li et al. 2019 (arXiv 1909.00868) has trained, as a run."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from textvae.data.lines import read_lines
from textvae.data.tokenization import Tokenizer
from textvae.errors import CheckpointError, DataError
from textvae.model import SentenceVAE, build_model
from textvae.training.checkpoint import RunFolder, put_weights, save_weights
from textvae.training.files import read_tensors

_LSTM = {
    f"{part}.lstm.{name}": f"{part}.lstm.{name}"
    for part in ("encoder", "decoder")
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
}
NAMES = {  # theirs -> ours; the order of gates, of mu and log-variance, and of word and z is the same
    "encoder.embed.weight": "encoder.embedding.weight",
    "encoder.linear.weight": "head.linear.weight",
    "decoder.embed.weight": "decoder.embedding.weight",
    "decoder.trans_linear.weight": "decoder.to_state.weight",
    "decoder.pred_linear.weight": "decoder.output.weight",
    **_LSTM,
}
NO_PARAMETER = "decoder.loss.weight"  # of their cross-entropy: it masks padding, which ours never reads
SIZES = {  # (section, setting): the parameter whose last dimension tells it
    ("encoder", "embedding"): "encoder.embed.weight",
    ("encoder", "hidden"): "encoder.lstm.weight_hh_l0",
    ("latent", "size"): "decoder.trans_linear.weight",
    ("decoder", "embedding"): "decoder.embed.weight",
    ("decoder", "hidden"): "decoder.lstm.weight_hh_l0",
}


def import_run(
    weights: str | Path, vocabulary: str | Path, config: Mapping[str, Any], run_dir: str | Path
) -> SentenceVAE:
    """Makes a run's folder of `weights` (safetensors) and `vocabulary` (one word a line, in the order of ids).

    config: that of a run with their network, whose sizes are replaced by those of the weights. CheckpointError or
    DataError, before anything is written, that names all that is missing, extra, of a wrong shape or not finite.
    """
    folder, source = RunFolder(run_dir), Path(weights)
    if folder.config.exists():
        raise CheckpointError(f"{folder.path} holds a run already; name another run_dir")
    if not source.is_file():
        raise CheckpointError(f"{source} does not exist; give the file of weights")
    tokenizer = read_vocabulary(Path(vocabulary))
    tensors = {name: item for name, item in read_tensors(source)[0].items() if name != NO_PARAMETER}
    _refuse(source, _faults_of_names(tensors))
    config = sized(config, tensors)
    model = build_model(config, tokenizer.size, tokenizer.unk)
    _refuse(source, _faults_of_shapes(tensors, model), f" (V = {tokenizer.size} of {vocabulary})")
    _refuse(source, _faults_of_values(tensors))
    put_weights(model, {NAMES[name]: item for name, item in tensors.items()}, str(source))
    folder.path.mkdir(parents=True, exist_ok=True)
    save_weights(model, folder.final)
    folder.create(config, tokenizer)
    return model


def read_vocabulary(path: Path) -> Tokenizer:
    """Word level, with the words of a file as ids 0, 1, ... DataError, with the line, for one that is not one word."""
    words = list(read_lines(path))
    for number, word in enumerate(words, 1):
        if len(word.split()) != 1:
            raise DataError(f"{path}, line {number}: {word!r} is not one word")
    try:
        return Tokenizer.from_vocabulary(words)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def sized(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The config with the sizes of the weights."""
    result = dict(config)
    for (section, setting), name in SIZES.items():
        result[section] = {**result[section], setting: tensors[name].shape[-1]}
    return result


def _faults_of_names(tensors: Mapping[str, Tensor]) -> Iterator[str]:
    yield from (f"lacks {name}" for name in NAMES if name not in tensors)
    yield from (f"has an unexpected {name}" for name in tensors if name not in NAMES)
    for name in sorted(set(NAMES) & set(tensors)):
        wanted = 1 if "bias" in name else 2
        if tensors[name].dim() != wanted:
            yield f"{name} has {tensors[name].dim()} dimensions, must have {wanted}"


def _faults_of_shapes(tensors: Mapping[str, Tensor], model: SentenceVAE) -> Iterator[str]:
    expected = model.state_dict()
    for name, tensor in tensors.items():
        ours = expected.get(NAMES[name], tensor)
        if tensor.shape != ours.shape:
            yield f"{name} is {tuple(tensor.shape)}, must be {tuple(ours.shape)}"


def _faults_of_values(tensors: Mapping[str, Tensor]) -> Iterator[str]:
    for name, tensor in tensors.items():
        if beyond := int((~tensor.isfinite()).sum()):
            yield f"{name} has {beyond} values of {tensor.numel()} that are infinite or no number"


def _refuse(source: Path, faults: Iterable[str], remark: str = "") -> None:
    if said := "; ".join(faults):
        raise CheckpointError(f"{source}: {said}{remark}")
