"""Next word: reads a text from left to right and predicts each next token.

Radford et al., Improving Language Understanding by Generative Pre-Training, 2018, equations 1 and
2, with the network of Radford et al., Language Models are Unsupervised Multitask Learners, 2019:

    p(. | u_1, ..., u_i) = softmax(h_i W_e'),  h = the transformer's last layer
    loss = mean over i < t of -ln p(u_{i+1} | u_1, ..., u_i)

``W_e`` is also the embedding of the tokens. No token sees a later one, so all ``t - 1`` predictions
of a text are made at once. The whole network is trained. Features are the outputs of its blocks and
of its last layer, averaged over a text's tokens.

Deviations: no dropout. The papers fine-tune the network and use the last token; here the network is
frozen and all tokens are averaged, the padding of short texts included. Run by
``configs/next_word.py``.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray
from ml_collections import ConfigDict

from ssl_jax import losses, settings
from ssl_jax.methods.base import Batch, Extra, Method, Metrics, Params, Views, no_update
from ssl_jax.methods.common import vitals
from ssl_jax.methods.common.backbone import backbone_at
from ssl_jax.nn import backbones, from_module

_PROMPT = 4  # the prompt is the first quarter of a text

SETTINGS = {
    "temperature": settings.real(
        0.8, "softmax temperature at which the report's continuations are sampled", above=0
    )
}


def make(config: ConfigDict) -> Method:
    """Builds next-word prediction from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above; what ``backbones.make_gpt`` reads;
        ``train.microbatches``.

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

        def draw_token(i: Int[Array, ""], text: Int[Array, "n t"]) -> Int[Array, "n t"]:
            scores = logits(params, extra, text)[:, i - 1] / config.method.temperature
            return text.at[:, i].set(jax.random.categorical(jax.random.fold_in(key, i), scores))

        # each token after the prompt is replaced before any later position sees it
        written = jax.lax.fori_loop(start, t, draw_token, tokens)
        return {
            "the prompt": tokens[:, :start],
            "the method's continuation": written[:, start:],
            "the true continuation": tokens[:, start:],
        }

    backbone, with_backbone = backbone_at("params", "extra")
    return Method(init, views, loss, no_update, embed, score, show, backbone, with_backbone)
