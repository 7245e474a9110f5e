"""Where the configuration files lie."""

from pathlib import Path

from textvae.errors import ConfigError

PACKAGE = Path(__file__).resolve().parents[1]


def config_directory(package: Path = PACKAGE) -> Path:
    """The folder of configs for the package at `package`: its own `conf`, else the `conf` beside it.

    A wheel carries the files inside the package; a checkout (and so an editable install) has them beside it.
    Raises ConfigError where neither holds a train.yaml.
    """
    inside, beside = package / "conf", package.parent / "conf"
    for folder in (inside, beside):
        if (folder / "train.yaml").is_file():
            return folder
    raise ConfigError(
        f"no train.yaml in {inside} or {beside}: reinstall textvae, or restore conf/ in the checkout"
    )
