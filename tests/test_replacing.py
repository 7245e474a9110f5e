import os
import threading
from pathlib import Path

import pytest

from textvae.replacing import replacing


def test_a_file_that_failed_leaves_the_one_before_and_nothing_of_itself(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("before")
    with pytest.raises(RuntimeError), replacing(file) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "before"


def test_a_file_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("before")
    with replacing(file) as beside:
        beside.write_text("after")
        assert file.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "after"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    file, link = tmp_path / "elsewhere" / "file", tmp_path / "link"
    file.write_text("before")
    link.symlink_to(file)
    with replacing(link) as beside:
        beside.write_text("after")
    assert link.is_symlink() and file.read_text() == "after"
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_a_pipe_is_written_and_stays_one(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    with replacing(pipe) as itself:
        itself.write_text("all of it")
    reader.join()
    assert read == ["all of it"] and pipe.is_fifo()


def test_a_failed_write_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device") as caught, replacing(tmp_path / "file"):
        raise OSError(28, "No space left on device")
    assert caught.value.filename == str(tmp_path / "file")
