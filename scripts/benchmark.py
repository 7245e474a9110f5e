#!/usr/bin/env python3
"""The speed of training and evaluation against a plain reference, in one process and in turns.

scripts/benchmark [--only NAME] [--seconds 60] [--device cpu|cuda] [--json FILE]      with TEXTVAE_PTB_DIR set

The reference is what older code does: nn.LSTM, the logits of all tokens at once, F.cross_entropy, dense gradients, dense SGD with
clip_grad_norm_, float32, torch's default settings. Same network (He et al. 2019, 256/256/z32), same batches of PTB, same loss.
Tokens are words and ends of sentences, no padding. Only ratios within one run say anything on a shared machine.
FILE keeps the rows that are not run again, so that another device wants another file. memory, corpus, index and startup
measure processes, on the device that `textvae train` chooses.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from footprint import corpus, index, memory, startup
from torch import Tensor, nn
from torch.nn import functional as F

from textvae.data.batching import Batch, Batcher
from textvae.data.prepare import Prepared, prepare
from textvae.errors import TextVAEError
from textvae.evaluation.information import information
from textvae.evaluation.likelihood import importance_weighted_log_prob
from textvae.generation.decoding import decode_chunks
from textvae.generation.stepwise import Sample
from textvae.model import build_model
from textvae.networks.cross_entropy import CrossEntropy
from textvae.objectives.objective import build_objective
from textvae.training.compute import compute, keep_freed_memory
from textvae.training.descent import Descent
from textvae.training.environment import environment
from textvae.training.optimizers import sgd
from textvae.training.updaters import Aggressive, Joint

MODEL: dict[str, Any] = {
    "encoder": {"name": "lstm"},
    "latent": {"name": "gaussian", "size": 32},
    "prior": {"name": "standard_normal"},
    "decoder": {"name": "lstm"},
    "initialisation": {"name": "uniform"},
    "schedule": {"name": "constant"},
    "rate": {"name": "true_kl"},
}
WINDOW = 15  # encoder updates between two looks at the loss in aggressive training, as published


class Bench(NamedTuple):
    """What both sides get: the corpus and the device."""

    data: Prepared
    device: torch.device

    @property
    def vocabulary(self) -> int:
        return self.data.tokenizer.size

    def endless(self) -> Iterator[Batch]:
        """Batches of 32 training sentences of one length."""
        batcher = Batcher(self.data.stores["train"], 32, seed=0)
        return (batch.to(self.device) for epoch in count() for batch in batcher.epoch(epoch))

    def reference(self) -> "Reference":
        return Reference(self.vocabulary).to(self.device)

    def ours(self, precision: str = "auto", beta: float = 1.0) -> "Ours":
        return Ours(self.vocabulary, self.device, precision, beta)

    def now(self) -> float:
        """Seconds, once the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def tokens(self, split: str) -> int:
        lengths = self.data.stores[split].lengths
        return int(lengths.sum()) + len(lengths)


