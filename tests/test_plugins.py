"""Modules of the user's own are found in the current folder; what is wrong with them is told."""

import sys
from pathlib import Path

import pytest

from textvae.errors import ConfigError
from textvae.plugins import import_plugins


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_a_module_of_the_current_folder_is_imported_once(here: Path) -> None:
    (here / "own_module_a.py").write_text("from pathlib import Path\nPath('seen').open('a').write('x')\n")
    for _ in range(2):
        import_plugins({"plugins": ["own_module_a"]})
    assert (here / "seen").read_text() == "x"


def test_no_module_and_a_config_of_before_there_were_any_change_nothing() -> None:
    before = list(sys.path)
    import_plugins({})
    import_plugins({"plugins": []})
    assert sys.path == before


@pytest.mark.parametrize(
    ("plugins", "said"),
    [
        ("mine", "plugins is 'mine', must be a list"),
        ([3], r"plugins is \[3\], must be a list"),
        (0, "plugins is 0, must be a list"),
        (["own.py", ""], r"plugins is \['own.py', ''\], must be a list"),
        (["own_module_b"], "own_module_b cannot be imported .*No module named 'own_module_b'"),
        (["own_module_c"], "own_module_c cannot be imported .*No module named 'own_module_d'"),
    ],
)
def test_what_cannot_be_imported_is_told(here: Path, plugins: object, said: str) -> None:
    (here / "own_module_c.py").write_text("import own_module_d\n")
    with pytest.raises(ConfigError, match=said):
        import_plugins({"plugins": plugins})
