"""The configs are found from a checkout and from an installed wheel, and the wheel carries them."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from textvae.cli.locations import config_directory
from textvae.errors import ConfigError


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_a_checkout_has_the_configs_beside_the_package(tmp_path: Path) -> None:
    beside = _touch(tmp_path / "conf" / "train.yaml").parent
    assert config_directory(tmp_path / "textvae") == beside


def test_an_installed_package_has_its_own(tmp_path: Path) -> None:
    _touch(tmp_path / "conf" / "train.yaml")  # some other package's folder in site-packages
    inside = _touch(tmp_path / "textvae" / "conf" / "train.yaml").parent
    assert config_directory(tmp_path / "textvae") == inside


def test_a_folder_of_that_name_without_train_yaml_does_not_count(tmp_path: Path) -> None:
    _touch(tmp_path / "conf" / "other.yaml")
    with pytest.raises(ConfigError, match=r"no train\.yaml in .*textvae.conf or .*conf: reinstall"):
        config_directory(tmp_path / "textvae")


def test_this_checkout() -> None:
    assert config_directory() == ROOT / "conf"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run([*build, "--wheel-dir", folder, ROOT], check=True, stdin=subprocess.DEVNULL)
    (built,) = folder.glob("textvae-*.whl")
    return built


def test_the_wheel_carries_every_config_and_module_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    configs = {path.relative_to(ROOT).as_posix() for path in (ROOT / "conf").rglob("*.yaml")}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "textvae").rglob("*.py")}
    assert "conf/train.yaml" in configs
    assert {name for name in names if name.endswith((".yaml", ".py"))} == {
        f"textvae/{c}" for c in configs
    } | modules
    assert all(name.startswith("textvae/") for name in names)


def test_the_unpacked_wheel_finds_its_configs_from_any_directory(wheel: Path, tmp_path: Path) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    zipfile.ZipFile(wheel).extractall(site)
    elsewhere.mkdir()
    program = "from textvae.cli.locations import config_directory as c; print(c())"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r}); {program}"]
    found = subprocess.run(command, cwd=elsewhere, check=True, capture_output=True, text=True).stdout.strip()
    assert Path(found) == (site / "textvae" / "conf").resolve()
