"""What the command costs beside its arithmetic: the rows of `scripts/benchmark.py` that measure whole processes."""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from textvae.data.batching import Batcher
from textvae.data.store import TokenStore, write_store
from textvae.training.compute import keep_freed_memory


def memory(bench: Any, seconds: float) -> dict[str, float]:
    """Anonymous memory of a process that trains on PTB: the largest seen. Of aggressive training, by some 700 encoder updates."""
    cheap = ("experiment=ptb/aggressive", "updater.clip=own", "updater.window=10", "updater.words=512")
    return {
        "rss_mib": peak_anonymous("train.max_steps=150"),
        "aggressive_rss_mib": peak_anonymous(*cheap, "train.max_steps=25"),
    }


def corpus(bench: Any, seconds: float, sentences: int = 1_000_000) -> dict[str, float]:
    """Anonymous memory of training on a text of so many sentences and ten times as many: tokenising, then from the cache."""
    found: dict[str, float] = {"sentences": sentences}
    small = ("encoder.hidden=64", "decoder.hidden=64", "encoder.embedding=64", "decoder.embedding=64")
    for name, times in (("", 1), ("_10x", 10)):
        with tempfile.TemporaryDirectory() as folder:
            text = Path(folder) / "text.txt"
            write_sentences(text, sentences * times)
            # Few sentences to validate on: what grows with their number is measured with that of the training sentences.
            split = f"data.valid_fraction={1000 / sentences / times} data.test_fraction={1000 / sentences / times}"
            options = ("data=text", f"data.file={text}", *split.split(), "train.max_steps=100", *small)
            for what in ("tokenising", "training"):
                cache = {"TEXTVAE_CACHE_DIR": f"{folder}/cache"}
                found[f"{what}_rss_mib{name}"] = peak_anonymous(*options, variables=cache)
    more = found["training_rss_mib_10x"] - found["training_rss_mib"]
    return found | {"bytes_a_sentence": more * 2**20 / (9 * sentences)}


def index(bench: Any, seconds: float, sentences: int = 1_000_000) -> dict[str, float]:
    """Anonymous memory that reading a store of so many sentences takes, and ten times as many, while epochs are drawn."""
    found: dict[str, float] = {"sentences": sentences}
    with tempfile.TemporaryDirectory() as folder:
        for name, times in (("", 1), ("_10x", 10)):
            path = Path(folder) / f"store{times}.arrow"
            lengths = np.random.default_rng(0).integers(3, 21, sentences * times, dtype=np.int32)
            write_store(path, ([2] * length for length in lengths.tolist()))
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                found[f"rss_mib{name}"] = alone.submit(memory_of_reading, path).result()
    more = found["rss_mib_10x"] - found["rss_mib"]
    return found | {"bytes_a_sentence": more * 2**20 / (9 * sentences)}


def memory_of_reading(path: Path) -> float:
    """MiB of anonymous memory more, once a batch of each of two epochs has been drawn."""
    keep_freed_memory()
    before = anonymous(os.getpid())
    batcher = Batcher(TokenStore(path), 32)
    for epoch in range(2):
        next(batcher.epoch(epoch))
    return anonymous(os.getpid()) - before


def write_sentences(path: Path, count: int) -> None:
    """`count` sentences of 3 to 20 made-up words of 2,000, one a line."""
    chance = np.random.default_rng(0)
    words = np.array([f"w{number}" for number in range(2000)])
    with path.open("w") as file:
        for first in range(0, count, 50_000):
            lengths = chance.integers(3, 21, min(50_000, count - first))
            drawn = np.split(words[chance.integers(0, 2000, lengths.sum())], np.cumsum(lengths)[:-1])
            file.write("".join(" ".join(line) + "\n" for line in drawn))


def peak_anonymous(*options: str, variables: dict[str, str] | None = None) -> float:
    """The largest RssAnon in MiB of `textvae train` with these options, looked at twenty times a second."""
    with tempfile.TemporaryDirectory() as folder:
        bounds = ("eval.iw_samples=0", "tracker=none", f"run_dir={folder}/run")
        said, peak = Path(folder) / "said", 0.0
        with said.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "textvae.cli.main", "train", *options, *bounds],
                stderr=file,
                env=os.environ | (variables or {}),
            )
        while process.poll() is None:
            try:
                peak = max(peak, anonymous(process.pid))
            except (FileNotFoundError, ProcessLookupError):
                break
            time.sleep(0.05)
        if process.wait():
            raise SystemExit(f"textvae train {' '.join(options)} failed: {said.read_text()[-500:]}")
    return peak


def anonymous(process: int) -> float:
    """Its RssAnon, MiB; OSError where it has ended, SystemExit on a system that does not tell."""
    if not Path("/proc/self/status").exists():
        raise SystemExit(
            "anonymous memory is read from /proc, which this system does not have: --only another row"
        )
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    said = next((line for line in lines if line.startswith("RssAnon")), "RssAnon: 0 kB")
    return int(said.split()[1]) / 1024


def startup(bench: Any, seconds: float) -> dict[str, float]:
    """The help of the command, and the time to the first training step on PTB that is tokenised already."""

    def wall(*arguments: str) -> float:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "textvae.cli.main", *arguments], check=True, capture_output=True
        )
        return time.perf_counter() - began

    wall("--help")
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "textvae.cli.main",
            "train",
            "tracker=none",
            "train.log_every=1",
            f"run_dir={folder}/run",
        ]
        began = time.perf_counter()
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while not (Path(folder) / "run" / "metrics.jsonl").exists() and process.poll() is None:
            time.sleep(0.01)
        first = time.perf_counter() - began
        process.kill()
        process.wait()
    return {"help_s": min(wall("--help") for _ in range(5)), "first_step_s": first}
