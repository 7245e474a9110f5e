"""What the command makes of errors that no verb foresees."""

import pytest

from textvae.cli import main as command


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to\nallocate 9 bytes"
        ),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        MemoryError("Unable to allocate 2 TiB for an array"),
    ],
)
def test_lack_of_memory_is_one_line_with_what_takes_less(monkeypatch, capsys, error):
    def run(arguments):
        raise error

    monkeypatch.setattr(command, "run", run)
    assert command.main(["train"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("textvae: out of memory: a smaller data.batch_size") and said.count("\n") == 1


def test_the_advice_on_memory_is_the_verbs_own(monkeypatch, capsys):
    def run(arguments):
        raise MemoryError("Unable to allocate 2 TiB for an array")

    monkeypatch.setattr(command, "run", run)
    assert command.main(["sample", "n=1000000000000"]) == 1
    assert "out of memory: fewer sentences at a time take less" in capsys.readouterr().err


def test_other_errors_of_torch_keep_their_traceback(monkeypatch):
    def run(arguments):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(command, "run", run)
    with pytest.raises(RuntimeError, match="shapes"):
        command.main(["train"])
