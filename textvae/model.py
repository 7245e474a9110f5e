"""The sentence VAE: the only file that sees encoder, head, prior and decoder together."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from textvae.data.batching import Batch
from textvae.errors import ConfigError
from textvae.latents.distributions import lacks
from textvae.latents.divergence import kl_groups
from textvae.latents.heads import Head
from textvae.latents.posteriors import HEADS
from textvae.latents.priors import PRIORS, Prior
from textvae.networks.cross_entropy import CrossEntropy
from textvae.networks.decoder import Decoder
from textvae.networks.decoders import DECODERS
from textvae.networks.encoder import ENCODERS, Encoder
from textvae.networks.initialisation import INITIALISATIONS
from textvae.networks.labels import Condition
from textvae.registry import construct


class Output(NamedTuple):
    """One pass over a batch; `kl` is the true KL in groups, whatever an objective charges for it."""

    posterior: Distribution
    prior: Distribution
    z: Tensor  # (S,B,Z)
    log_px_z: Tensor  # (S,B) nats, summed over a sentence's tokens
    kl: Tensor  # (B,G) nats
    batch: Batch
    told: Tensor  # (S,B,Z+C) what the decoder is given: z, with the label's vector where it reads one


class SentenceVAE(nn.Module):
    """p(x, z) = p(z) prod_t p(w_t | w_<t, z) with q(z|x): encoder, posterior head, prior and decoder.

    Where they read a label c of each sentence, all of it is given c: p(x, z|c) and q(z|x, c).
    """

    def __init__(
        self, encoder: Encoder, head: Head, prior: Prior, decoder: Decoder, condition: Condition
    ) -> None:
        super().__init__()
        self.encoder, self.head, self.prior_module, self.decoder = encoder, head, prior, decoder
        self.condition = condition
        self.cross_entropy = CrossEntropy()

    @property
    def latent_size(self) -> int:
        return self.head.size

    @property
    def labels(self) -> int:
        """How many labels of sentences any part of it tells apart; 0 where none reads them."""
        return max(self.prior_module.labels, self.condition.labels)

    @property
    def given(self) -> str:
        """What of x likelihoods are given past z: "" where they are those of x alone."""
        return self.decoder.given

    @property
    def reads_labels(self) -> bool:
        """Whether likelihoods are given a sentence's label, by the prior or the decoder."""
        return bool(self.prior_module.labels or self.condition.decoder.size)

    def posterior(self, batch: Batch) -> Distribution:
        """q(z|x), batch shape (B,)."""
        return self.head(self.condition.encoder(self.read(batch), batch.labels))

    def read(self, batch: Batch) -> Tensor:
        """The encoder's vector of each sentence, (B, size)."""
        return self.encoder(batch.sentences, batch.lengths + 1)

    def posterior_of_embeddings(self, embedded: Tensor) -> Distribution:
        """q(z|text) of texts given as vectors in the place of embedded words (K,L,E), batch shape (K,)."""
        lengths = torch.full((len(embedded),), embedded.shape[1], device=embedded.device)
        return self.head(self.condition.encoder(self.encoder.read(embedded, lengths), None))

    def prior(self, batch: Batch | None = None) -> Distribution:
        """p(z), or p(z|label) where the prior is conditional and the batch has labels."""
        return self.prior_given(None if batch is None else batch.labels)

    def prior_given(self, labels: Tensor | None) -> Distribution:
        """The same for labels (B,) alone."""
        return self.prior_module(labels, self)

    def decoder_input(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """What the decoder reads in the place of z (..,N,Z), labels (N,): z itself, or [z; the label's vector]."""
        return self.condition.decoder(z, labels)

    def states(self, batch: Batch, z: Tensor) -> Tensor:
        """What the output layer reads before each word, z (S,B,Z) -> (S,B,T,H)."""
        return self.decoder.hidden(
            batch.inputs, self.decoder_input(z, batch.labels), partial(self.read, batch)
        )

    @property
    def output_weight(self) -> Tensor:
        """W (V,H): logits of the next word are W h, h of `states`."""
        return self.decoder.output.weight

    def log_likelihood(self, batch: Batch, z: Tensor) -> Tensor:
        """log p(x|z), z (S,B,Z) -> (S,B), nats a sentence with its end; padding counts nothing."""
        hidden, weight, mask = self.states(batch, z), self.output_weight, batch.mask
        foreseen = -1 / max(1, z.shape[0] * z.shape[1])  # what the mean of -log p(x|z) gives each word
        if bool(mask.all()):  # no padding, so nothing to pick out and put back
            words = self.cross_entropy(hidden.flatten(1, 2), weight, batch.targets.flatten(), foreseen)
            return words.view(hidden.shape[:-1]).sum(-1)
        words = self.cross_entropy(hidden[:, mask], weight, batch.targets[mask], foreseen)
        sentences = torch.zeros(len(z), *mask.shape, dtype=words.dtype, device=words.device)
        return sentences.masked_scatter(mask.expand_as(sentences), words).sum(-1)

    def forward(self, batch: Batch, samples: int = 1) -> Output:
        posterior, prior = self.posterior(batch), self.prior(batch)
        z = posterior.rsample((samples,))
        kl, told = kl_groups(posterior, prior, z), self.decoder_input(z, batch.labels)
        return Output(posterior, prior, z, self.log_likelihood(batch, z), kl, batch, told)

    def gauges(self) -> dict[str, Tensor]:
        """What a log of training should show of the model's parts beside its losses."""
        return self.decoder.gauges() | self.head.gauges()

    def inference_parameters(self) -> Iterator[nn.Parameter]:
        """Those of q(z|x): what aggressive training updates alone."""
        yield from self.encoder.parameters()
        yield from self.condition.encoder.parameters()
        yield from self.head.parameters()

    def generative_parameters(self) -> Iterator[nn.Parameter]:
        """Those of p(x, z)."""
        yield from self.condition.decoder.parameters()
        yield from self.decoder.parameters()
        yield from self.prior_module.parameters()


def build_model(config: Mapping[str, Any], vocabulary: int, unk: int, labels: int = 0) -> SentenceVAE:
    """The model of a config with the sections encoder, latent, prior, decoder, initialisation and, maybe, condition.

    `labels` is how many labels the sentences have, 0 where they have none.
    Raises ConfigError for an unknown name or setting, a value out of range, or parts that do not go
    together.
    """
    sections = ("encoder", "latent", "prior", "decoder", "initialisation")
    missing = [name for name in sections if name not in config]
    if missing:
        raise ConfigError(f"the config has no section {missing[0]!r}; a model needs {', '.join(sections)}")
    encoder = construct(ENCODERS, config["encoder"], "encoder", vocabulary=vocabulary)
    condition = construct(
        {"condition": Condition},
        {"name": "condition", **(config.get("condition") or {})},
        "condition",
        labels=labels,
    )
    head = construct(HEADS, config["latent"], "latent", inputs=encoder.size + condition.encoder.size)
    prior = construct(
        PRIORS,
        config["prior"],
        "prior",
        size=head.size,
        embedding=encoder.embedding_size,
        known_labels=labels,
        posterior_reads_labels=condition.encoder.size > 0,
    )
    if (reason := prior.objection(head)) is not None:
        names = f"latent {config['latent']['name']!r} and prior {config['prior']['name']!r}"
        raise ConfigError(f"{names} do not go together: {reason}")
    decoder = construct(
        DECODERS,
        config["decoder"],
        "decoder",
        vocabulary=vocabulary,
        latent=head.size + condition.decoder.size,
        label_size=condition.decoder.size,
        unk=unk,
        encoder_size=encoder.size,
    )
    _check_reading(config, head, encoder, condition, decoder)
    _check_posteriors(config, head, encoder.size + condition.encoder.size)
    _check_output(config, decoder)
    model = SentenceVAE(encoder, head, prior, decoder, condition)
    construct(INITIALISATIONS, config["initialisation"], "initialisation")(model)
    return model


def _check_posteriors(config: Mapping[str, Any], head: Head, inputs: int) -> None:
    """ConfigError for posteriors that would fail after an epoch, such as those of a family of the user's own."""
    name, mode = config["latent"]["name"], head.training
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        q = head.eval()(torch.randn(2, inputs))
    head.train(mode)
    if (lacking := lacks(q)) is not None:
        raise ConfigError(f"latent {name!r}: its posterior {type(q).__name__} has {lacking}")
    shapes = tuple(q.batch_shape), tuple(q.event_shape)
    if shapes != ((2,), (head.size,)):
        raise ConfigError(
            f"latent {name!r}: the posteriors of two sentences have batch shape {shapes[0]} and event shape {shapes[1]}, "
            f"must have (2,) and ({head.size},)"
        )


def _check_output(config: Mapping[str, Any], decoder: Decoder) -> None:
    """ConfigError for an output layer that the likelihood, which takes its weight alone, would not be of."""
    if type(decoder.output) is not nn.Linear or decoder.output.bias is not None:
        raise ConfigError(
            f"decoder {config['decoder']['name']!r}: its output is {decoder.output}, must be a Linear without bias"
        )


def _check_reading(
    config: Mapping[str, Any], head: Head, encoder: Encoder, condition: Condition, decoder: Decoder
) -> None:
    """ConfigError where z has nothing to read, or encoder or label vectors of a model without z nothing that reads them."""
    latent = f"latent {config['latent']['name']!r}"
    if head.size:
        if encoder.size + condition.encoder.size == 0:
            raise ConfigError(
                f"{latent} and encoder {config['encoder']['name']!r} do not go together: q(z|x) would know nothing of x; "
                "add latent=none for a language model"
            )
        return
    if encoder.size and not decoder.reads_encoder:
        raise ConfigError(
            f"{latent} and encoder {config['encoder']['name']!r} do not go together: "
            "without z nothing reads the encoder; add encoder=none"
        )
    if condition.encoder.size:
        raise ConfigError(
            f"{latent} and condition.encoder={condition.encoder.size} do not go together: "
            "without z nothing reads the label beside the encoder; leave out condition.encoder"
        )
