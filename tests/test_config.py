"""Invalid settings are rejected by name, and a config is completed from the data."""

import json
from importlib import import_module

import pytest
from ml_collections import ConfigDict

from configs import common
from ssl_jax import config as settings
from ssl_jax.data.modalities import MODALITIES
from ssl_jax.errors import InputError
from ssl_jax.evaluation.modalities import INPUTS
from ssl_jax.methods import METHODS, settings_of
from ssl_jax.nn import backbones
from ssl_jax.report.sections import SECTIONS
from tests import tiny

FACTS = {"image_size": 8, "channels": 1, "mean": (0.5,), "std": (0.25,)}


def valid() -> ConfigDict:
    return tiny.config(name="simclr", temperature=0.2, projector=(8,), augment={"area": (0.5, 1.0)})


def complete(method: str) -> ConfigDict:
    config = settings.defaults(method)
    config.train.steps = 4
    return config


def changed(key: str, value: object, config: ConfigDict | None = None) -> ConfigDict:
    config = config or valid()
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
        ("data.channels", 0, "a whole number of at least 1"),
        ("data.image_size", 3, "from 4 to 4096"),
        ("data.std", (0.0,), "above 0"),
        ("data.mean", (float("nan"),), "per channel"),
        ("data.modality", "sound", "image, text, video"),
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
        ("method.augment.strength", float("nan"), "at least 0"),
        ("method.projector", (8, 0), "at least 1"),
        ("method.projector", (), "at least 1"),
        ("evaluation.layers", (), "layers"),
    ],
)
def test_an_invalid_value_is_rejected_with_its_key_and_value(key, value, expected):
    with pytest.raises(InputError) as error:
        settings.check(changed(key, value))
    message = str(error.value)
    assert message.startswith(f"{key}: {value!r}; expected ")
    assert expected in message
    assert "\n" not in message


def test_unknown_missing_and_unset_settings_are_rejected():
    with pytest.raises(InputError, match=r"^data.colour: there is no such setting$"):
        settings.check(changed("data.colour", 1))
    incomplete = valid()
    del incomplete.data["name"]
    with pytest.raises(InputError, match=r"^data.name: is missing"):
        settings.check(incomplete)
    with pytest.raises(InputError, match=r"^train.epochs: None"):
        settings.check(changed("train.steps", None))
    expected = r"^method.other: simclr has no such setting; expected temperature, projector, "
    with pytest.raises(InputError, match=expected):
        settings.check(changed("method.other", 1))


def test_a_user_defined_method_may_have_any_settings():
    own = valid()
    own.method = ConfigDict({"name": "mine", "depth": 3, "rate": 0.5})
    settings.check(own)
    with pytest.raises(InputError, match=r"^method.rate: nan is not a finite number$"):
        settings.check(changed("method.rate", float("nan"), own))


@pytest.mark.parametrize(
    ("method", "key", "value", "expected"),
    [
        ("frame_order", "in_order", 1.0, "above 0 and below 1"),
        ("frame_order", "reach", 1, "at least 2"),
        ("frame_order", "gap", 0, "at least 1"),
        ("frame_order", "hidden", (0,), "at least 1, or none"),
        ("frame_order", "hidden", (2.5,), "at least 1, or none"),
        ("mae", "decoder_width", 30, "a multiple of 4 of at least 4"),
        ("mae", "decoder_depth", 0, "at least 1"),
        ("next_word", "temperature", 0.0, "above 0"),
        ("context_encoder", "bottleneck", 0, "at least 1"),
    ],
)
def test_each_method_checks_its_own_settings(method, key, value, expected):
    with pytest.raises(InputError, match=rf"^method\.{key}: .*; expected .*{expected}"):
        settings.check(changed(f"method.{key}", value, complete(method)))


@pytest.mark.parametrize("method", METHODS)
def test_defaults_are_valid_and_every_setting_rejects_a_wrong_type(method):
    settings.check(complete(method))
    tables = {f"{block}.": table for block, table in settings.BLOCKS.items()}
    tables |= {"": settings.TOP, "method.": settings_of(method)}
    for prefix, table in tables.items():
        for name, setting in table.items():
            assert setting.meaning
            wrong = object() if setting.type is str else float("nan")
            with pytest.raises(InputError) as error:
                settings.check(changed(f"{prefix}{name}", wrong, complete(method)))
            assert str(error.value).startswith(f"{prefix}{name}: {wrong!r}; expected ")


def test_only_optional_settings_accept_none():
    settings.check(changed("method.bottleneck", None, complete("context_encoder")))
    with pytest.raises(InputError, match=r"^method.overlap: None; expected"):
        settings.check(changed("method.overlap", None, complete("context_encoder")))


