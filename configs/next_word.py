"""Next word: a small GPT (Radford et al. 2018 and 2019).

    python experiments/pretrain.py --config configs/next_word.py --workdir runs/next_word

default: not measured yet.

smoke: 8 steps, for tests.

paper: GPT-2 small, 124 M parameters, 50,257 tokens, texts of 1,024, batch 512. The paper gives
neither optimiser nor steps; these are of GPT-3 small (Brown et al. 2020, table 2.1: 300 G tokens).
Its data, WebText, was never released: name yours with ``paper,data=text:/path``. Published: a
perplexity of 29.41 on WikiText2, without training on it (table 3). Not measured here.
"""

from ml_collections import ConfigDict

from configs import common
from ssl_jax.config import defaults


def get_config(arg: str | None = None) -> ConfigDict:
    """The preset and the changes that ``arg`` names; see ``configs/common.py``."""
    arguments = common.parse(arg)
    config = defaults()
    config.method = ConfigDict({"name": "next_word", "temperature": 0.8})
    config.data.update({"name": "python_docs", "batch_size": 32, "vocabulary": 512, "tokens": 64})
    config.network.name = "gpt_nano"
    config.optimizer.update(
        {
            "learning_rate": 16e-3,
            "weight_decay": 1.0,
            "betas": (0.9, 0.95),
            "clip_norm": 1.0,
            "warmup": 0.1,
        }
    )
    config.train.epochs = 16.0
    if arguments.preset == "smoke":
        common.smoke(config)
    elif arguments.preset == "paper":
        _paper(config)
    return common.apply(config, arguments)


def _paper(config: ConfigDict) -> None:
    """GPT-2's table 2 and section 2.3, GPT-3's table 2.1 and appendix B; 6e-4 at batch 512."""
    config.train.update(
        {"epochs": None, "steps": 572_205, "log_every": 50, "checkpoint_every": 2000}
    )
    config.data.update(
        {"name": "text:webtext", "batch_size": 512, "vocabulary": 50_257, "tokens": 1024}
    )
    config.network.update({"name": "gpt2_small", "dtype": "bfloat16"})
    config.optimizer.update({"learning_rate": 3e-4, "weight_decay": 0.1, "warmup": 0.00125})
