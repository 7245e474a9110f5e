"""What every test gets: no network, no login, no shared cache, one thread a worker, fixed examples."""

import os
from collections.abc import Iterator
from pathlib import Path

# Libraries read these when they are imported, so they come first.
os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", WANDB_MODE="offline", MPLBACKEND="Agg")

import hypothesis
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]

hypothesis.settings.register_profile("textvae", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("textvae")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "ptb_dir" in getattr(item, "fixturenames", ()):
            item.add_marker("ptb")


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    # As in the processes that tests start: sums by two threads are others in their last bits.
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty TEXTVAE_CACHE_DIR for this session and the processes it starts."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTVAE_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def ptb_dir() -> Path:
    """The folder of ptb.{train,valid,test}.txt: TEXTVAE_PTB_DIR, else ../shared/data/ptb of the checkout."""
    folder = Path(os.environ.get("TEXTVAE_PTB_DIR") or ROOT.parent / "shared" / "data" / "ptb")
    for split in ("train", "valid", "test"):
        if not (folder / f"ptb.{split}.txt").is_file():
            pytest.skip(f"no Penn Treebank: {folder} has no ptb.{split}.txt (TEXTVAE_PTB_DIR names a folder)")
    return folder
