"""Forecasts of times: local inferences, encoding, transfers, the cloud's stages."""
