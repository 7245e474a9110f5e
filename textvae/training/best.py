"""The weights of the best epoch so far."""

from textvae.model import SentenceVAE
from textvae.objectives.objective import Objective
from textvae.training.checkpoint import RunFolder, load_weights, save_weights
from textvae.training.files import read_tensors, write_tensors


class Best:
    """Keeps a model's in the run's folder, and beside them those of the objective's terms that have any of their own."""

    def __init__(self, model: SentenceVAE, objective: Objective, folder: RunFolder) -> None:
        self.model, self.objective, self.folder = model, objective, folder

    def keep(self) -> None:
        save_weights(self.model, self.folder.best)
        terms = {name: parameter.detach() for name, parameter in self.objective.named_parameters()}
        if terms:
            write_tensors(self.folder.best_terms, terms, {})

    def restore(self) -> None:
        """Puts them back; what controllers have seen stays. CheckpointError where a file is damaged."""
        load_weights(self.model, self.folder.best)
        if self.folder.best_terms.is_file():
            terms, _ = read_tensors(self.folder.best_terms)
            self.objective.load_state_dict(terms, strict=False)
