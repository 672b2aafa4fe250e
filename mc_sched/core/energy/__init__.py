"""Joules of the edge device: the declared model, the radio's power, the ledger."""
