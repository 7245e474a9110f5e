"""Weights that a new model takes from an earlier one, by its parts."""

import pytest
import torch

from tests.test_conditional import NAMES, TOKENIZER, conditional
from textvae.errors import ConfigError
from textvae.generation.sentences import SentenceSpace
from textvae.model import SentenceVAE
from textvae.training.inheritance import InitFrom, Source


def taken(model: SentenceVAE, source: SentenceVAE, *modules: str) -> set[str]:
    """The names of the weights of `model` that are those of `source` once it has taken these modules from there."""
    vae = SentenceSpace(model, TOKENIZER, NAMES)
    InitFrom(modules=list(modules)).take(vae, Source("RUN", source.state_dict(), TOKENIZER, NAMES))
    there = source.state_dict()
    return {name for name, weight in model.state_dict().items() if torch.equal(weight, there[name])}


def other() -> SentenceVAE:
    model = conditional()
    for parameter in model.parameters():
        parameter.data.add_(1)
    return model


def named(model: SentenceVAE, *prefixes: str) -> set[str]:
    return {name for name in model.state_dict() if name.startswith(prefixes)}


def test_a_head_brings_the_vectors_of_labels_that_it_reads():
    model = conditional()
    assert named(model, "condition.encoder.")
    assert taken(model, other(), "encoder", "head") == named(model, "encoder.", "head.", "condition.encoder.")


@pytest.mark.parametrize("modules", [["decoder"], ["condition"], ["encoder", "head", "condition", "decoder"]])
def test_other_parts_come_alone(modules: list[str]):
    model = conditional()
    assert taken(model, other(), *modules) == named(model, *(f"{module}." for module in modules))


def test_a_head_that_reads_no_labels_brings_nothing_else():
    model, source = (conditional({"encoder": 0, "decoder": 2}) for _ in range(2))
    for parameter in source.parameters():
        parameter.data.add_(1)
    assert taken(model, source, "head") == named(model, "head.")


def test_an_unknown_part_is_named_beside_the_known_ones():
    with pytest.raises(ConfigError, match="names 'latent'; a model has: encoder, head"):
        taken(conditional(), other(), "latent")


def test_a_part_that_does_not_fit_changes_nothing():
    model, source = conditional(), other()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    wider = {**source.state_dict(), "head.linear.weight": torch.zeros(9, 9)}
    vae = SentenceSpace(model, TOKENIZER, NAMES)
    with pytest.raises(ConfigError, match=r"head.linear.weight is \(9, 9\)"):
        InitFrom(modules=["encoder", "head"]).take(vae, Source("RUN", wider, TOKENIZER, NAMES))
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("modules", [["condition"], ["encoder", "head"]])
def test_labels_of_other_names_are_not_taken_by_their_numbers(modules: list[str]):
    vae, source = SentenceSpace(conditional(), TOKENIZER, NAMES), other().state_dict()
    others = [f"no {name}" for name in NAMES]
    with pytest.raises(ConfigError, match=f"has the labels {others[0]}, .*this run has {NAMES[0]}"):
        InitFrom(modules=modules).take(vae, Source("RUN", source, TOKENIZER, others))
    InitFrom(modules=["decoder"]).take(vae, Source("RUN", source, TOKENIZER, others))
