"""On what a run was made, or gone on with: versions, machine, commit."""

import platform
import subprocess
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]


def environment(device: torch.device, products: torch.dtype | None = None) -> dict[str, Any]:
    """`commit` is null outside a checkout, and ends in "+" where tracked files of it were changed, but for documents.

    products: the type of matrix products in training, on which figures depend as on device and threads; null where
    nothing was trained. threads: as many as now; those of a training may change.
    """
    return {
        "textvae": _version("textvae"),
        "commit": commit(ROOT),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "device": device.type,
        "products": None if products is None else str(products).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "date": date.today().isoformat(),
    }


def commit(root: Path) -> str | None:
    if not (root / ".git").exists():
        return None
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short=10", "HEAD"], cwd=root, capture_output=True, text=True
        )
        # Tables of results are written to docs.
        changes = ["git", "diff", "--quiet", "HEAD", "--", ":(top,exclude)docs"]
        clean = subprocess.run(changes, cwd=root, capture_output=True)
    except OSError:
        return None
    return None if head.returncode else head.stdout.strip() + ("+" if clean.returncode else "")


def processor() -> str:
    """The processor's cores and name, as far as the system tells, and the vector instructions that torch uses there."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    named = f"{len(names)} cores of {names[0]}" if names else platform.processor() or platform.machine()
    return f"{named} ({torch.backends.cpu.get_cpu_capability()})"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
