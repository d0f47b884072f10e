"""What plain readings are written with: one patient, double precision, every product as its equation has it."""

import math

import numpy as np
from scipy.special import erf


class Weights:
    """A model's parameters and buffers by our names; nothing else of the package is used to read it."""

    def __init__(self, state: dict[str, np.ndarray], prefix: str = ""):
        self.state, self.prefix = state, prefix

    def within(self, name: str) -> "Weights":
        return Weights(self.state, f"{self.prefix}{name}.")

    def __getitem__(self, name: str) -> np.ndarray:
        return self.state[self.prefix + name]

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.state

    def linear(self, name: str, x: np.ndarray) -> np.ndarray:
        """x W + b; without b where there is none."""
        out = x @ self[f"{name}.weight"].T
        return out + self[f"{name}.bias"] if f"{name}.bias" in self else out

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        """The layer norm of each row."""
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        return scaled * self[f"{name}.weight"] + self[f"{name}.bias"]


def relu(x):
    return np.maximum(x, 0)


def elu(x):
    return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)


def gelu(x):
    return x * (1 + erf(x / math.sqrt(2))) / 2


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def gated_scores(w: Weights, x: np.ndarray) -> np.ndarray:
    """c . (tanh(x V + v) * sigmoid(x U + u)) + c0, a column a branch."""
    return w.linear("score", np.tanh(w.linear("tanh_branch.0", x)) * sigmoid(w.linear("gate_branch.0", x)))


def gated_pool(w: Weights, x: np.ndarray) -> np.ndarray:
    """The rows of x weighed by the softmax of their scores; a row a branch."""
    return softmax(gated_scores(w, x), axis=0).T @ x


def self_normalising(w: Weights, x: np.ndarray, blocks: int) -> np.ndarray:
    for i in range(blocks):
        x = elu(w.linear(f"{i}.0", x))
    return x


def nystrom(w: Weights, x: np.ndarray, *, heads: int = 8, steps: int = 6) -> np.ndarray:
    """Three softmaxes over d / 2 landmarks, zeros in front; the start of the pseudo-inverse is common to all heads."""
    (n, d), rows = x.shape, []
    m = d // 2
    x = np.concatenate([np.zeros((-n % m, d)), x])
    q, k, v = (part.reshape(len(x), heads, -1).transpose(1, 0, 2) for part in np.split(x @ w["to_qkv.weight"].T, 3, 1))
    q = q / math.sqrt(d // heads)
    q_mean, k_mean = (each.reshape(heads, m, -1, d // heads).mean(axis=2) for each in (q, k))
    second = softmax(q_mean @ k_mean.transpose(0, 2, 1), axis=2)
    start = 1 / (second.sum(axis=2).max() * second.sum(axis=1).max())
    for h in range(heads):
        a, one = second[h], np.eye(m)
        z = start * a.T
        for _ in range(steps):
            z = z @ (13 * one - a @ z @ (15 * one - a @ z @ (7 * one - a @ z))) / 4
        mixed = softmax(q[h] @ k_mean[h].T, axis=1) @ z @ (softmax(q_mean[h] @ k[h].T, axis=1) @ v[h])
        rows.append(mixed + along_tokens(w["convolve.weight"][h, 0, :, 0], v[h]))
    return w.linear("to_out", np.concatenate(rows, axis=1))[-n:]


def along_tokens(kernel: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Each token's values and its neighbours', weighed by the kernel."""
    out, half = np.zeros_like(v), len(kernel) // 2
    for t in range(len(v)):
        for j, weight in enumerate(kernel):
            if 0 <= t + j - half < len(v):
                out[t] += weight * v[t + j - half]
    return out


def position_code(w: Weights, x: np.ndarray) -> np.ndarray:
    """Depthwise convolutions of 7, 5 and 3 on the square of tokens behind the class token, added to it."""
    side = math.isqrt(len(x) - 1)
    image = x[1:].reshape(side, side, -1)
    out = image.copy()
    for size in (7, 5, 3):
        kernel, half = w[f"conv{size}.weight"][:, 0], size // 2
        padded = np.pad(image, ((half, half), (half, half), (0, 0)))
        for i in range(side):
            for j in range(side):
                patch = padded[i : i + size, j : j + size]
                out[i, j] += np.einsum("ijd,dij->d", patch, kernel) + w[f"conv{size}.bias"]
    return np.concatenate([x[:1], out.reshape(side * side, -1)])


def encoded(w: Weights, x: np.ndarray, *, square: bool) -> np.ndarray:
    """The class token of two Nystrom layers, between which a square of tokens gets its position code."""
    if square:
        side = math.isqrt(len(x) - 1) + 1
        x = np.concatenate([x, x[: side * side - len(x)]])
    x = np.concatenate([w["class_token"][0], x])
    x = x + nystrom(w.within("layer1.attend"), w.norm("layer1.norm", x))
    x = position_code(w.within("ppeg"), x) if square else x
    x = x + nystrom(w.within("layer2.attend"), w.norm("layer2.norm", x))
    return w.norm("norm", x)[0]
