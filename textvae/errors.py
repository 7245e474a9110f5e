"""Errors that a user can mend: each message is one line that says what, where and what to do."""


class TextVAEError(Exception):
    """Base of every error that the command line shows as one line, ending with the exit status `status`."""

    status = 1


class ConfigError(TextVAEError):
    """A configuration value that is unknown, missing or out of range."""


class UnknownSetting(ConfigError):
    """Settings that the choice made in their section does not have; `keys` names them all, as `section.setting`."""

    def __init__(self, message: str, keys: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.keys = keys


class DataError(TextVAEError):
    """Text that cannot be had, read or used."""


class CheckpointError(TextVAEError):
    """A run folder that is missing, incomplete or does not fit the program."""


class TrainingError(TextVAEError):
    """A training run that cannot go on, such as one whose loss is no longer finite."""


class Interrupted(TrainingError):
    """Training was asked to stop and has saved its state."""

    status = 130
