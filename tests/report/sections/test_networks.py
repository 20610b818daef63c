"""What the page shows of the network: filters, attention and colors of patches."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax import methods
from ssl_jax.evaluation.features import Extracted
from ssl_jax.evaluation.findings import Findings
from ssl_jax.methods.base import Method, no_update
from ssl_jax.nn import backbones
from ssl_jax.nn.backbones.dcgan import DCGANEncoder
from ssl_jax.nn.backbones.mlp import MLP
from ssl_jax.nn.backbones.vit import ViT
from ssl_jax.report.page import render
from ssl_jax.report.run_page import make_page
from ssl_jax.report.sections import Subject
from ssl_jax.report.sections.kinds import Pictures, Tiles
from ssl_jax.report.sections.networks import (
    filter_pictures,
    filters,
    overlaid,
    patches,
    principal_colors,
)
from tests import fake_runs, tiny
from tests.references import vit as reference

RNG = np.random.default_rng(0)


def subject_of(network, *, channels=1):
    """Returns a run whose networks are small, with noise in all parameters."""
    data = tiny.data(channels=channels)
    base = tiny.config(name="rotation")
    base.network.update({"name": network, "pool": "grid", "patch_size": 2})
    config = tiny.resolved(base, data)
    method = methods.make(config)
    state = fake_runs.initial_state(method, config, data)
    params = jax.tree.map(
        lambda x: np.asarray(x + RNG.normal(0, 0.2, x.shape), np.float32), state.params
    )
    train, test = (
        Extracted(RNG.normal(size=(len(s), 6)).astype(np.float32), s.labels)
        for s in (data.train, data.test)
    )
    findings = Findings({"rankme": 3.0, "features": 6}, train, test, test.y, data.train)
    key, placement = jax.random.key(0), tiny.placement(8)
    return Subject(method, params, state.extra, data, config, findings, key, placement)


@pytest.fixture(scope="module", autouse=True)
def small():
    with pytest.MonkeyPatch.context() as patch:
        tiny.small_networks(patch)
        patch.setitem(backbones.VITS, "vit_nano", partial(ViT, width=12, depth=2, heads=3))
        yield


@pytest.fixture(scope="module")
def of_vit():
    return subject_of("vit_nano")


@pytest.fixture(scope="module")
def of_resnet():
    return subject_of("resnet_small")


def test_filters_are_the_kernels_of_the_first_convolution(of_resnet):
    (found,) = filters(of_resnet)
    kernel = np.asarray(of_resnet.params["backbone"]["conv"]["kernel"])
    assert kernel.shape == (4, 4, 1, 4)
    assert found.pictures.shape == (4, 4, 4, 1)
    assert found.caption.startswith("The 4 kernels of the first convolution, 4 x 4 pixels")
    for picture, filter_ in zip(found.pictures, np.moveaxis(kernel, -1, 0), strict=True):
        expected = (filter_ - filter_.min()) / (filter_.max() - filter_.min())
        np.testing.assert_allclose(picture, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_filters_are_gray_or_rgb_and_the_first_64(channels, monkeypatch):
    one_layer = partial(DCGANEncoder, widths=(70,))
    monkeypatch.setitem(backbones.CONVNETS, "context_encoder", one_layer)
    (found,) = filters(subject_of("context_encoder", channels=channels))
    assert found.pictures.shape == (64, 4, 4, channels)
    assert found.caption.startswith("64 of the 70 kernels")


@pytest.mark.parametrize("channels", [1, 3])
def test_the_filters_of_an_mlp_are_the_weights_of_its_units_on_the_image(channels, monkeypatch):
    monkeypatch.setitem(backbones.MLPS, "mlp", lambda widths, **k: MLP(widths=(7, 5), **k))
    subject = subject_of("mlp", channels=channels)
    (found,) = filters(subject)
    kernel = np.asarray(subject.params["backbone"]["layers"]["0"]["kernel"])
    assert found.pictures.shape == (7, tiny.SIDE, tiny.SIDE, channels)
    assert found.caption.startswith("The 7 units of the first layer, each of which sees all 8 x 8")
    image = RNG.uniform(size=(tiny.SIDE, tiny.SIDE, channels))
    for unit, picture in enumerate(found.pictures):
        weights = kernel[:, unit]
        low, span = weights.min(), np.ptp(weights)
        seen = (image * (picture * span + low)).sum()
        np.testing.assert_allclose(seen, image.ravel() @ weights, rtol=1e-4, atol=1e-4)


def test_each_filter_has_its_own_range_and_a_constant_one_is_gray():
    kernel = RNG.normal(size=(3, 3, 3, 5)) * np.array([1, 100, 1e-6, 1, 0]) + np.arange(5)
    pictures = filter_pictures(kernel)
    assert pictures.shape == (5, 3, 3, 3)
    for picture in pictures[:4]:
        assert (picture.min(), picture.max()) == (0, 1)
    assert (pictures[4] == 0.5).all()


def test_patches_show_a_row_for_the_image_for_the_features_and_for_each_head(of_vit):
    (found,) = patches(of_vit)
    names = ["the image", "features of the patches", "head 1", "head 2", "head 3"]
    assert [name for name, _ in found.rows] == names
    (_, images), (_, colors), *heads = found.rows
    assert images.shape == (6, tiny.SIDE, tiny.SIDE, 1)
    assert colors.shape == (6, 4, 4, 3)
    assert {x.shape for _, x in heads} == {(6, tiny.SIDE, tiny.SIDE, 3)}
    assert "pooled from the patches (network.pool is grid)" in found.caption
    params = of_vit.params["backbone"]
    mean, std = of_vit.config.data.mean, of_vit.config.data.std
    rows = np.linspace(0, 23, 6).astype(int)
    x = (of_vit.data.test.take(rows)["image"] / 255 - mean) / std
    before_last, _, encoding = reference.vit(params, x, patch=2, heads=3)
    np.testing.assert_allclose(
        colors.reshape(6, 16, 3), principal_colors(encoding[:, 1:]), atol=1e-3
    )
    block = params["blocks"]["1"]
    for i, tokens in enumerate(before_last):
        qkv = reference.linear(block["qkv"], reference.layer_norm(block["norm1"], tokens))
        for head, (_, pictures) in enumerate(heads):
            query, key = (qkv[:, k + 4 * head :][:, :4] for k in (0, 12))
            weights = reference.softmax(query[0] @ key.T / 2)
            np.testing.assert_allclose(weights.sum(), 1, rtol=1e-6)
            map_ = weights[None, 1:].reshape(1, 4, 4)
            expected = overlaid(images[i : i + 1], map_)[0]
            np.testing.assert_allclose(pictures[i], expected, atol=1e-3)


def test_the_caption_does_not_doubt_a_class_token_that_is_pooled(of_vit):
    config = of_vit.config.copy_and_resolve_references()
    config.network.pool = "cls"
    (found,) = patches(of_vit._replace(config=config))
    assert "may say little" not in found.caption


def test_many_heads_are_shown_for_fewer_images(of_vit, monkeypatch):
    monkeypatch.setitem(backbones.VITS, "vit_nano", partial(ViT, width=12, depth=2, heads=12))
    (found,) = patches(of_vit)
    assert {len(pictures) for _, pictures in found.rows} == {48 // 12}
    assert len(found.rows) == 2 + 12


def test_colors_are_the_same_again_and_for_rotated_and_moved_features():
    features = RNG.normal(size=(2, 9, 5)) * np.array([9, 5, 3, 1, 0.5])
    colors = principal_colors(features)
    np.testing.assert_array_equal(colors, principal_colors(features.copy()))
    rotation, _ = np.linalg.qr(RNG.normal(size=(5, 5)))
    np.testing.assert_allclose(principal_colors(features @ rotation + 7), colors, atol=1e-9)
    np.testing.assert_allclose(principal_colors(-features), colors, atol=1e-9)


def test_colors_are_the_principal_components_in_their_order():
    features = RNG.normal(size=(2, 50, 4)) * np.array([1, 0.01, 8, 3])
    colors = principal_colors(features)
    x = features.reshape(100, 4)
    for component, column in enumerate((2, 3, 0)):
        found = colors[..., component].ravel()
        assert (found.min(), found.max()) == (0, 1)
        assert abs(np.corrcoef(found, x[:, column])[0, 1]) > 0.95
        centered = found - found.mean()
        assert centered[np.abs(centered).argmax()] > 0


def test_components_that_are_missing_are_gray():
    line = np.arange(8.0).reshape(2, 4, 1) * np.ones(6)
    colors = principal_colors(line)
    assert np.ptp(colors[..., 0]) == 1
    assert (colors[..., 1:] == 0.5).all()
    assert (principal_colors(np.ones((2, 4, 6))) == 0.5).all()
    assert principal_colors(RNG.normal(size=(1, 4, 2))).shape == (1, 4, 3)


def test_overlays_are_orange_where_the_weight_is_largest():
    image = np.full((1, 4, 6, 1), 0.5)
    weights = np.array([[[0.0, 0.1, 0.2], [0.4, 0.0, 0.0]]])
    found = overlaid(image, weights)
    assert found.shape == (1, 4, 6, 3)
    assert found.min() >= 0
    assert found.max() <= 1
    tiles = found.reshape(2, 2, 3, 2, 3).swapaxes(1, 2)
    assert (tiles == tiles[:, :, :1, :1]).all()
    orange = tiles[:, :, 0, 0, 0] - tiles[:, :, 0, 0, 2]
    np.testing.assert_allclose(orange / orange.max(), weights[0] / 0.4)
    np.testing.assert_allclose(overlaid(image, 5 * weights), found)
    assert np.ptp(overlaid(image, 0 * weights)) == 0


def test_a_vit_has_no_filters_and_a_convolutional_network_no_patches(of_vit, of_resnet):
    assert [*filters(of_vit)] == [*patches(of_resnet)] == []


@pytest.mark.parametrize("name", ["vit_nano", "resnet_small"])
def test_a_method_of_one_s_own_may_hide_its_backbone_or_have_another(of_vit, of_resnet, name):
    subject = of_vit if name == "vit_nano" else of_resnet
    other = of_resnet if name == "vit_nano" else of_vit
    hidden = Method(None, None, None, no_update, None)
    another = hidden._replace(backbone=lambda *_: ({"kernel": jnp.ones((3, 3))}, {}))
    swapped = hidden._replace(backbone=lambda *_: other.method.backbone(other.params, other.extra))
    for method in (hidden, another, swapped):
        changed = subject._replace(method=method)
        assert [*filters(changed), *patches(changed)] == []


def test_the_page_shows_them_with_the_same_bytes_each_time(of_vit, of_resnet):
    for subject, kind, title in (
        (of_vit, Pictures, "Patch by patch"),
        (of_resnet, Tiles, "First filters"),
    ):
        page = make_page(subject, [], {})._replace(features=None)
        assert isinstance(page.sections[-1], kind)
        html = render(page)
        assert f"<h2>{title}</h2>" in html
        assert html == render(make_page(subject, [], {})._replace(features=None))