class Reference(nn.Module):
    """The network of He et al. 2019 as it is mostly written."""

    def __init__(self, vocabulary: int, size: int = 256, latent: int = 32) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder_embedding = nn.Embedding(vocabulary, size)
        self.encoder = nn.LSTM(size, size, batch_first=True)
        self.head = nn.Linear(size, 2 * latent, bias=False)
        self.decoder_embedding = nn.Embedding(vocabulary, size)
        self.to_state = nn.Linear(latent, size, bias=False)
        self.decoder = nn.LSTM(size + latent, size, batch_first=True)
        self.output = nn.Linear(size, vocabulary, bias=False)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.01, 0.01)
        for table in (self.encoder_embedding, self.decoder_embedding):
            nn.init.uniform_(table.weight, -0.1, 0.1)

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        last = self.encoder(self.encoder_embedding(batch.sentences))[1][0][0]
        return self.head(last).chunk(2, -1)

    def reconstruct(self, batch: Batch, z: Tensor) -> Tensor:
        """z (B,S,Z) -> log p(x|z) (B,S)."""
        rows, samples = z.shape[:2]
        words = F.dropout(self.decoder_embedding(batch.inputs), 0.5, self.training)
        steps = words.shape[1]
        words = words.unsqueeze(1).expand(rows, samples, steps, -1).reshape(rows * samples, steps, -1)
        flat = z.reshape(rows * samples, -1)
        c = self.to_state(flat).unsqueeze(0)
        inputs = torch.cat([words, flat.unsqueeze(1).expand(-1, steps, -1)], -1)
        states = F.dropout(self.decoder(inputs, (torch.tanh(c), c))[0], 0.5, self.training)
        targets = batch.targets.unsqueeze(1).expand(rows, samples, steps).reshape(-1)
        loss = F.cross_entropy(self.output(states).flatten(0, 1), targets, reduction="none")
        return -loss.view(rows, samples, steps).sum(-1)

    def loss(self, batch: Batch) -> Tensor:
        mu, logvar = self.encode(batch)
        z = mu + (0.5 * logvar).exp() * torch.randn_like(mu)
        kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(-1)
        return (kl - self.reconstruct(batch, z[:, None])[:, 0]).mean()

    def log_prob(self, batch: Batch, samples: int, chunk: int) -> Tensor:
        """Importance-weighted, the encoder run again for each chunk of samples; a batch of one sentence."""
        parts = []
        for _ in range(samples // chunk):
            mu, logvar = self.encode(batch)
            noise = torch.randn(len(mu), chunk, mu.shape[1], device=mu.device)
            z = mu[:, None] + (0.5 * logvar).exp()[:, None] * noise
            weight = -0.5 * (z**2).sum(-1) + 0.5 * (noise**2 + logvar[:, None]).sum(-1)
            parts.append(weight + self.reconstruct(batch, z))
        return torch.cat(parts, 1).logsumexp(1) - np.log(samples)


class Ours:
    """textvae's model, objective and updates at a precision."""

    def __init__(self, vocabulary: int, device: torch.device, precision: str, beta: float) -> None:
        torch.manual_seed(0)
        self.model = compute(device.type, precision).place(build_model(MODEL, vocabulary, unk=3))
        settings = MODEL | {"schedule": {"name": "constant", "beta": beta}}
        self.objective = build_objective(settings, 1000, vocabulary, self.model.head)
        self.descent = Descent(self.model, sgd(), 5.0)
        self.updater = Joint(self.model, self.objective, self.descent)

    def step(self, batch: Batch) -> None:
        self.updater.step(batch, self._no_more, 0)

    def aggressive(self, **settings: Any) -> Aggressive:
        return Aggressive(self.model, self.objective, self.descent, clip="own", **settings)

    @staticmethod
    def _no_more() -> Batch:
        raise RuntimeError("a joint step draws no further batch")


def plain_step(model: Reference) -> Callable[[Batch], None]:
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)

    def step(batch: Batch) -> None:
        optimizer.zero_grad()
        model.loss(batch).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()

    return step


