"""The command `textvae VERB [override ...]`; imports nothing heavy until the verb is known."""

import importlib
import io
import os
import sys
from collections.abc import Sequence

import textvae
from textvae.cli.flags import HELP_FLAGS
from textvae.cli.stderr import say
from textvae.errors import TextVAEError

VERBS = {
    "train": "train a model (experiment=ptb/collapse, any override, -m for a sweep, resume=RUN)",
    "evaluate": "measure a run: likelihood bounds, KL, active units, mutual information, verdict",
    "sample": "sentences from the prior",
    "interpolate": "sentences on the way between two sentences or two draws",
    "reconstruct": "sentences through q(z|x) and back",
    "encode": "posterior means and variances of sentences, as JSON lines",
    "analogy": "a is to b as c is to ?",
    "import-he2019": "a run's folder from weights of the code of He et al. 2019 (weights=FILE vocabulary=FILE run_dir=RUN)",
    "report": "runs and sweeps side by side: textvae report SWEEP_DIR|RUN ... [output=FOLDER]",
    "remedies": "every remedy in a line, with the override that switches it on (textvae remedies objective)",
}


WITHOUT_CONFIG = ("report", "remedies")  # they take words, and print help of their own
LESS_MEMORY = {  # what takes less, by verb
    **dict.fromkeys(
        ("train", "evaluate"), "a smaller data.batch_size, eval.row_budget or network takes less"
    ),
    **dict.fromkeys(
        ("sample", "interpolate", "reconstruct", "encode", "analogy"), "fewer sentences at a time take less"
    ),
}


def usage() -> str:
    lines = [f"  {verb:<14} {text}" for verb, text in VERBS.items()]
    return "\n".join(
        [
            "textvae: sentence VAEs, posterior collapse and its remedies",
            "",
            "usage: textvae VERB [key=value ...]      textvae VERB --help shows every key",
            "       textvae --version",
            "",
            *lines,
            "",
            "All verbs but train, import-he2019, report and remedies take checkpoint=RUN, the folder of a run.",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb; returns the exit status: 0, 1 for an error said in one line, 130 when interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a letter that a terminal cannot show is told by its number
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = run(given)
        sys.stdout.flush()
        return status
    except TextVAEError as error:
        complain(str(error))
        return error.status
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    except BrokenPipeError:
        settle_output()  # the reader has gone, as in `textvae sample | head`
        return 0
    except OSError as error:
        settle_output()
        where = error.filename or "standard output or a file"  # a failed write does not know its name
        return complain(f"{where}: {error.strerror or error}")
    except (MemoryError, RuntimeError) as error:
        if not is_lack_of_memory(error):
            raise
        advice = LESS_MEMORY.get(next(iter(given), ""), "it takes more than there is")
        return complain(f"out of memory: {advice} ({' '.join(str(error).split())[:160]})")


def is_lack_of_memory(error: Exception) -> bool:
    """torch has no kind of error of its own for it on a CPU."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(
        words in said for words in ("allocate memory", "out of memory")
    )


def run(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in (*HELP_FLAGS, "help"):
        print(usage())
        return 0
    if "--version" in arguments:
        print(f"textvae {textvae.__version__}")
        return 0
    verb, *overrides = arguments
    if verb not in VERBS:
        return complain(f"unknown verb {verb!r}; known: {', '.join(VERBS)}")
    if set(HELP_FLAGS) & set(overrides) and verb not in WITHOUT_CONFIG:
        importlib.import_module("textvae.cli.help").main(verb, overrides)
        return 0
    return int(importlib.import_module(f"textvae.cli.{verb.replace('-', '_')}").main(overrides) or 0)


def settle_output() -> None:
    """What standard output still holds is written, or dropped where it cannot be: Python would try again, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def complain(message: str) -> int:
    """One line on standard error, whatever the message holds; returns exit status 1."""
    say(f"textvae: {' '.join(message.split())}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
