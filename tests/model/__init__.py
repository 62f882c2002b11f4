"""Two models: of the store, with which every script is compared; of the protocol, of which every state is visited."""
