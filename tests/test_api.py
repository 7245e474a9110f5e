"""The public object: likelihoods of sentences, and a run's folder read back."""

import math
from pathlib import Path

import pytest
import torch
from torch.distributions import Independent, Normal

import textvae
from tests.generation.small import WORDS, random_model
from textvae.api import TextVAE
from textvae.data.batching import collate
from textvae.data.specials import SPECIAL_WORDS
from textvae.data.tokenization import Tokenizer
from textvae.errors import CheckpointError, ConfigError, DataError
from textvae.model import build_model
from textvae.training.checkpoint import RunFolder, save_weights

TOKENIZER = Tokenizer.from_vocabulary([*SPECIAL_WORDS, *WORDS])
SENTENCES = ["the cat sees a bird", "a", "the old dog likes the small red bird today", "a dog"]


def _vae(**settings: int) -> TextVAE:
    return TextVAE(random_model(**settings), TOKENIZER, {})


def test_log_prob_of_a_model_without_z_is_exact() -> None:
    vae = _vae(latent=0)
    log_p = vae.log_prob(SENTENCES, samples=3)
    for sentence, found in zip(SENTENCES, log_p, strict=True):
        batch = collate(TOKENIZER.encode([sentence]))
        with torch.no_grad():
            exact = vae.model.log_likelihood(batch, torch.zeros(1, 1, 0, dtype=torch.float64))[0, 0]
        torch.testing.assert_close(found, exact)


def test_log_prob_agrees_with_the_mean_over_the_prior() -> None:
    """E_p(z) p(x|z) is p(x) too; both estimates have some error at these sizes."""
    vae, samples = _vae(latent=2), 5000
    batch = collate(TOKENIZER.encode(SENTENCES))
    z = torch.randn(samples, 4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = vae.model.log_likelihood(batch, z).logsumexp(0) - math.log(samples)
    torch.testing.assert_close(vae.log_prob(SENTENCES, samples=2000), plain, atol=0.2, rtol=0)


def test_log_prob_is_the_same_again_and_knows_its_limits() -> None:
    vae = _vae()
    torch.testing.assert_close(vae.log_prob(SENTENCES, 10, seed=1), vae.log_prob(SENTENCES, 10, seed=1))
    with pytest.raises(ValueError, match="samples is 0"):
        vae.log_prob(SENTENCES, samples=0)
    with pytest.raises(DataError, match="sentence 1"):
        vae.log_prob(["zebra"])


def test_log_prob_is_refused_where_the_decoder_is_given_the_words() -> None:
    vae = _vae()
    vae.model.decoder.given = "its words"
    with pytest.raises(ConfigError, match="given its words past z"):
        vae.log_prob(SENTENCES)


def test_kl_is_that_of_the_posterior_from_the_prior() -> None:
    vae = _vae()
    q = vae.encode(SENTENCES)
    prior = Independent(Normal(torch.zeros(4).double(), torch.ones(4).double()), 1)
    torch.testing.assert_close(vae.kl(SENTENCES), torch.distributions.kl_divergence(q, prior))
    assert vae.kl(SENTENCES).shape == (4,)


def test_a_run_folder_says_the_same_after_loading(tmp_path: Path) -> None:
    config = {
        "encoder": {"name": "lstm", "embedding": 5, "hidden": 6},
        "latent": {"name": "gaussian", "size": 3},
        "prior": {"name": "standard_normal"},
        "decoder": {"name": "lstm", "embedding": 5, "hidden": 6},
        "initialisation": {"name": "uniform", "bound": 1.0, "embedding": 1.0},
    }
    model, folder = build_model(config, TOKENIZER.size, TOKENIZER.unk), RunFolder(tmp_path / "run")
    folder.create(config, TOKENIZER)
    save_weights(model, folder.final)
    before, after = TextVAE(model, TOKENIZER, config), textvae.load(tmp_path / "run")
    assert after.config == config
    assert after.sample(20, seed=2) == before.sample(20, seed=2)
    assert torch.equal(after.encode(SENTENCES).mean, before.encode(SENTENCES).mean)
    with pytest.raises(CheckpointError, match="is no folder"):
        textvae.load(tmp_path / "elsewhere")
