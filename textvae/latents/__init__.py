"""Distributions over z: posterior heads, priors and the divergence between them."""
