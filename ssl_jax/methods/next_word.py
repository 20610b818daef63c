"""Next word: a text is read from left to right, and at each place the next token is predicted.

Radford et al., Improving Language Understanding by Generative Pre-Training, 2018, equations 1 and
2, on the network of Radford et al., Language Models are Unsupervised Multitask Learners, 2019:

    p(. | u_1, ..., u_i) = softmax(h_i W_e'),  h = the transformer's last layer
    loss = mean over i < t of -ln p(u_{i+1} | u_1, ..., u_i)

``W_e`` is the embedding of the tokens as well. No token sees a later one, so a text's ``t - 1``
predictions are made at once. All of the network is trained; features are what its blocks and its
last layer say, each the mean over a text's tokens.

Deviations: no dropout; the papers fine-tune the network and read the last token, here it is frozen
and all tokens are read, those that fill up a short text too. Run by ``configs/next_word.py``.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import losses
from ssl_jax.methods import vitals
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.nn import backbones, from_module

_PROMPT = 4  # the first of so many parts of a text


def make(config: ConfigDict) -> Method:
    """The method as the config has it.

    Args:
      config: ``method.temperature`` (of the softmax that continuations are drawn from),
        ``train.microbatches``, and what ``backbones.make_gpt`` reads.

    Returns:
      The method. Its batch is ``{"tokens": int32 [n, t]}``.
    """
    network = from_module(
        lambda rngs: backbones.make_gpt(config, rngs), microbatches=config.train.microbatches
    )

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        del batch
        return network.init(key)

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        del key
        return {"tokens": jnp.asarray(batch["tokens"])[None]}

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        del key, step
        layers, extra = network.apply_views(params, extra, views["tokens"], train=True)
        value = losses.causal_lm(layers["logits"][0], views["tokens"][0]).mean()
        return value, (extra, vitals.of_choice(config.data.vocabulary))

    def embed(params: Params, extra: Extra, batch: Batch) -> dict[str, Float[Array, "n _"]]:
        layers, _ = network.apply(params, extra, batch["tokens"], train=False)
        return {name: layer for name, layer in layers.items() if name != "logits"}

    def logits(params: Params, extra: Extra, tokens: Int[Array, "n t"]) -> Float[Array, "n t k"]:
        return network.apply(params, extra, tokens, train=False)[0]["logits"]

    def score(params: Params, extra: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        del key
        tokens = batch["tokens"]
        return {"nats": losses.causal_lm(logits(params, extra, tokens), tokens)}

    def show(params: Params, extra: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        tokens = batch["tokens"]
        t = tokens.shape[1]
        start = max(1, t // _PROMPT)

        def drawn(i: Int[Array, ""], text: Int[Array, "n t"]) -> Int[Array, "n t"]:
            scores = logits(params, extra, text)[:, i - 1] / config.method.temperature
            return text.at[:, i].set(jax.random.categorical(jax.random.fold_in(key, i), scores))

        # a token behind the prompt is replaced before a later place sees it
        told = jax.lax.fori_loop(start, t, drawn, tokens)
        return {
            "the prompt": tokens[:, :start],
            "the method's continuation": told[:, start:],
            "the true continuation": tokens[:, start:],
        }

    return Method(init, views, loss, no_update, embed, score, show)
