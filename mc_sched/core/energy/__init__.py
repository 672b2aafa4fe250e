"""Energy of the edge device: the declared model, the radio, the ledger of measured energy."""
