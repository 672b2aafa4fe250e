"""Network architectures, one per file, and the insertion of exits into them.

`caffenet` and `nin` are local nets (`local`); `googlenet`, `resnet` and torchvision's classifiers
are cloud nets, as chains of modules (`chains`) that `branches` cuts into stages with a head from
`heads` each. `sets` names the combinations, `net_spec` is the stored form of one, `backbone` loads
ImageNet weights, `fold` merges norms into weights, and `ops` counts operations.
"""
