"""GPT-2's forward pass, text by text, head by head and token by token, in float64."""

import math

import numpy as np

from tests.references.vit import gelu, layer_norm, linear, softmax


def attention(params, x, heads):
    """`x` is [t, d]; a token attends to itself and to earlier tokens."""
    t, d = x.shape
    size = d // heads
    qkv = linear(params["qkv"], x)
    out = np.zeros((t, d))
    for head in range(heads):
        q, k, v = (qkv[:, i * d + head * size : i * d + (head + 1) * size] for i in range(3))
        for i in range(t):
            scores = np.array([q[i] @ k[j] / math.sqrt(size) for j in range(i + 1)])
            weights = softmax(scores)
            out[i, head * size : (head + 1) * size] = sum(weights[j] * v[j] for j in range(i + 1))
    return linear(params["out"], out)


def gpt(params, texts, *, heads):
    """Returns each block's tokens, the last ones after LayerNorm, and the logits: [n, t, _]."""
    table = np.asarray(params["embedding"], np.float64)
    layers = []
    for text in texts:
        x = np.stack([table[token] + params["positions"][i] for i, token in enumerate(text)])
        outputs = []
        for number in range(len(params["blocks"])):
            block = params["blocks"][str(number)]
            x = x + attention(block, layer_norm(block["norm1"], x), heads)
            hidden = gelu(linear(block["up"], layer_norm(block["norm2"], x)))
            x = x + linear(block["down"], hidden)
            outputs.append(x)
        last = layer_norm(params["norm"], x)
        layers.append([*outputs, last, last @ table.T])
    return [np.stack(layer) for layer in zip(*layers, strict=True)]
