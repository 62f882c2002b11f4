"""Measurements, one command each; figures are of the run at hand and of the machine it ran on."""
