"""Whether a remedy works: what is known of z rises while the likelihood of x does not suffer.

A KL above 0 is no evidence, since noise can pay it. A row works where both bounds on I(x; z) and the active units lie above the
plain VAE's by at least LEAST and its mean IW-NLL is not above the language model's mean by more than the largest minus the
smallest of the language model's seeds.
"""

from textvae.reporting.reproduction.records import Results

RISING = {"mi_lower": "lower MI bound", "mi_upper": "upper MI bound", "active_units": "AU"}
LEAST = 0.01  # nats, or units: what a table prints as the same figure is no rise
BASELINES = {"lm": "baseline: no z", "plain": "baseline: the plain VAE"}


def evidence(results: Results, row: str) -> str:
    """A verdict in words: works, or each part that fails; the baselines' own rows are called that."""
    names = results.table.baselines
    for which, text in BASELINES.items():
        if names.get(which) == row:
            return text
    if not results.of(row):
        return "not run"
    latent = results.spread(row, "total_dimensions")
    if latent is not None and latent.most == 0:
        return "no z"
    if reason := _open(results):
        return f"open: {reason}"
    if told := results.table.chosen([row])[0].told:
        return f"no likelihood of x: NLL given {told}"
    if _below_truth(results, row):
        return "no likelihood of x: NLL below the corpus's own"
    failing = [*_not_rising(results, row), *_worse(results, row)]
    return f"fails: {'; '.join(failing)}" if failing else "works"


def _open(results: Results) -> str:
    """Why nothing can be said of any row yet; empty where it can."""
    names = results.table.baselines
    missing = [names.get(which, which) for which in BASELINES if not results.baseline(which, "nll_iw")]
    if missing:
        return f"{' and '.join(missing)} not run"
    lm = results.baseline("lm", "nll_iw")
    return "one seed of the language model has no spread" if lm and lm.seeds < 2 else ""


def _not_rising(results: Results, row: str) -> list[str]:
    """Each figure whose smallest over the row's seeds is not above the largest over the plain VAE's by LEAST."""
    return [f"{name} does not rise" for metric, name in RISING.items() if not _rises(results, row, metric)]


def _rises(results: Results, row: str, metric: str) -> bool:
    mine, plain = results.spread(row, metric), results.baseline("plain", metric)
    if mine is None or plain is None or mine.missing or plain.missing:
        return False
    return mine.least - plain.most >= LEAST


def _worse(results: Results, row: str) -> list[str]:
    mine, lm = results.spread(row, "nll_iw"), results.baseline("lm", "nll_iw")
    if mine is None or lm is None:
        return ["no IW-NLL"]
    if mine.missing:
        return [f"IW-NLL of {mine.missing} more not finite"]
    loss = mine.mean - lm.mean
    return [f"IW-NLL {loss:.2f} above the LM's, allowed {lm.width:.2f}"] if loss > lm.width else []


def _below_truth(results: Results, row: str) -> bool:
    """No model of p(x) has less than the true mean of -log p(x), beyond what so few sentences leave open."""
    mine, truth = results.spread(row, "nll_iw"), results.truth("true_nll")
    return mine is not None and truth is not None and mine.mean < truth
