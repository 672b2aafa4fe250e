"""Observability: event log, log store, explanations, reports, metrics and the HTTP port."""
