"""The networks of the bundles, each as a flat sequence of named modules."""
