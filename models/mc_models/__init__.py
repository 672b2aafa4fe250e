"""Networks, branch insertion, training, profiling and the shipped bundles."""
