"""Methods that predict from genes, alone or beside slides, as their specifications read; groups is a vector a group."""

import math

import numpy as np

from .pieces import Weights, elu, encoded, gated_pool, gelu, relu, self_normalising, sigmoid, softmax


def snn(w: Weights, groups):
    return w.linear("head", self_normalising(w.within("blocks"), np.concatenate(groups), 4))


def gene_tokens(w: Weights, groups):
    """A row a group, each from two self-normalising blocks of its own."""
    return np.stack([self_normalising(w.within(f"genes.{k}"), group, 2) for k, group in enumerate(groups)])


def snntrans(w: Weights, groups):
    return w.linear("head", encoded(w.within("gene_encoder"), gene_tokens(w, groups), square=False))


def dualtrans(w: Weights, bag, groups):
    patches = relu(w.linear("project.3", relu(w.linear("project.0", bag))))
    p = encoded(w.within("patch_encoder"), patches, square=True)
    g = encoded(w.within("gene_encoder"), gene_tokens(w, groups), square=False)
    return w.linear("head", concatenated(w.within("fuse"), p, g))


def concatenated(w: Weights, a, b):
    return relu(w.linear("2", relu(w.linear("0", np.concatenate([a, b])))))


def mcat(w: Weights, bag, groups, heads=2):
    patches, genes = relu(w.linear("project.0", bag)), gene_tokens(w, groups)
    its = w.within("coattend")
    weights, biases = np.split(its["in_proj_weight"], 3), np.split(its["in_proj_bias"], 3)
    q, k, v = (x @ a.T + b for x, a, b in zip((genes, patches, patches), weights, biases, strict=True))
    read = softmax(q @ k.T / math.sqrt(q.shape[1]), axis=1) @ v
    return after_reading(w, its.linear("out_proj", read), genes, heads)


def after_reading(w: Weights, read, genes, heads):
    """MCAT behind its co-attention: a transformer, a gated pooling and a layer for each side, then the fusion."""
    summaries = []
    for side, tokens in (("patches", read), ("genes", genes)):
        its = w.within(f"summaries.{side}")
        for i in range(2):
            tokens = transformer_layer(its.within(f"transformer.layers.{i}"), tokens, heads)
        summaries.append(relu(its.linear("narrow.0", gated_pool(its.within("attend"), tokens)[0])))
    return w.linear("head", concatenated(w.within("summaries.fuse"), *summaries))


def transformer_layer(w: Weights, x, heads):
    parts = np.split(x @ w["self_attn.in_proj_weight"].T + w["self_attn.in_proj_bias"], 3, axis=1)
    drawn = [
        softmax(q @ k.T / math.sqrt(q.shape[1]), axis=1) @ v
        for q, k, v in zip(*(np.split(part, heads, axis=1) for part in parts), strict=True)
    ]
    x = w.norm("norm1", x + w.linear("self_attn.out_proj", np.concatenate(drawn, axis=1)))
    return w.norm("norm2", x + w.linear("linear2", relu(w.linear("linear1", x))))


def motcat(w: Weights, bag, groups, heads=2, reg=0.1, tau=0.5):
    patches, genes = relu(w.linear("project.0", bag)), gene_tokens(w, groups)
    x, y = (each - each.min(axis=1, keepdims=True) for each in (patches, genes))
    cost = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    kernel, power = np.exp(-cost / cost.max() / reg), tau / (tau + reg)
    u, v = np.ones(len(x)), np.ones(len(y))
    for _ in range(1000):
        old = u, v
        u = (1 / len(x) / (kernel @ v)) ** power
        v = (1 / len(y) / (kernel.T @ u)) ** power
        errors = [abs(a - b).max() / max(a.max(), b.max(), 1) for a, b in zip((u, v), old, strict=True)]
        if sum(errors) / 2 < 1e-6:
            break
    plan = u[:, None] * kernel * v
    return after_reading(w, plan.T @ patches, genes, heads)


