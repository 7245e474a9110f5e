"""A folder of the cache is there whole or not at all, and the first process to make it wins."""

from pathlib import Path

import pytest

from textvae.data.cache import cache_folder, new_folder
from textvae.errors import DataError


def test_a_folder_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "made"
    with new_folder(target) as made:
        (made / "file").write_text("whole")
        assert not target.exists()
    assert (target / "file").read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_may_be_shared_as_the_umask_says(tmp_path: Path) -> None:
    (tmp_path / "beside").mkdir()
    with new_folder(tmp_path / "made"):
        pass
    assert (tmp_path / "made").stat().st_mode == (tmp_path / "beside").stat().st_mode


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="bad text"), new_folder(tmp_path / "made") as made:
        (made / "half").write_text("")
        raise DataError("bad text")
    assert not list(tmp_path.iterdir())


def test_of_two_that_make_the_same_folder_the_first_stays(tmp_path: Path) -> None:
    with new_folder(tmp_path / "made") as slow:
        (slow / "file").write_text("slow")
        with new_folder(tmp_path / "made") as fast:
            (fast / "file").write_text("fast")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert (tmp_path / "made" / "file").read_text() == "fast"


def test_a_disk_that_is_full_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"made cannot be made: .*No space"), new_folder(tmp_path / "made"):
        raise OSError(28, "No space left on device")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="TEXTVAE_CACHE_DIR"), new_folder(tmp_path / "file" / "made"):
        pass


def test_the_environment_names_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTVAE_CACHE_DIR", "~/elsewhere")
    assert cache_folder() == Path.home() / "elsewhere"
    monkeypatch.delenv("TEXTVAE_CACHE_DIR")
    assert cache_folder() == Path.home() / ".cache" / "textvae"
