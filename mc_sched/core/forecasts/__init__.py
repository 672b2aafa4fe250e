"""The edge's forecasts of both sites: predictors combined into times, and into policies' views."""
