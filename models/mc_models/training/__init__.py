"""Training of networks, exits and codecs, up to a finished bundle.

`pipeline` is `mc-sched train` without the command line: by a `recipe` it runs the training `loop`
(`schedule`, `augment`, `losses`, `devices`) for both networks, then `assemble` calibrates them,
measures the tables and writes the bundle. `add_codec` trains a features `codec`, which starts from
`pca` and is trained by `fit`, like the attackers of `evaluation`. `shipped` holds the recipes of
the shipped bundles, `remake` runs them, `estimate` predicts how long they take. `narrow` makes
untrained bundles for tests and benchmarks.
"""
