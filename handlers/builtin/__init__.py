"""Handlers that every supervisor has."""
