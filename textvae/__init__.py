"""textvae: variational autoencoders for sentences; posterior collapse shown, measured and cured.

Shapes, the same letters everywhere: `B` sentences of a batch, `T` target tokens with end-of-sentence, `S` posterior
samples (always the first dimension), `Z` latent size, `G` groups of the KL (Z where q and p factorise, else 1), `E`
embedding, `H` hidden, `V` vocabulary, `N` sentences of a split. Nats, summed over a sentence's tokens, unless a name
ends in `_per_token`, `_ppl` or `_bits`.

    vae = textvae.load("runs/ptb/free_bits/...")
    q = vae.encode(["a sentence", "another"])
    vae.interpolate("a sentence", "another", steps=7)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from textvae.api import TextVAE, load

__all__ = ["TextVAE", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Imports torch only when something is asked for, so that the command line answers at once."""
    if name == "__version__":
        return _version()
    if name in __all__:
        from textvae import api

        return getattr(api, name)
    raise AttributeError(f"module 'textvae' has no attribute {name!r}")


def _version() -> str:
    """As installed; a checkout that is not installed has none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("textvae")
    except PackageNotFoundError:
        return "unknown"
