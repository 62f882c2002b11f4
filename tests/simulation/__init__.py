"""Supervisors under a virtual clock: real decisions, processes and a network that are made up, the real scripts."""
