"""The kinds of decoder by name."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, TypeVar

from textvae.networks.decoder import Decoder, LSTMDecoder, LSTMSettings, Settings
from textvae.networks.limited import (
    ConvolutionalDecoder,
    ConvolutionalSettings,
    WindowDecoder,
    WindowSettings,
)
from textvae.networks.shortcut import (
    GatedShortcutDecoder,
    GatedStatesShortcutDecoder,
    ShortcutDecoder,
    ShortcutSettings,
    StatesSettings,
    StatesShortcutDecoder,
)

S = TypeVar("S", bound=Settings)


def kind(decoder: Callable[[S], Decoder], settings: type[S]) -> Callable[..., Decoder]:
    """The decoder as a function of its settings one by one, whose signature is theirs: what `construct` reads."""

    def make(*values: Any, **named: Any) -> Decoder:
        return decoder(settings(*values, **named))

    return update_wrapper(make, settings, updated=())


DECODERS: dict[str, Callable[..., Decoder]] = {
    "lstm": kind(LSTMDecoder, LSTMSettings),
    "shortcut": kind(ShortcutDecoder, ShortcutSettings),
    "gated_shortcut": kind(GatedShortcutDecoder, ShortcutSettings),
    "shortcut_states": kind(StatesShortcutDecoder, StatesSettings),
    "gated_shortcut_states": kind(GatedStatesShortcutDecoder, StatesSettings),
    "convolutional": kind(ConvolutionalDecoder, ConvolutionalSettings),
    "window": kind(WindowDecoder, WindowSettings),
}