def porpoise(w: Weights, bag, groups):
    p = gated_pool(w.within("attend"), relu(w.linear("project.0", bag)))[0]
    p, g = relu(w.linear("narrow.0", p)), self_normalising(w.within("genes"), np.concatenate(groups), 2)
    its, both, sides = w.within("fuse"), np.concatenate([p, g]), []
    for i, one in enumerate((p, g)):
        gated = sigmoid(its.linear(f"gate.{i}.0", both)) * relu(its.linear(f"narrow.{i}.0", one))
        sides.append(np.append(relu(its.linear(f"mix.{i}.0", gated)), 1))
    product = relu(its.linear("widen.0", np.outer(*sides).flatten()))
    return w.linear("head", relu(its.linear("end.0", np.concatenate([product, p, g]))))


def slide_vector(w: Weights, bag):
    return w.norm("end.1", w.linear("end.0", gated_pool(w.within("attend"), relu(w.linear("project.0", bag)))[0]))


def gene_vector(w: Weights, groups):
    return w.norm("3", w.linear("2", self_normalising(w, np.concatenate(groups), 2)))


def gpdbn(w: Weights, bag, groups):
    gene, path = gene_vector(w.within("gene"), groups), slide_vector(w.within("path"), bag)
    pairs = {"inter": (gene, path), "intra_gene": (gene, gene), "intra_path": (path, path)}
    squeezed = [relu(w.linear(name, np.outer(a, b).flatten())) for name, (a, b) in pairs.items()]
    code = np.concatenate([gene, path, *squeezed])
    for i in range(2):
        code = relu(w.linear(f"encoder.{i}.0", code))
    return w.linear("head.last", code)


def hfbsurv(w: Weights, bag, groups, rank=3):
    gene, path = gene_vector(w.within("read_genes.gene"), groups), slide_vector(w.within("read_bag"), bag)

    def product(a, b):
        q = (a * b).reshape(-1, rank).sum(axis=1)
        q = np.sign(q) * np.sqrt(abs(q))
        return q / max(np.linalg.norm(q), 1e-12)

    weighed = {}
    for name, x in {"gene": gene, "path": path}.items():
        h = np.tanh(w.linear(f"encode.{name}.1.0", np.tanh(w.linear(f"encode.{name}.0.0", x))))
        u = w.linear(f"to_square.{name}", h)
        z = np.concatenate([h, product(u, u)])
        weighed[name] = sigmoid(w.linear("weigh", z)) * z
    pair = [w.linear(f"to_pair.{name}", y) for name, y in weighed.items()]
    both = np.concatenate([sum(weighed.values()), product(*pair)])  # one pair, so its weight is 1
    both = (both - w["norm.running_mean"]) / np.sqrt(w["norm.running_var"] + 1e-5)
    code = both * w["norm.weight"] + w["norm.bias"]
    for i in range(2):
        code = np.tanh(w.linear(f"encoder.{i}.0", code))
    return w.linear("head.last", code)


def survpath(w: Weights, bag, groups):
    first = np.split(w["pathways.first"], np.cumsum([len(group) for group in groups])[:-1])
    pathways = []
    for s, group in enumerate(groups):
        hidden = elu(group @ first[s] + w["pathways.first_bias"][s])
        pathways.append(elu(hidden @ w["pathways.second"][s] + w["pathways.second_bias"][s]))
    tokens, n = np.concatenate([pathways, w.linear("project", bag)]), len(groups)
    q, k, v = np.split(w.linear("attend.to_qkv", w.norm("attend.norm", tokens)), 3, axis=1)
    scores = q @ k.T / math.sqrt(q.shape[1])
    attended = [softmax(row, axis=0) @ v for row in scores[:n]]
    attended += [softmax(row[:n], axis=0) @ v[:n] for row in scores[n:]]
    fed = w.linear("feed_forward.3", gelu(w.linear("feed_forward.0", w.norm("norm", np.stack(attended)))))
    z = w.norm("last_norm", fed)
    return w.linear("head", relu(w.linear("narrow.0", np.concatenate([z[:n].mean(axis=0), z[n:].mean(axis=0)]))))
