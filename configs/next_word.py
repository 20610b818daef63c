"""Next word: a small GPT (Radford et al. 2018 and 2019).

    python experiments/pretrain.py --config configs/next_word.py --workdir runs/next_word

default: the language reference that Python's ``help()`` shows, some 100,000 tokens in windows of
64, a vocabulary of 1,024, a GPT of 0.93 M parameters, 20 epochs of batches of 32. On the 359 test
windows, seed 0, last step, 2 CPU cores (AMD EPYC), Python 3.11, jax 0.10.2; 2 min 30 s with
compilation and evaluation, training 114 s:

    perplexity      42.9, of counting pairs (Kneser-Ney) 62.8, of counting words 391.8

                                     learned   untrained   token counts
    kNN (k 20, T .1)                    31.8        18.1           40.1
    linear probe, all labels            35.7        21.4           47.9
    linear probe, 10 labels a class     22.9         9.9           31.9

Labels are topics. Every lead over the untrained network is more than twice its standard error; no
score reaches that of token counts.

The recipe was chosen on 200 windows held out of the training text (``--config.data.holdout=200``;
seed 0, last step), in three attempts.
Perplexities, of this and of counting pairs (Kneser-Ney); then accuracies of the last layer, learned
and untrained, and of token counts:

    vocabulary  epochs  rate  decay    perplexity   kNN               linear, all labels
    1,024           12  1e-3     .1    59.0  58.9   37.0  20.0  49.5  35.0  24.5  58.5
      512           16  2e-3      1    17.9  35.6   27.0  18.0  38.0  27.0  24.5  38.5
    1,024           20  2e-3      1    43.3  58.9   39.5  20.0  49.5  43.5  24.5  58.5

Perplexities of different vocabularies do not compare. What the blocks say was probed in the first
two: from the last block it beats the untrained network's by more than from the first, whose mean is
a random projection of the counts. How often each token occurs tells the topic better than all that
the network has learned from so little text.

smoke: 8 steps, for tests.

paper: GPT-2 small, 124 M parameters, 50,257 tokens, texts of 1,024, batch 512. The paper gives
neither optimiser nor steps; these are of GPT-3 small (Brown et al. 2020, table 2.1, 300 G tokens),
but for the rate, which falls to 0 and not to a tenth. Its data, WebText, was never released: name
yours with ``paper,data=text:/path``. Published: a perplexity of 29.41 on WikiText2, without
training on it (table 3). Not measured here.
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
    """GPT-2's table 2 and section 2.3, GPT-3's table 2.1 and appendix B; 6e-4 at batch size 512."""
    config.train.update({"steps": 572_205, "log_every": 50, "checkpoint_every": 2000})
    config.data.update(
        {"name": "text:webtext", "batch_size": 512, "vocabulary": 50_257, "tokens": 1024}
    )
    config.network.update({"name": "gpt2_small", "dtype": "bfloat16"})
    config.optimizer.update(
        {
            "learning_rate": 3e-4,
            "weight_decay": 0.1,
            "betas": (0.9, 0.95),
            "clip_norm": 1.0,
            "warmup": 0.00125,
        }
    )
