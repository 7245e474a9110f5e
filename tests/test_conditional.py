"""Conditional models: p(x, z|c) and q(z|x, c), from the networks to sentences made by label."""

import itertools
import math
from typing import Any

import pytest
import torch

from tests.generation.small import WORDS
from tests.tiny import tiny_batch, tiny_config
from textvae.api import TextVAE
from textvae.data.batching import Batch
from textvae.data.specials import SPECIAL_WORDS
from textvae.data.tokenization import Tokenizer
from textvae.errors import ConfigError, DataError
from textvae.evaluation.evaluator import evaluate
from textvae.model import SentenceVAE, build_model
from textvae.objectives.objective import Objective, build_objective

NAMES = ["bad", "fair", "good"]
TOKENIZER = Tokenizer.from_vocabulary([*SPECIAL_WORDS, *WORDS])
SENTENCES = ["the cat sees a bird", "a dog", "old dog finds today"]
DECODERS = [
    {"name": "lstm"},
    {"name": "convolutional", "dilations": [1]},
    {"name": "window"},
    {"name": "shortcut"},
    {"name": "gated_shortcut_states"},
]
WITHOUT_Z = {"encoder": {"name": "none"}, "latent": {"name": "none"}, "prior": {"name": "standard_normal"}}


def conditional(condition: dict[str, int] | None = None, **sections: dict[str, Any]) -> SentenceVAE:
    torch.manual_seed(0)
    initialisation = {"name": "uniform", "bound": 0.7, "embedding": 1.0}
    prior = {"name": "conditional"}
    read = {"encoder": 2, "decoder": 2} if condition is None else condition
    parts = {"prior": prior, "initialisation": initialisation, **sections}
    return build_model(tiny_config(condition=read, **parts), TOKENIZER.size, 3, labels=len(NAMES)).double()


def labelled(*labels: int) -> Batch:
    return tiny_batch((4,) * len(labels))._replace(labels=torch.tensor(labels))


def vae(**sections: dict[str, Any]) -> TextVAE:
    return TextVAE(conditional(**sections).eval(), TOKENIZER, {}, NAMES)


@pytest.mark.parametrize(
    ("condition", "sections", "given"),
    [
        ({"encoder": 2, "decoder": 2}, {}, "its label"),
        ({"encoder": 2, "decoder": 0}, {}, "its label"),  # by the prior
        ({"encoder": 0, "decoder": 2}, {"prior": {"name": "standard_normal"}}, "its label"),
        ({"encoder": 2, "decoder": 0}, {"prior": {"name": "standard_normal"}}, ""),
        ({"encoder": 2, "decoder": 2}, {"decoder": {"name": "shortcut"}}, "its words and its label"),
    ],
)
def test_a_model_says_whether_its_likelihoods_are_given_the_label(
    condition: dict[str, int], sections: dict[str, Any], given: str
) -> None:
    found = evaluate(conditional(condition, **sections), [labelled(0, 1, 2)])
    assert found.get("given", "") == given


def test_likelihoods_of_unlabelled_sentences_are_given_no_label() -> None:
    """The prior is then the mean over all labels, whose bounds are those of p(x)."""
    model = conditional({"encoder": 0, "decoder": 0})
    assert evaluate(model, [labelled(0, 1)])["given"] == "its label"
    unlabelled = evaluate(model, [tiny_batch((4, 3))])
    assert "given" not in unlabelled and "mi_lower_given_label" not in unlabelled


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda spec: spec["name"])
def test_every_kind_of_decoder_reads_the_label(decoder: dict[str, Any]) -> None:
    model = conditional(decoder={"embedding": 5, "hidden": 6, **decoder}).eval()
    z, batch = torch.randn(2, 1, 3, dtype=torch.float64), labelled(1)
    by_label = [model.log_likelihood(batch._replace(labels=torch.tensor([c])), z) for c in range(3)]
    assert all((a != b).all() for a, b in itertools.combinations(by_label, 2))
    with_vector = torch.cat([z, model.condition.decoder.vectors.weight[1].expand(2, 1, -1)], -1)
    hidden = model.decoder.hidden(batch.inputs, with_vector, lambda: model.read(batch))
    words = model.decoder.output(hidden).log_softmax(-1).gather(-1, batch.targets.expand(2, 1, -1)[..., None])
    torch.testing.assert_close(by_label[1], words.sum((2, 3)))


def with_bag_of_words(condition: dict[str, int]) -> tuple[SentenceVAE, Objective]:
    terms = {"terms": {"bag_of_words": {"hidden": 4}}}
    model, config = conditional(condition), tiny_config(condition=condition, **terms)
    objective = build_objective(config, steps_per_epoch=1, vocabulary=TOKENIZER.size, head=model.head)
    return model, objective.double()


