"""``backbone_at`` reads and replaces the backbone at its paths, and nothing else."""

import chex
import jax.numpy as jnp

from ssl_jax.methods.common.backbone import backbone_at

OLD, NEW = jnp.zeros(2), jnp.ones(2)


def test_only_the_backbone_and_its_copies_are_replaced():
    params = {"encoder": {"backbone": {"w": OLD}, "projector": OLD}, "predictor": OLD}
    extra = {
        "encoder": {"backbone": {"mean": OLD}},
        "teacher": {
            "params": {"backbone": {"w": OLD}, "projector": OLD},
            "stats": {"backbone": {"mean": OLD}},
        },
    }
    backbone, with_backbone = backbone_at(
        "params/encoder/backbone",
        "extra/encoder/backbone",
        copies=[("extra/teacher/params/backbone", "extra/teacher/stats/backbone")],
    )
    chex.assert_trees_all_equal(backbone(params, extra), ({"w": OLD}, {"mean": OLD}))
    new_params, new_extra = with_backbone(params, extra, ({"w": NEW}, {"mean": NEW}))
    assert new_params["encoder"]["backbone"]["w"] is not NEW
    expected = {"encoder": {"backbone": {"w": NEW}, "projector": OLD}, "predictor": OLD}
    chex.assert_trees_all_equal(new_params, expected)
    chex.assert_trees_all_equal(new_extra["teacher"]["params"]["backbone"], {"w": NEW})
    chex.assert_trees_all_equal(new_extra["teacher"]["params"]["projector"], OLD)
    for stats in (new_extra["encoder"], new_extra["teacher"]["stats"]):
        chex.assert_trees_all_equal(stats, {"backbone": {"mean": NEW}})
    chex.assert_trees_all_equal(params["encoder"]["backbone"], {"w": OLD})


def test_backbone_without_batch_norm_has_empty_stats():
    backbone, with_backbone = backbone_at("params/encoder", "extra/encoder")
    params = {"encoder": {"w": OLD}, "decoder": OLD}
    assert backbone(params, {})[1] == {}
    new_params, extra = with_backbone(params, {}, ({"w": NEW}, {}))
    chex.assert_trees_all_equal(new_params, {"encoder": {"w": NEW}, "decoder": OLD})
    assert extra == {}


def test_the_whole_network_can_be_the_backbone():
    backbone, with_backbone = backbone_at("params", "extra")
    assert backbone({"w": OLD}, {})[0]["w"] is OLD
    params, extra = with_backbone({"w": OLD}, {}, ({"w": NEW}, {}))
    chex.assert_trees_all_equal(params, {"w": NEW})
    assert extra == {}
