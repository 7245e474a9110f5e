"""Tables of docs/ that one command rebuilds: their rows, the records of runs, the evidence, the page."""
