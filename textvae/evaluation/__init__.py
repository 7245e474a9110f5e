"""Every measurement, from the three methods of the model alone."""
