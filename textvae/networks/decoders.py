"""The kinds of decoder by name."""

from textvae.networks.decoder import Decoder, LSTMDecoder
from textvae.networks.limited import ConvolutionalDecoder, WindowDecoder
from textvae.networks.shortcut import GatedShortcutDecoder, ShortcutDecoder

DECODERS: dict[str, type[Decoder]] = {
    "lstm": LSTMDecoder,
    "shortcut": ShortcutDecoder,
    "gated_shortcut": GatedShortcutDecoder,
    "convolutional": ConvolutionalDecoder,
    "window": WindowDecoder,
}