def plain_aggressive_step(model: Reference, batches: Iterator[Batch]) -> Callable[[], int]:
    """Encoder updates (-> how many) until the loss rose, at most 99, then one of the decoder (He et al. 2019)."""
    inference = [*model.encoder_embedding.parameters(), *model.encoder.parameters(), *model.head.parameters()]
    held = {id(parameter) for parameter in inference}
    generative = [parameter for parameter in model.parameters() if id(parameter) not in held]
    encoder, decoder = torch.optim.SGD(inference, lr=1.0), torch.optim.SGD(generative, lr=1.0)

    def update(optimizer: torch.optim.Optimizer, batch: Batch) -> float:
        model.zero_grad()
        loss = model.loss(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return loss.item() * len(batch.lengths)

    def step() -> int:
        first = batch = next(batches)
        before, total, tokens = float("inf"), 0.0, 0
        for inner in range(1, 100):
            total, tokens = total + update(encoder, batch), tokens + batch.tokens
            if inner % WINDOW == 0:
                if total / tokens > before:
                    break
                before, total, tokens = total / tokens, 0.0, 0
            batch = next(batches)
        update(decoder, first)
        return inner

    return step


def plainly(step: Callable[[Batch], Any]) -> Callable[[Batch], Any]:
    """The step under the default settings of torch for products in float32, and of the system for freed memory."""

    def run(batch: Batch) -> Any:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        keep_freed_memory(32 << 20)  # what glibc's own rule arrives at
        try:
            return step(batch)
        finally:
            keep_freed_memory()
            torch.set_float32_matmul_precision(before)

    return run


def in_turns(
    bench: Bench, ours: Callable[[Batch], Any], theirs: Callable[[Batch], Any], seconds: float
) -> dict[str, float]:
    """Blocks of the same batches, A B A B ..., until each has had `seconds`; the first block is a warm-up.

    Each side's block begins with a step that does not count, on its longest batch: the other side has given back the
    memory that this one keeps, or keeps what this one has just given back.
    """
    batches, spent, tokens, steps = bench.endless(), {"a": 0.0, "b": 0.0}, 0, 0
    for number in count():
        block = list(islice(batches, 20))
        longest = max(block, key=lambda batch: batch.tokens)
        for name, step in (("a", ours), ("b", theirs)):
            step(longest)
            began = bench.now()
            for batch in block:
                step(batch)
            spent[name] += bench.now() - began if number else 0.0
        tokens, steps = (tokens + sum(b.tokens for b in block), steps + len(block)) if number else (0, 0)
        if min(spent.values()) >= seconds:
            break
    a, b = tokens / spent["a"], tokens / spent["b"]
    times = {"ms_a_step": 1000 * spent["a"] / steps, "reference_ms_a_step": 1000 * spent["b"] / steps}
    return {"tokens_per_s": a, "reference_tokens_per_s": b, "ratio": a / b, **times}


def train(bench: Bench, seconds: float, precision: str = "auto") -> dict[str, float]:
    reference, ours = bench.reference(), bench.ours(precision)
    ours.model.train()
    found = in_turns(bench, ours.step, plainly(plain_step(reference)), seconds)
    flops = 6 * (
        2 * 256 * 4 * 256 * 2 + 32 * 4 * 256 + 256 * bench.vocabulary
    )  # of a token's products, forward and backward
    rate = product_rate(bench, ours.model.cross_entropy.products or torch.float32)
    return found | {
        "gflops": found["tokens_per_s"] * flops / 1e9,
        "product_gflops": rate,
        "epoch_s": bench.tokens("train") / found["tokens_per_s"],
        "rss_mib": peak_rss(),
    }


def encoder_update(bench: Bench, seconds: float) -> dict[str, float]:
    """Our encoder-only update against the reference's full step; `time_ratio` is to be at most 0.5.

    estimated_time_ratio: with its normaliser from the batch's words and 512 others.
    """
    found = []
    for words in (None, 512):
        reference, ours = bench.reference(), bench.ours()
        ours.model.train()
        updater = ours.aggressive(words=words)
        with updater.decoder_held():
            step = partial(updater.encoder_update, step=0)
            found.append(in_turns(bench, step, plainly(plain_step(reference)), seconds))
    whole, estimated = found
    ratios = {"time_ratio": 1 / whole["ratio"], "estimated_time_ratio": 1 / estimated["ratio"]}
    return whole | {"estimated_ms_a_step": estimated["ms_a_step"]} | ratios


def aggressive(bench: Bench, seconds: float) -> dict[str, float]:
    """A decoder update of aggressive training with all encoder updates before it, by turns; `time_ratio` is to be at most 0.2.

    equal_time_ratio: at equal numbers of encoder updates, which the rule leaves to chance.
    """
    reference, ours = bench.reference(), bench.ours()
    ours.model.train()
    updater = ours.aggressive(window=WINDOW, words=512)
    batches, theirs = bench.endless(), plain_aggressive_step(reference, bench.endless())
    more = partial(next, batches)
    ways: dict[str, Callable[[Any], int]] = {
        "": lambda _: int(updater.step(more(), more, 0).logs["inner_updates"]),
        "reference_": plainly(lambda _: theirs()),
    }
    for step in ways.values():  # a warm-up
        step(None)
    spent, inner, updates = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0), 0
    while min(spent.values()) < seconds:
        for name, step in ways.items():
            began = bench.now()
            inner[name] += step(None)
            spent[name] += bench.now() - began
        updates += 1
    found = {f"{name}s_a_decoder_update": spent[name] / updates for name in ways}
    counts = {f"{name}encoder_updates": inner[name] / updates for name in ways}
    ratio = spent[""] / spent["reference_"]
    return found | counts | {"time_ratio": ratio, "equal_time_ratio": ratio * inner["reference_"] / inner[""]}


