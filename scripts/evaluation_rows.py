"""Measurements against the plain way: the rows of scripts/benchmark.py that follow training."""

from itertools import islice
from typing import Any

import numpy as np
import torch
from bench import Bench, plainly
from torch import Tensor

from textvae.data.batching import Batch, Batcher
from textvae.evaluation.information import information
from textvae.evaluation.likelihood import importance_weighted_log_prob
from textvae.generation.decoding import decode_chunks
from textvae.generation.stepwise import Sample
from textvae.networks.cross_entropy import CrossEntropy


def iw_nll(bench: Bench, seconds: float, samples: int = 500) -> dict[str, float]:
    """K = 500 on the same test sentences: batches of ours, one sentence at a time and chunks of 100 of the reference.

    The model has learned for 300 steps with the KL charged at a tenth, so that its samples differ. normaliser_error: of our
    estimate of the normaliser against the whole one, for the same samples, nats a sentence; whole_ratio: of that one's time.
    """
    reference, ours = bench.reference().eval(), bench.ours(beta=0.1)
    ours.model.train()
    for batch in islice(bench.endless(), 300):
        ours.step(batch)
    ours.model.eval()
    copy_weights(reference, ours.model)
    test, spent, tokens = Batcher(bench.data.stores["test"], 8, seed=0), {"a": 0.0, "b": 0.0, "whole": 0.0}, 0
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
            began = bench.now()
            errors.append(found - with_whole_normaliser(ours.model, batch, samples, number))
            spent["whole"] += bench.now() - began
            if spent["b"] >= seconds:
                break
    error = torch.cat(errors)
    return {
        "tokens_per_s": tokens / spent["a"],
        "reference_tokens_per_s": tokens / spent["b"],
        "ratio": spent["b"] / spent["a"],
        "whole_ratio": spent["b"] / spent["whole"],
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


def copy_weights(reference: Any, model: Any) -> None:
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
