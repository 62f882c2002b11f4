"""The protocol as a state machine, every state of which is visited: what docs/protocol.md promises holds in each."""