def test_a_bag_of_words_is_told_the_label_that_the_decoder_reads() -> None:
    """Of z and the label's own vector, which trains with it; another label is another bag of the same z."""
    model, objective = with_bag_of_words({"encoder": 2, "decoder": 2})
    output = model(labelled(0, 2), samples=3)
    told = torch.cat([output.z, model.condition.decoder.vectors.weight[[0, 2]].expand(3, -1, -1)], -1)
    torch.testing.assert_close(output.told, told)
    term = objective.terms["bag_of_words"]
    others = model.decoder_input(output.z, torch.tensor([1, 1]))
    assert not torch.isclose(term(output), term(output._replace(told=others)))
    term(output).backward()
    assert model.condition.decoder.vectors.weight.grad[[0, 2]].any(-1).all()


def test_a_bag_of_words_that_was_not_told_the_label_does_not_go_on_as_one_that_is() -> None:
    """As runs saved it before the term was told."""
    _, told = with_bag_of_words({"encoder": 2, "decoder": 2})
    _, untold = with_bag_of_words({"encoder": 2, "decoder": 0})
    told.load_state_dict(told.state_dict())
    untold.load_state_dict(untold.state_dict())
    with pytest.raises(
        ValueError, match="the 3 units of z alone, and is now told the 2 of the decoder's label"
    ):
        told.load_state_dict(untold.state_dict())


@pytest.mark.parametrize("condition", [{"encoder": 0, "decoder": 0}, {"encoder": 2, "decoder": 0}])
def test_a_bag_of_words_is_told_z_alone_where_the_decoder_is(condition: dict[str, int]) -> None:
    model, objective = with_bag_of_words(condition)
    output = model(labelled(0, 2), samples=3)
    assert torch.equal(output.told, output.z)
    assert objective.terms["bag_of_words"].predict[0].in_features == model.head.size


@pytest.mark.parametrize("name", ["gated_shortcut", "gated_shortcut_states"])
def test_no_label_opens_the_gate_of_a_shortcut(name: str) -> None:
    model = conditional(decoder={"name": name}).eval()
    z, batch = torch.randn(1, 3, 3, dtype=torch.float64), labelled(0, 1, 2)

    def passed(z: torch.Tensor) -> torch.Tensor:
        told = model.decoder_input(z, batch.labels).flatten(0, 1)
        return model.decoder.knowing(batch.inputs, told, lambda: model.read(batch))[2]

    assert passed(z).all(-1).all() and not passed(0 * z).any()
    torch.testing.assert_close(passed(-z), -passed(z))


@pytest.mark.parametrize("head", ["gaussian", "delta", "von_mises_fisher", "hierarchical"])
def test_every_posterior_reads_the_label(head: str) -> None:
    prior = {"von_mises_fisher": "uniform_sphere", "hierarchical": "hierarchical"}.get(
        head, "standard_normal"
    )
    model = conditional(latent={"name": head, "size": 4}, prior={"name": prior})
    same = tiny_batch((4,))
    means = [model.posterior(same._replace(labels=torch.tensor([c]))).mean for c in range(3)]
    assert not any(torch.allclose(a, b) for a, b in itertools.combinations(means, 2))