def iw_nll(bench: Bench, seconds: float, samples: int = 500) -> dict[str, float]:
    """K = 500 on the same test sentences: batches of ours, one sentence at a time and chunks of 100 of the reference.

    The model has learned for 300 steps with the KL charged at a tenth, so that its samples differ. normaliser_error: of our
    estimate of the normaliser against the whole one, for the same samples, nats a sentence.
    """
    reference, ours = bench.reference().eval(), bench.ours(beta=0.1)
    ours.model.train()
    for batch in islice(bench.endless(), 300):
        ours.step(batch)
    ours.model.eval()
    copy_weights(reference, ours.model)
    test, spent, tokens = Batcher(bench.data.stores["test"], 8, seed=0), {"a": 0.0, "b": 0.0}, 0
    difference, errors = 0.0, []
    with torch.no_grad():
        for number, batch in enumerate(batch.to(bench.device) for batch in test.epoch(0)):
            singles = [Batch(*(part[[row]] for part in batch[:3])) for row in range(len(batch.lengths))]
            torch.manual_seed(number)
            began = bench.now()
            found = importance_weighted_log_prob(ours.model, batch, samples)
            middle = bench.now()
            step = plainly(lambda one: reference.log_prob(one, samples, 100))
            theirs = torch.cat([step(single) for single in singles])
            spent["a"], spent["b"] = spent["a"] + middle - began, spent["b"] + bench.now() - middle
            difference, tokens = difference + float((found - theirs).sum()), tokens + batch.tokens
            errors.append(found - with_whole_normaliser(ours.model, batch, samples, number))
            if spent["b"] >= seconds:
                break
    error = torch.cat(errors)
    return {
        "tokens_per_s": tokens / spent["a"],
        "reference_tokens_per_s": tokens / spent["b"],
        "ratio": spent["b"] / spent["a"],
        "test_split_s": bench.tokens("test") * spent["a"] / tokens,
        "difference_nats_a_token": difference / tokens,
        "sentences": len(error),
        "normaliser_error_mean": float(error.mean()),
        "normaliser_error_rms": float(error.square().mean().sqrt()),
    }


def with_whole_normaliser(model: Any, batch: Batch, samples: int, seed: int) -> Tensor:
    """The same bound for the same samples, from logits of the whole vocabulary."""
    estimating, model.cross_entropy = model.cross_entropy, CrossEntropy()
    try:
        torch.manual_seed(seed)
        return importance_weighted_log_prob(model, batch, samples)
    finally:
        model.cross_entropy = estimating


def copy_weights(reference: Reference, model: Any) -> None:
    pairs = [(reference.encoder_embedding, model.encoder.embedding), (reference.encoder, model.encoder.lstm)]
    pairs += [(reference.head, model.head.linear), (reference.decoder_embedding, model.decoder.embedding)]
    pairs += [(reference.decoder, model.decoder.lstm), (reference.to_state, model.decoder.to_state)]
    for theirs, mine in [*pairs, (reference.output, model.decoder.output)]:
        theirs.load_state_dict(mine.state_dict())


