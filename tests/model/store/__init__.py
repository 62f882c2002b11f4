"""The store once more, in plain Python: what every script must do and answer."""
