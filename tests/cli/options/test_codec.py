"""`--codec-*` of `mc-sched train`."""

from mc_models.training.codec import CodecConfig

from mc_sched.cli.options.codec import OPTIONS


def test_the_help_names_the_defaults_of_the_codec():
    config = CodecConfig()
    assert {name: default for name, default, *_ in OPTIONS} == {
        name: getattr(config, name) for name in ("stage", "channels", "side", "noise")
    }
