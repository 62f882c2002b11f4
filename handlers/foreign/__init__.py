"""Handlers in any language: programs and HTTP services, declared in a TOML file."""