def information_of_train(bench: Bench, seconds: float) -> dict[str, float]:
    """Both bounds and active units over all training sentences: the pair part, and with the pass that encodes them."""
    ours = bench.ours()
    shape = len(bench.data.stores["train"]), 32
    mean, spread = torch.randn(shape, device=bench.device), torch.rand(shape, device=bench.device) + 0.1
    q = torch.distributions.Independent(torch.distributions.Normal(mean, spread), 1)
    kl = torch.distributions.kl_divergence(q.base_dist, torch.distributions.Normal(0, 1)).sum(1)
    began = bench.now()
    information(q, q.sample(), kl, [32] * (len(mean) // 32) + [len(mean) % 32])
    pairs = bench.now() - began
    ours.model.eval()
    began = bench.now()
    with torch.no_grad():
        for batch in Batcher(bench.data.stores["train"], 256).in_order():
            ours.model.posterior(batch.to(bench.device))
    return {"seconds": pairs, "with_encoding_s": pairs + bench.now() - began, "sentences": len(mean)}


def generate(bench: Bench, seconds: float, sentences: int = 1000) -> dict[str, float]:
    """Sentences of 22 tokens from the prior in one call, against a loop over single ones."""
    model = bench.ours().model.eval()
    way = Sample(max_length=22, banned=(), allow_empty=False)
    z = torch.randn(sentences, 32, device=bench.device)

    def timed(part: Tensor, times: int) -> float:
        began = bench.now()
        for _ in range(times):
            list(decode_chunks(model.decoder, part, way, 0))
        return (bench.now() - began) / times / len(part)

    with torch.no_grad():
        timed(z, 1), timed(z[:1], 3)
        together, alone = zip(*((timed(z, 1), timed(z[:1], 20)) for _ in range(5)), strict=True)
    a, b = float(np.median(together)), float(np.median(alone))
    return {"sentences_per_s": 1 / a, "reference_sentences_per_s": 1 / b, "ratio": b / a}


def product_rate(bench: Bench, dtype: torch.dtype) -> float:
    """GFLOP/s of a matrix product like the output layer's."""
    a, b = (torch.randn(shape, device=bench.device).to(dtype) for shape in ((704, 256), (256, 10002)))
    times = []
    for _ in range(12):
        began = bench.now()
        a @ b
        times.append(bench.now() - began)
    return 2 * 704 * 256 * 10002 / min(times) / 1e9


def peak_rss() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


ROWS: dict[str, Callable[..., dict[str, float]]] = {
    "train": train,
    "train_float32": lambda bench, seconds: train(bench, seconds, "float32"),
    "encoder_update": encoder_update,
    "aggressive": aggressive,
    "iw_nll": iw_nll,
    "information": information_of_train,
    "generate": generate,
    "memory": memory,
    "corpus": corpus,
    "index": index,
    "startup": startup,
}


def kept(file: Path | None) -> dict[str, Any]:
    """What the file holds of earlier rows, each with what it was measured on."""
    earlier = json.loads(file.read_text()) if file and file.exists() else {}
    return {"measured": {}, **earlier}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/benchmark", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=ROWS)
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="at least this long for each side of a row"
    )
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    try:
        device = compute(arguments.device).device
        bench = Bench(prepare({"name": "ptb"}, {"name": "word", "size": None}), device)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error
    except TextVAEError as error:
        raise SystemExit(f"error: {error}") from error
    results = kept(arguments.json)
    for name in [arguments.only] if arguments.only else ROWS:
        results[name] = ROWS[name](bench, arguments.seconds)
        results["measured"][name] = environment(device)
        print(
            f"{name:<15}" + "  ".join(f"{key} {value:,.3f}" for key, value in results[name].items()),
            flush=True,
        )
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