def test_resolve_adds_missing_method_settings():
    config = settings.resolve(valid(), FACTS, 100, 1)
    added = {"strength": 1.0, "blur": 0.5, "interpolation": "bilinear"}
    assert config.method.augment.to_dict() == {"area": (0.5, 1.0)} | added
    assert config.method.temperature == 0.2


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


def test_network_names_are_the_backbones():
    with pytest.raises(
        InputError, match=f"one of {', '.join([*backbones.BACKBONES, *backbones.GPTS])}$"
    ):
        settings.check(changed("network.name", "resnet19"))


@pytest.mark.parametrize("name", backbones.BACKBONES)
def test_only_vits_have_a_class_token(name):
    config = changed("network.name", name)
    config.network.pool = "cls"
    if name in backbones.VITS:
        settings.resolve(config, FACTS, 100, 1)
    else:
        expected = rf"^network.pool: 'cls', but {name} has no class token; expected mean or grid$"
        with pytest.raises(InputError, match=expected):
            settings.resolve(config, FACTS, 100, 1)


def test_a_vit_patch_size_must_divide_the_image_size():
    config = changed("network.patch_size", 3)
    assert settings.resolve(config, FACTS, 100, 1).network.patch_size == 3
    config.network.name = "vit_tiny"
    expected = r"^network.patch_size: 3 does not divide data.image_size 8; .* one of 1, 2, 4, 8$"
    with pytest.raises(InputError, match=expected):
        settings.resolve(config, FACTS, 100, 1)


def test_resolve_fills_in_facts_and_steps_and_is_idempotent():
    config = changed("train.steps", None)
    config.train.epochs = 10.0
    resolved = settings.resolve(config, FACTS, 100, 1)
    assert resolved.train.steps == round(10 * 100 / tiny.BATCH)
    assert resolved.data.mean == (0.5,)
    assert resolved.data.channels == 1
    assert config.data.mean is None
    again = settings.resolve(resolved, FACTS, 100, 1)
    assert again.to_dict() == resolved.to_dict()


def test_config_survives_a_json_round_trip():
    resolved = settings.resolve(valid(), FACTS, 100, 1)
    restored = settings.from_json(json.loads(json.dumps(resolved.to_dict())))
    assert dict(settings.flatten(restored)) == dict(settings.flatten(resolved))
    settings.check(restored)


def test_settings_newer_than_a_run_get_their_defaults():
    values = settings.resolve(valid(), FACTS, 100, 1).to_dict()
    del values["train"]["remat"], values["network"]
    restored = settings.from_json(json.loads(json.dumps(values)))
    assert restored.train.remat is False
    assert restored.network.patch_size == 4
    assert restored.train.steps == values["train"]["steps"]
    settings.check(restored)


def test_lars_runs_without_a_trust_coefficient_get_the_one_they_used():
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


def test_simclr_runs_from_before_its_output_norm_have_none():
    values = settings.resolve(valid(), FACTS, 100, 1).to_dict()
    assert values["method"].pop("output_norm") is True
    assert settings.from_json(values).method.output_norm is False


def test_config_argument_parses_presets_and_pairs():
    assert common.parse(None).preset == "default"
    assert common.parse("epochs=3,paper").preset == "paper"
    assert common.parse("data=cifar10,epochs=200").values == {"data": "cifar10", "epochs": 200.0}
    for arg, culprit in [("smokey", "'smokey'"), ("epochs=x", "'epochs=x'"), ("lr=3", "'lr=3'")]:
        with pytest.raises(InputError, match=culprit):
            common.parse(arg)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("arg", [None, "smoke", "paper", "paper,data=cifar10", "epochs=3,seed=7"])
def test_every_preset_is_valid(method, arg):
    config = import_module(f"configs.{method}").get_config(arg)
    settings.check(config)
    assert config.method.name == method


def test_settings_of_optimizer_groups_are_checked():
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


def test_network_must_match_the_modality_of_the_data():
    text = {"modality": "text", "vocabulary": 300, "tokens": 8}
    expected = r"^network.name: 'resnet_small' does not read text; .* gpt_nano, gpt2_small$"
    with pytest.raises(InputError, match=expected):
        settings.resolve(valid(), text, 100, 1)
    with pytest.raises(InputError, match=r"^network.name: 'gpt_nano' does not read image"):
        settings.resolve(changed("network.name", "gpt_nano"), FACTS, 100, 1)


def test_every_table_of_modalities_has_the_same_names():
    for table in (backbones.READS, INPUTS, SECTIONS):
        assert table.keys() == MODALITIES.keys()
