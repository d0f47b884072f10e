"""Published names of G-HANet's parameters."""

from torch import Tensor

NAMES = {
    "recon_net.wsi_net.0": "associate.project",
    "recon_net.tokens": "associate.tokens",
    "recon_net.cross_attention0.to_q.0": "associate.attend.to_q",
    "recon_net.cross_attention0.to_k.0": "associate.attend.to_k",
    "recon_net.cross_attention0.to_v": "associate.attend.to_v",
    "recon_net.cross_attention0.to_out": "associate.attend.to_out",
    "recon_net.ln_1": "associate.query_norm.0",
    "recon_net.ln_2": "associate.patch_norm",
    "recon_net.ln_3": "associate.update_norm.0",
    "recon_net.ln_4": "associate.query_norm.1",
    "recon_net.ln_5": "associate.update_norm.1",
    "recon_net.ln_6": "associate.last_norm",
    "recon_net.ffn0.net.0": "associate.feed_forward.0.widen",
    "recon_net.ffn0.net.2": "associate.feed_forward.0.narrow",
    "recon_net.ffn1.net.0": "associate.feed_forward.1.widen",
    "recon_net.ffn1.net.2": "associate.feed_forward.1.narrow",
    "recon_net.sig_reconstruct_net": "reconstruct",
    "wsi_net": "project",
    "gate.attention_a.0": "pool.gate.tanh_branch.0",
    "gate.attention_b.0": "pool.gate.gate_branch.0",
    "gate.attention_c": "pool.gate.score",
    "hyperconv1.linear1": "pool.refine.0",
    "hyperconv1.ln1": "pool.refine.1",
    "hyperconv1.linear2": "pool.refine.3",
    "hyperconv1.ln2": "pool.refine.4",
    "attention.to_q.0": "attend.to_q",
    "attention.to_k.0": "attend.to_k",
    "attention.to_v": "attend.to_v",
    "attention.to_out": "attend.to_out",
    "ln1": "norm",
    "ffn.net.0": "feed_forward.widen",
    "ffn.net.2": "feed_forward.narrow",
    "butter": "compress",
    "classifier": "head",
}
UNUSED = ("recon_net.cross_attention1.",)  # made by the published code and never called


def arguments(state: dict[str, Tensor]) -> dict[str, object]:
    """The constructor's arguments, read from the shapes: all but the heads, the ratio and the losses' options."""
    hidden_dim, embedding_dim = state["project.0.weight"].shape
    compress_dim, width = state["compress.0.weight"].shape
    n_tokens = state["associate.tokens"].shape[1]
    return {
        "embedding_dim": embedding_dim,
        "group_sizes": tuple(len(state.get(f"reconstruct.{i}.4.bias", ())) for i in range(n_tokens)),  # 0: no head
        "n_bins": len(state["head.bias"]),
        "variant": "paper" if width == 2 * hidden_dim else "released",
        "hidden_dim": hidden_dim,
        "attention_dim": len(state["pool.gate.score.weight"][0]),
        "compress_dim": compress_dim,
    }
