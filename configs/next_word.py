"""Next word (Radford et al. 2018, https://cdn.openai.com/research-covers/language-unsupervised/language_understanding_paper.pdf).

    python experiments/pretrain.py --config configs/next_word.py --workdir runs/next_word

default: the language reference of Python's ``help()``, about 100,000 tokens in windows of 64, a
vocabulary of 1,024, a GPT with 0.93 M parameters, 20 epochs of batches of 32; 3 minutes on 2 CPU
cores. Labels are topics.
Scores (docs/results.md), seed 0:
    learned / untrained / token counts
    kNN 34.3 / 16.4 / 40.7
    linear 34.0 / 21.7 / 47.9
    10 per class 22.3 / 9.2 / 30.6
    its own task: perplexity 43.0, pairs of words 62.8
smoke: 8 steps, for tests.
paper: GPT-2 small, 124 M parameters, a vocabulary of 50,257, windows of 1,024, batch size 512. The
paper states neither the optimizer nor the number of steps. They are taken from GPT-3 small (Brown
et al. 2020, table 2.1, 300 B tokens), except that the learning rate falls to a tenth over all
tokens, not over 260 B.
GPT-2's data, WebText, was never released: name yours with ``paper,data=text:/path``. Published: a
perplexity of 29.41 on WikiText2, without training on it (table 3). Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("next_word", arg, default=_default, paper=_paper)


def _default(config: ConfigDict) -> None:
    config.data.update({"name": "python_docs", "batch_size": 32, "vocabulary": 1024, "tokens": 64})
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
    config.train.epochs = 20.0


def _paper(config: ConfigDict) -> None:
    """GPT-2, table 2 and section 2.3; GPT-3, table 2.1 and appendix B: 6e-4 at batch size 512."""
    config.train.update({"steps": 572_205, "log_every": 50, "checkpoint_every": 2000})
    config.data.update(
        {"name": "text:webtext", "batch_size": 512, "vocabulary": 50_257, "tokens": 1024}
    )
    config.network.update({"name": "gpt2_small", "dtype": "bfloat16"})
    config.optimizer.update(
        {
            "learning_rate": 3e-4,
            "learning_rate_end": 6e-5,
            "weight_decay": 0.1,
            "betas": (0.9, 0.95),
            "clip_norm": 1.0,
            "warmup": 0.00125,
        }
    )
