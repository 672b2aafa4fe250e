"""Neural networks: definition, training, bundles on disk, inference, evaluation.

The packages in the order of their dependence: data, networks, bundle, codec, inference, training,
evaluation. `bundles` holds the shipped ones.
"""
