"""One job of a sweep in a process of its own: a request as JSON on standard input, the outcome in the job's folder."""

import json
import sys
from pathlib import Path

from textvae.cli.progress import say
from textvae.training.measurement import Console
from textvae.training.sweeps import Sweep


def main() -> None:
    request = json.load(sys.stdin)
    folder = Path(request["folder"])

    def labelled(line: str) -> None:
        say(f"[{folder.name}] {line}")

    sweep = Sweep(request["sweep"], request["token"])
    sweep.visit(folder, request["config"], request["which"], Console(labelled, lambda what, done, of: None))


if __name__ == "__main__":
    main()
