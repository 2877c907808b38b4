"""PaDiM: a Gaussian at each position."""
