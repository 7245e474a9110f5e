#!/usr/bin/env python3
"""The speed of training and evaluation against a plain reference, in one process and in turns.

scripts/benchmark [--only NAME] [--seconds 60] [--device cpu|cuda] [--json FILE]      with TEXTVAE_PTB_DIR set

The reference is what older code does: nn.LSTM, the logits of all tokens at once, F.cross_entropy, dense gradients, dense SGD with
clip_grad_norm_, float32, torch's default settings. Same network (He et al. 2019, 256/256/z32), same batches of PTB, same loss.
Tokens are words and ends of sentences, no padding. Only ratios within one run say anything on a shared machine.
FILE keeps the rows that are not run again, so that another device wants another file. memory, corpus, index and startup
measure processes, on the device that `textvae train` chooses.
rss_mib of train and train_float32 is the largest resident memory of this process, both sides in it; of memory and corpus, the
largest RssAnon of one training; of index, the growth of RssAnon. product_gflops is the best of twelve products.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench import Bench, in_turns, plainly, product_rate
from evaluation_rows import generate, information_of_train, iw_nll
from footprint import corpus, index, memory, startup
from torch import Tensor, nn
from torch.nn import functional as F

from textvae.data.batching import Batch
from textvae.data.prepare import prepare
from textvae.errors import TextVAEError
from textvae.training.compute import compute
from textvae.training.environment import environment

WINDOW = 15  # encoder updates between two looks at the loss in aggressive training, as published


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
    """Our encoder-only update, its own norm clipped, against the reference's full step; `time_ratio` is to be at most 0.5.

    joint_: with the norm of all gradients, as published; estimated_: with a normaliser from the batch's words and 512 others.
    """
    settings: dict[str, dict[str, Any]] = {"": {}, "joint_": {"clip": "joint"}, "estimated_": {"words": 512}}
    found = {}
    for name, chosen in settings.items():
        reference, ours = bench.reference(), bench.ours()
        ours.model.train()
        updater = ours.aggressive(**chosen)
        with updater.decoder_held():
            step = partial(updater.encoder_update, step=0)
            found[name] = in_turns(bench, step, plainly(plain_step(reference)), seconds)
    times = {f"{name}ms_a_step": one["ms_a_step"] for name, one in found.items()}
    return found[""] | times | {f"{name}time_ratio": 1 / one["ratio"] for name, one in found.items()}


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


def peak_rss() -> float:
    """MiB."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


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
    if file and not file.resolve().parent.is_dir():
        raise SystemExit(f"error: --json is {file}, but there is no folder {file.parent}")
    try:
        earlier = json.loads(file.read_text()) if file and file.exists() else {}
    except json.JSONDecodeError as error:
        raise SystemExit(f"error: {file} is no JSON: {error}") from error
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
    if not arguments.seconds > 0:
        parser.error(f"--seconds is {arguments.seconds:g}, must be above 0")
    results = kept(arguments.json)
    try:
        device = compute(arguments.device).device
        bench = Bench(prepare({"name": "ptb"}, {"name": "word", "size": None}), device, Reference)
    except (ValueError, TextVAEError) as error:
        raise SystemExit(f"error: {error}") from error
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
