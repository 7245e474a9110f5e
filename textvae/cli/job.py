"""One job of a sweep in a process of its own: a request as JSON on standard input, the outcome in the job's folder.

It speaks as a single run does where no other job runs beside it, else in lines with the job's name.
"""

import json
import sys
from pathlib import Path

from textvae.cli.progress import console
from textvae.cli.stderr import say
from textvae.training.measurement import Console
from textvae.training.sweeps import Sweep


def main() -> None:
    request = json.load(sys.stdin)
    folder = Path(request["folder"])

    def labelled(line: str) -> None:
        say(f"[{folder.name}] {line}")

    sweep = Sweep(request["sweep"], request["token"], request["parent"])
    speaks = console() if request["alone"] else Console(labelled, lambda what, done, of: None)
    sweep.visit(folder, request["config"], request["which"], speaks)


if __name__ == "__main__":
    main()
