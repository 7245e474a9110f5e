import pytest

from textvae.training.checkpoint import RunFolder
from textvae.training.files import write_json


@pytest.mark.parametrize(
    ("saved", "now", "same"),
    [
        ("rows:a1", "rows:a1", True),
        ("rows:a1", "rows:b2", False),
        ("a1", "a1", True),
        ("a1", "b2", False),
        ("a1", "rows:b2", True),  # made in another way, so that it says nothing of this one
        (None, "a1", False),
    ],
)
def test_a_run_is_of_the_text_whose_fingerprint_it_has(tmp_path, saved, now, same):
    assert RunFolder(tmp_path).is_of(now), "it says nothing"
    write_json(tmp_path / "corpus.json", {"fingerprint": saved})
    assert RunFolder(tmp_path).is_of(now) is same
