"""The Vision Transformer's forward pass, image by image and head by head, in float64."""

import math

import numpy as np

erf = np.vectorize(math.erf)


def linear(params, x):
    return x @ np.asarray(params["kernel"], np.float64) + np.asarray(params["bias"], np.float64)


def layer_norm(params, x):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-6) * params["scale"] + params["bias"]


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def gelu(x):
    return x * (1 + erf(x / math.sqrt(2))) / 2


def attention(params, x, heads):
    """`x` is [t, d]; `qkv` returns queries, keys and values, each of them head by head."""
    d = x.shape[1]
    size = d // heads
    qkv = linear(params["qkv"], x)
    out = []
    for head in range(heads):
        q, k, v = (qkv[:, i * d + head * size : i * d + (head + 1) * size] for i in range(3))
        out.append(softmax(q @ k.T / math.sqrt(size)) @ v)
    return linear(params["out"], np.concatenate(out, axis=1))


def tokens(params, image, patch):
    """Patches row by row, each flattened row by row with channels last, then positions."""
    side = len(image) // patch
    out = [params["class_token"][0] + params["class_position"][0]]
    for row in range(side):
        for column in range(side):
            cut = image[row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
            embedded = linear(params["embedding"], np.asarray(cut, np.float64).reshape(-1))
            out.append(embedded + params["patch_positions"][row, column])
    return np.stack(out)


def vit(params, images, *, patch, heads):
    """Returns each block's tokens, and the last ones after the final LayerNorm: [n, 1 + t, d]."""
    layers = []
    for image in images:
        x, outputs = tokens(params, image, patch), []
        for i in range(len(params["blocks"])):
            block = params["blocks"][str(i)]
            x = x + attention(block, layer_norm(block["norm1"], x), heads)
            hidden = gelu(linear(block["up"], layer_norm(block["norm2"], x)))
            x = x + linear(block["down"], hidden)
            outputs.append(x)
        layers.append([*outputs, layer_norm(params["norm"], x)])
    return [np.stack(layer) for layer in zip(*layers, strict=True)]
