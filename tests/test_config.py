"""Every setting that makes no sense is refused by name; what is left to choose is resolved."""

import json

import pytest
from ml_collections import ConfigDict

from configs import common, simclr
from ssl_jax import config as settings
from ssl_jax.errors import InputError
from ssl_jax.evaluation.modalities import MODALITIES
from ssl_jax.nn import backbones
from tests import tiny

FACTS = {"image_size": 8, "channels": 1, "mean": (0.5,), "std": (0.25,)}


def valid() -> ConfigDict:
    return tiny.config(name="simclr", temperature=0.2, projector=(8,), augment={"area": (0.5, 1.0)})


def changed(key: str, value: object) -> ConfigDict:
    config = valid()
    block, _, name = key.rpartition(".")
    target = config
    for part in filter(None, block.split(".")):
        target = target[part]
    with config.ignore_type():
        target[name] = value
    return config


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("seed", -1, "at least 0"),
        ("seed", 1.5, "whole number"),
        ("data.batch_size", 0, "at least 1"),
        ("data.batch_size", True, "whole number"),
        ("data.batch_size", "many", "whole number"),
        ("data.name", "", "not empty"),
        ("data.channels", 2, "1 or 3"),
        ("data.std", (0.0,), "above 0"),
        ("data.mean", (float("nan"),), "each channel"),
        ("optimizer.name", "adam", "adamw"),
        ("optimizer.learning_rate", 0.0, "above 0"),
        ("optimizer.learning_rate", float("nan"), "above 0"),
        ("optimizer.learning_rate", float("inf"), "above 0"),
        ("optimizer.weight_decay", -0.1, "at least 0"),
        ("optimizer.warmup", 1.5, "from 0 to 1"),
        ("network.name", "resnet19", "resnet18"),
        ("network.dtype", "float16", "bfloat16"),
        ("network.patch_size", 0, "at least 1"),
        ("train.remat", 1, "True or False"),
        ("train.remat", "yes", "True or False"),
        ("train.steps", 0, "at least 1"),
        ("train.log_every", 0, "at least 1"),
        ("method.temperature", -0.2, "above 0"),
        ("method.augment.area", (0.9, 0.2), "smallest <= largest"),
        ("method.projector", (8, 0), "at least 1"),
        ("method.in_order", 1.0, "below 1"),
        ("method.reach", 1, "at least 2"),
        ("method.gap", 0, "at least 1"),
        ("method.hidden", (0,), "at least 1, or none"),
        ("method.hidden", (2.5,), "at least 1, or none"),
        ("evaluation.layers", (), "layers"),
    ],
)
def test_a_bad_value_is_refused_with_its_key_and_value(key, value, expected):
    with pytest.raises(InputError) as error:
        settings.check(changed(key, value))
    message = str(error.value)
    assert message.startswith(f"{key}: {value!r}; expected ")
    assert expected in message
    assert "\n" not in message


def test_unknown_missing_and_unset_settings_are_refused():
    with pytest.raises(InputError, match=r"^data.colour: there is no such setting$"):
        settings.check(changed("data.colour", 1))
    lacking = valid()
    del lacking.data["name"]
    with pytest.raises(InputError, match=r"^data.name: missing"):
        settings.check(lacking)
    with pytest.raises(InputError, match=r"^train.epochs: None"):
        settings.check(changed("train.steps", None))
    with pytest.raises(InputError, match=r"^method.other: nan is not a finite number$"):
        settings.check(changed("method.other", float("nan")))


def test_batch_must_split_over_the_devices_and_fit_the_data():
    def resolve(batch, devices, examples=100):
        return settings.resolve(changed("data.batch_size", batch), FACTS, examples, devices)

    with pytest.raises(InputError, match=r"batch_size: 20 .* 8 devices.* such as 16 or 24$"):
        resolve(20, 8)
    with pytest.raises(InputError, match=r"batch_size: 5 .* such as 8$"):
        resolve(5, 8)
    with pytest.raises(InputError, match=r"batch_size: 104 is more than the 100 examples"):
        resolve(104, 8)
    assert resolve(96, 8).data.batch_size == 96


def test_names_of_networks_are_those_of_the_backbones():
    with pytest.raises(
        InputError, match=f"one of {', '.join([*backbones.BACKBONES, *backbones.GPTS])}$"
    ):
        settings.check(changed("network.name", "resnet19"))


@pytest.mark.parametrize("name", backbones.BACKBONES)
def test_only_vits_pool_a_class_token(name):
    config = changed("network.name", name)
    config.network.pool = "cls"
    if name in backbones.VITS:
        settings.check(config)
    else:
        with pytest.raises(InputError, match=rf"^network.pool: 'cls' .* {name} .* expected mean"):
            settings.check(config)


