"""Models that stay loaded: however a call is written."""

from itportrait.bundle.warm import warm_bundle


def test_equal_calls_have_one_bundle():
    bundle = warm_bundle("mini", "cpu")
    assert warm_bundle("mini", "cpu", "fp32") is bundle
    assert warm_bundle("mini", device="cpu", precision="fp32") is bundle
    assert warm_bundle("mini", "cpu", "fast") is not bundle
