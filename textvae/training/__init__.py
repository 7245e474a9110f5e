"""How parameters change, and how a run is kept."""
