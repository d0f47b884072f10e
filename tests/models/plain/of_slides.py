"""Methods that predict from slides alone, as their specifications read: weights and a bag (N, D) -> logits (K,)."""

import numpy as np

from .pieces import Weights, encoded, gated_pool, gelu, relu, softmax


def abmil(w: Weights, bag):
    pooled = gated_pool(w.within("attend"), relu(w.linear("project.0", bag)))[0]
    return w.linear("head", relu(w.linear("narrow.0", pooled)))


def clam_sb(w: Weights, bag):
    return w.linear("heads.0", gated_pool(w.within("attend"), relu(w.linear("project.0", bag)))[0])


def clam_mb(w: Weights, bag):
    pooled = gated_pool(w.within("attend"), relu(w.linear("project.0", bag)))
    return np.array([w.linear(f"heads.{c}", pooled[c])[0] for c in range(len(pooled))])


def kd(w: Weights, bag):
    return clam_sb(w.within("student"), bag)  # of the teacher nothing is left but what the student learned


def meanmil(w: Weights, bag):
    return w.linear("head", relu(w.linear("embed.1.0", relu(w.linear("embed.0.0", bag)))).mean(axis=0))


def maxmil(w: Weights, bag):
    return w.linear("head", relu(w.linear("embed.1.0", relu(w.linear("embed.0.0", bag)))).max(axis=0))


def dsmil(w: Weights, bag):
    w = w.within("streams")
    scores = w.linear("patch_classifier", bag)  # (N, C)

    def query(x):
        return np.tanh(w.linear("query.2", relu(w.linear("query.0", x))))

    attention = softmax(query(bag) @ query(bag[scores.argmax(axis=0)]).T / np.sqrt(len(w["query.2.bias"])), axis=0)
    pooled = attention.T @ bag  # (C, D)
    return np.array([(each * pooled).sum() for each in w["bag_weight"]]) + w["bag_bias"]


def dtfd_mil(w: Weights, bag, group):
    patches = relu(w.linear("reduce.0", bag))
    distilled = [gated_pool(w.within("attend"), patches[group == g])[0] for g in np.unique(group)]
    return w.linear("tier2.head", gated_pool(w.within("tier2.attend"), np.stack(distilled))[0])


def deepattnmisl(w: Weights, bag):
    nearest = ((bag[:, None] - w["centres"][None]) ** 2).sum(axis=2).argmin(axis=1)
    means = []
    for k in range(len(w["centres"])):
        its = w.within(f"encoders.{k}")
        patches = relu(its.linear("3", relu(its.linear("0", bag[nearest == k]))))
        means.append(patches.mean(axis=0) if len(patches) else np.zeros(patches.shape[1]))
    pooled = gated_pool(w.within("attend"), relu(w.linear("project.0", np.stack(means))))[0]
    return w.linear("head", relu(w.linear("narrow.0", pooled)))


def transmil(w: Weights, bag):
    return w.linear("head", encoded(w.within("encoder"), relu(w.linear("project.0", bag)), square=True))


def surformer(w: Weights, bag, heads=2):
    def attend(name, queries, keys):
        its, drawn, scores = w.within(name), [], []
        parts = (its.linear(f"to_{x}", of) for x, of in (("q", queries), ("k", keys), ("v", keys)))
        for q, k, v in zip(*(np.split(part, heads, axis=1) for part in parts), strict=True):
            scores.append(q @ k.T / np.sqrt(q.shape[1]))
            drawn.append(softmax(scores[-1], axis=1) @ v)
        return its.linear("to_out", np.concatenate(drawn, axis=1)), np.stack(scores)

    def feed(i, x):
        a, b = np.split(w.linear(f"feed_forward.{i}.widen", x), 2, axis=1)
        return w.linear(f"feed_forward.{i}.narrow", a * gelu(b))

    def norm(i, x):
        return w.norm(f"norms.{i}", x)

    patches = w.linear("project.3", relu(w.norm("project.1", w.linear("project.0", bag))))
    prototypes = norm(0, w["prototypes"][0])
    t, scores = attend("draw", prototypes, norm(1, patches))
    chance = softmax(scores[:, 1:], axis=1)  # (heads, local, N)
    n_local, kept = chance.shape[1], np.zeros(chance.shape[1])
    for h in range(heads):
        for n in range(len(bag)):
            best = chance[h, :, n].argmax()
            kept[best] += chance[h, best, n] > 1 / n_local
    t = feed(0, norm(2, t)) + t
    t = attend("mix", norm(3, t), norm(3, t))[0] + t
    t = feed(1, norm(4, t)) + t
    t = attend("draw", prototypes, norm(5, t))[0] + t
    t = feed(2, norm(6, t)) + t
    t[1:] *= 1 + (kept / kept.sum())[:, None]
    t = attend("mix", norm(7, t), norm(7, t))[0] + t
    t = feed(3, norm(8, t)) + t
    local = w.norm("local_norm", relu(w.norm("compress.1", w.linear("compress.0", t[1:]))).flatten())
    return w.linear("head", np.concatenate([t[0], local]))
