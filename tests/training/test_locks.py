from pathlib import Path

import pytest

from textvae.errors import CheckpointError
from textvae.training.locks import taken


def test_a_lock_is_one_writer_s_until_it_is_closed(tmp_path: Path) -> None:
    file = taken(tmp_path / "new" / "lock")
    assert file is not None and taken(tmp_path / "new" / "lock") is None
    file.close()
    again = taken(tmp_path / "new" / "lock")
    assert again is not None
    again.close()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a place where no folder can be made")
def test_a_folder_that_cannot_be_made_is_given_up() -> None:
    with pytest.raises(CheckpointError, match="/proc/nowhere cannot be"):
        taken(Path("/proc/nowhere/lock"))