def test_patches_must_split_the_images_of_a_vit():
    config = changed("network.patch_size", 3)
    assert settings.resolve(config, FACTS, 100, 1).network.patch_size == 3
    config.network.name = "vit_tiny"
    expected = r"^network.patch_size: 3 does not divide data.image_size 8; .* one of 1, 2, 4, 8$"
    with pytest.raises(InputError, match=expected):
        settings.resolve(config, FACTS, 100, 1)


def test_resolving_fills_in_facts_and_steps_and_is_idempotent():
    config = changed("train.steps", None)
    config.train.epochs = 10.0
    resolved = settings.resolve(config, FACTS, 100, 1)
    assert resolved.train.steps == round(10 * 100 / tiny.BATCH)
    assert resolved.data.mean == (0.5,)
    assert resolved.data.channels == 1
    assert config.data.mean is None
    again = settings.resolve(resolved, FACTS, 100, 1)
    assert again.to_dict() == resolved.to_dict()


def test_json_keeps_a_config_as_it_was():
    resolved = settings.resolve(valid(), FACTS, 100, 1)
    restored = settings.from_json(json.loads(json.dumps(resolved.to_dict())))
    assert dict(settings.flatten(restored)) == dict(settings.flatten(resolved))
    settings.check(restored)


def test_json_of_a_run_from_before_a_setting_has_its_default():
    values = settings.resolve(valid(), FACTS, 100, 1).to_dict()
    del values["train"]["remat"], values["network"]
    restored = settings.from_json(json.loads(json.dumps(values)))
    assert restored.train.remat is False
    assert restored.network.patch_size == 4
    assert restored.train.steps == values["train"]["steps"]
    settings.check(restored)


def test_json_of_a_run_from_before_lars_had_a_trust_coefficient_has_what_was_used():
    values = settings.resolve(valid(), FACTS, 100, 1).to_dict()
    given = json.loads(json.dumps(values))
    del values["optimizer"]["trust_coefficient"]
    for change, expected in (
        ({}, 0.001),
        ({"name": "lars"}, 0.02),
        ({"groups": {"head": {"name": "lars"}}}, 0.02),
    ):
        earlier = json.loads(json.dumps(values))
        earlier["optimizer"].update(change)
        assert settings.from_json(earlier).optimizer.trust_coefficient == expected
        given["optimizer"].update(change)
        assert settings.from_json(given).optimizer.trust_coefficient == 0.001


def test_presets_and_pairs_of_the_argument():
    assert common.parse(None).preset == "default"
    assert common.parse("epochs=3,paper").preset == "paper"
    assert common.parse("data=cifar10,epochs=200").values == {"data": "cifar10", "epochs": 200.0}
    for arg, culprit in [("smokey", "'smokey'"), ("epochs=x", "'epochs=x'"), ("lr=3", "'lr=3'")]:
        with pytest.raises(InputError, match=culprit):
            common.parse(arg)


@pytest.mark.parametrize("arg", [None, "smoke", "paper", "paper,data=cifar10", "epochs=3,seed=7"])
def test_every_preset_of_simclr_is_valid(arg):
    settings.check(simclr.get_config(arg))


def test_a_group_s_settings_are_checked_as_the_optimizer_s_are():
    config = valid()
    config.optimizer.groups.critic = {"learning_rate": 0.1}
    settings.check(config)
    config.optimizer.groups.critic.learning_rate = -0.1
    expected = r"^optimizer.groups.critic.learning_rate: -0.1; expected a number above 0$"
    with pytest.raises(InputError, match=expected):
        settings.check(config)
    config.optimizer.groups.critic = {"rate": 0.1}
    with pytest.raises(InputError, match=r"^optimizer.groups.critic.rate: there is no such"):
        settings.check(config)


def test_a_network_must_read_what_the_data_is():
    text = {"modality": "text", "vocabulary": 300, "tokens": 8}
    expected = r"^network.name: 'resnet_small' does not read text; .* gpt_nano, gpt2_small$"
    with pytest.raises(InputError, match=expected):
        settings.resolve(valid(), text, 100, 1)
    with pytest.raises(InputError, match=r"^network.name: 'gpt_nano' does not read image"):
        settings.resolve(changed("network.name", "gpt_nano"), FACTS, 100, 1)


def test_modalities_are_those_of_the_table():
    assert dict(settings.NETWORKS).keys() == MODALITIES.keys()
    assert set(sum(settings.NETWORKS.values(), ())) == {*backbones.BACKBONES, *backbones.GPTS}
