"""Forecasts: the mobile time predictor, the link estimator, the cloud's stage times."""