def test_every_parameter_gets_a_gradient_and_belongs_to_one_part() -> None:
    model = conditional()
    output = model(labelled(0, 1, 2, 1), samples=2)
    (output.kl.sum() - output.log_px_z.mean()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name
    inference, generative = (
        {id(p) for p in part} for part in (model.inference_parameters(), model.generative_parameters())
    )
    assert not inference & generative
    assert inference | generative == {id(p) for p in model.parameters()}
    assert id(model.condition.encoder.vectors.weight) in inference


@pytest.mark.parametrize(
    ("sections", "count"),
    [
        ({}, 3),
        ({"condition": {"decoder": 2}, "prior": {"name": "standard_normal"}}, 3),
        ({"condition": {}}, 3),
        ({"condition": {}, "prior": {"name": "standard_normal"}}, 0),
    ],
)
def test_it_has_labels_where_any_part_reads_them(sections: dict[str, Any], count: int) -> None:
    space = vae(**sections)
    assert space.model.labels == count and list(space.labels) == NAMES[:count]


def test_a_section_of_conditions_may_be_null() -> None:
    assert build_model(tiny_config(condition=None), 20, 3).condition.labels == 0


def test_labels_must_be_there() -> None:
    with pytest.raises(ConfigError, match="prior 'conditional': the data has no labels"):
        build_model(tiny_config(prior={"name": "conditional"}), 20, 3)
    with pytest.raises(ConfigError, match="decoder is 2, but the data has no labels"):
        build_model(tiny_config(condition={"decoder": 2}), 20, 3)
    with pytest.raises(ConfigError, match="its texts have no label"):
        conditional(prior={"name": "vamp"})
    model = conditional().eval()
    for call in (model.posterior, lambda batch: model.log_likelihood(batch, torch.zeros(1, 1, 3).double())):
        with pytest.raises(DataError, match="reads a label"):
            call(tiny_batch((4,)))


@pytest.mark.parametrize(
    "sections",
    [{"encoder": {"name": "none"}}, {"decoder": {"name": "shortcut_states"}}],
    ids=["no encoder", "an encoder that a shortcut reads"],
)
def test_without_z_no_label_stands_beside_the_encoder(sections: dict[str, Any]) -> None:
    without_z = {"latent": {"name": "none"}, "prior": {"name": "standard_normal"}, **sections}
    says = "latent 'none' and condition.encoder=2 do not go together: .* leave out condition.encoder"
    with pytest.raises(ConfigError, match=says):
        conditional({"encoder": 2}, **without_z)
    assert conditional({"decoder": 2}, **without_z).labels == len(NAMES)


def test_a_label_is_given_by_name_or_by_number() -> None:
    space = vae()
    by_name = space.sample(20, label="fair", seed=1)
    assert by_name == space.sample(20, label=1, seed=1) == space.given("fair").sample(20, seed=1)
    assert by_name != space.sample(20, label="good", seed=1)
    assert space.label is None


def test_the_names_of_labels_come_before_their_numbers() -> None:
    numbers = TextVAE(vae().model, TOKENIZER, {}, ["2", "1", "0"])
    assert [numbers.given(label).label for label in (2, "1", 0)] == [0, 1, 2]


@pytest.mark.parametrize("label", ["worse", 3, -1, True, "1"])
def test_unknown_labels_are_refused(label: str | int) -> None:
    with pytest.raises(ConfigError, match="must be one of bad, fair, good, or a number from 0 to 2"):
        vae().sample(2, label=label)


def test_a_model_without_labels_is_given_none() -> None:
    plain = vae(condition={}, prior={"name": "standard_normal"})
    with pytest.raises(ConfigError, match="this model has no labels"):
        plain.sample(2, label="good")


def test_draws_are_of_the_prior_of_their_label() -> None:
    space = vae()
    means, scales = space.model.prior_module.mean, (0.5 * space.model.prior_module.logvar).exp()
    for label in range(3):
        z = (space.given(label).draw(20_000) - means[label]) / scales[label]
        torch.testing.assert_close(z.mean(0), torch.zeros(3).double(), atol=0.03, rtol=0)
        torch.testing.assert_close(z.std(0), torch.ones(3).double(), atol=0.03, rtol=0)


def test_without_a_label_all_are_equally_likely() -> None:
    """Each label makes the decoder say a word of its own, so that the sentences tell which labels were drawn."""
    space = vae(condition={"decoder": 3}, **WITHOUT_Z)
    model = space.model
    with torch.no_grad():
        model.condition.decoder.vectors.weight.copy_(100 * torch.eye(3))
        model.decoder.embedding.weight.zero_()
        model.decoder.to_state.weight.zero_()
        model.decoder.lstm.weight_hh_l0.zero_()
        model.decoder.lstm.weight_ih_l0.zero_()
        for gate in (0, 2, 3):  # input, cell and output gates: unit i of the state is on where the label is i
            model.decoder.lstm.weight_ih_l0[6 * gate : 6 * gate + 3, 5:] = torch.eye(3) * 2
        model.decoder.output.weight.zero_()
        model.decoder.output.weight[4:7, :3] = 100 * torch.eye(3)
    said = [sentence.split()[0] for sentence in space.sample(3000, {"name": "sample", "max_length": 2})]
    assert [said.count(word) for word in WORDS[:3]] == pytest.approx([1000] * 3, abs=100)
    for label in range(3):
        first = {
            sentence.split()[0]
            for sentence in space.sample(20, {"name": "sample", "max_length": 2}, label=label)
        }
        assert first == {WORDS[label]}


def test_the_first_sentences_are_the_same_for_every_n() -> None:
    space = vae()
    many = space.sample(50, seed=4)
    assert [space.sample(n, seed=4) for n in (1, 7, 16, 33)] == [many[:n] for n in (1, 7, 16, 33)]


def test_log_prob_is_that_given_the_label_or_of_the_mean_over_labels() -> None:
    space = vae(condition={"decoder": 2}, **WITHOUT_Z)
    by_label = torch.stack([space.given(name).log_prob(SENTENCES, samples=1) for name in NAMES])
    torch.testing.assert_close(space.log_prob(SENTENCES, samples=1), by_label.logsumexp(0) - math.log(3))
    assert (by_label.std(0) > 0.01).all()


def test_kl_is_from_the_prior_of_the_label() -> None:
    space = vae().given("good")
    q, prior = space.encode(SENTENCES), space.model.prior_given(torch.full((3,), 2))
    torch.testing.assert_close(space.kl(SENTENCES), torch.distributions.kl_divergence(q, prior))


def test_sentences_are_read_and_written_with_the_label_that_is_given() -> None:
    space = vae()
    for call in (
        lambda s: s.reconstruct(SENTENCES),
        lambda s: s.interpolate(steps=3),
        lambda s: s.encode(["a"]),
    ):
        with pytest.raises(DataError, match="reads a label"):
            call(space)
        call(space.given("bad"))
    assert not torch.equal(space.given(0).encode(SENTENCES).mean, space.given(1).encode(SENTENCES).mean)
