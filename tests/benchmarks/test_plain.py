"""Two implementations of every method, written apart from each other, agree; the plain ones meet the goldens too."""

import pytest
import torch
from torch.testing import assert_close

from benchmarks.plain.ccl import CCL
from benchmarks.plain.clam_sb import CLAMSB
from benchmarks.plain.cmta import CMTA
from benchmarks.plain.dsmil import DSMIL
from benchmarks.plain.ghanet import GHANet
from benchmarks.plain.mcat import MCAT
from benchmarks.plain.mcti import MCTI
from benchmarks.plain.pooling import ABMIL
from benchmarks.plain.porpoise import PORPOISE
from benchmarks.plain.survpath import SurvPath
from benchmarks.plain.transmil import TransMIL
from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs, Target
from prognoscope.core.seeded import seeded
from prognoscope.models.checkpoints.loading import load_released
from tests.conftest import GOLDEN
from tests.golden.case import Case

D, GROUPS, BINS = 24, (5, 7, 11, 6, 13, 4), 4
N_PATCHES = (53, 300)


def a_patient(n: int) -> tuple[torch.Tensor, list[torch.Tensor], Inputs]:
    generator = torch.Generator().manual_seed(n)
    bag = torch.randn(n, D, generator=generator)
    genes = [torch.randn(size, generator=generator) for size in GROUPS]
    return bag, genes, Inputs(Bags(bag, torch.tensor([n])), tuple(group[None] for group in genes))


def perturbed(make) -> torch.nn.Module:
    """Random weights everywhere, so that norms, biases and class tokens show."""
    with seeded(0):
        plain = make().eval()
        for value in plain.parameters():
            value.data += 0.1 * torch.randn_like(value)
    return plain


@pytest.mark.parametrize("n", N_PATCHES)
@pytest.mark.parametrize("censored", [False, True])
def test_cmta_and_its_plain_reading_agree(n, censored):
    plain = perturbed(lambda: CMTA(D, GROUPS, BINS, d=32, hidden=48))
    ours = load_released("cmta", plain.state_dict(), variant="released", alpha=1.0)
    same(ours, plain, n, censored, lambda bag, genes: plain(bag, genes)["logits"])


@pytest.mark.parametrize("n", N_PATCHES)
@pytest.mark.parametrize("censored", [False, True])
def test_ghanet_and_its_plain_reading_agree(n, censored):
    plain = perturbed(lambda: GHANet(D, GROUPS, BINS, d=32, gate=12, compressed=16))
    ours = load_released("ghanet", plain.state_dict(), variant="released")
    same(ours, plain, n, censored, lambda bag, genes: plain(bag)["logits"])


OTHERS = {
    "abmil": lambda: ABMIL(D, BINS, 32, 16),
    "clam_sb": lambda: CLAMSB(D, BINS, 32, 16),
    "dsmil": lambda: DSMIL(D, BINS, 16),
    "mcat": lambda: MCAT(D, GROUPS, BINS, 32, 48),
    "porpoise": lambda: PORPOISE(D, GROUPS, BINS, 32, 32, (4, 4), 20),
    "survpath": lambda: SurvPath(D, GROUPS, BINS, 32),
    "transmil": lambda: TransMIL(D, BINS, 32),
}
READ_GENES = {"mcat", "porpoise", "survpath"}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(("n", "censored"), [(53, True), (300, False)])
def test_a_method_and_its_plain_reading_agree(name, n, censored):
    plain = perturbed(OTHERS[name])
    ours = load_released(name, plain.state_dict())
    as_one = name == "porpoise"  # which reads all genes as one vector

    def logits_of(bag, genes):
        return (plain(bag, genes) if name in READ_GENES else plain(bag))["logits"]

    same(ours, plain, n, censored, logits_of, alpha=0.5 if name == "survpath" else 0.0, as_one=as_one)


@pytest.mark.parametrize("n", N_PATCHES)
def test_mcti_and_its_plain_reading_agree(n):
    plain = perturbed(lambda: MCTI(D, GROUPS, BINS, 3, 12, 4 * D, 4, 5, (1, 2), 8))
    ours = load_released("mcti", plain.state_dict(), variant="released")
    bag, genes, inputs = a_patient(n)
    theirs, output = plain(bag, genes), ours(inputs)
    assert_close(output.logits, theirs["logits"], atol=1e-5, rtol=0)
    assert_close(output.subtype_logits, theirs["subtype"], atol=1e-5, rtol=0)


def test_ccl_and_its_plain_reading_agree_patient_after_patient():
    plain = perturbed(lambda: CCL(D, GROUPS, BINS, 32, 24, k=4, bank_length=2))
    dropout = {"dropout": 0.0, "attention_dropout": 0.0}
    ours = load_released("ccl", plain.state_dict(), anchor=plain.anchor, bank_length=2, **dropout).train()
    without_dropout(plain.train())
    for i in range(14):
        bag, genes, inputs = a_patient(40 + 5 * i)
        label, censored = (3 * i) % BINS, i % 3 == 0
        target = Target(torch.tensor([label]), torch.tensor([not censored]), torch.ones(1), patient=torch.tensor([i]))
        output = ours(inputs)
        loss = ours.survival_loss(output, target) + sum(ours.extra_losses(output, target).values())
        theirs = plain.loss(bag, genes, label, censored, 0)
        assert_close(loss.sum(), theirs.reshape(()), atol=1e-5, rtol=1e-5)
        loss.sum().backward()
        theirs.backward()
        ours.remember(ours.to_remember(output, target))
        assert_close(ours.anchor, plain.anchor, atol=1e-5, rtol=0)
    assert_close(size_of_gradient(ours), size_of_gradient(plain), rtol=1e-4, atol=0)
    assert_close(ours.eval()(inputs).logits, plain.eval()(bag, genes)["logits"], atol=1e-5, rtol=0)


def same(ours, plain, n, censored, logits_of, *, alpha=0.0, as_one=False):
    """Logits to 1e-5, and the loss of a patient with its gradient's size."""
    bag, genes, inputs = a_patient(n)
    if as_one:
        inputs = Inputs(inputs.bags, (torch.cat(inputs.omics, dim=1),))
    output = ours(inputs)
    assert_close(output.logits, logits_of(bag, genes), atol=1e-5, rtol=0)
    target = Target(torch.tensor([2]), torch.tensor([not censored]), torch.ones(1), torch.tensor([1]), inputs.omics)
    losses = ours.extra_losses(output, target, alpha=alpha).values()
    loss = sum([ours.survival_loss(output, target, alpha=alpha), *losses]).sum()
    theirs = plain.loss(bag, genes, 2, censored, 1)
    assert_close(loss, theirs.reshape(()), atol=1e-5, rtol=1e-5)
    loss.backward()
    theirs.backward()
    assert_close(size_of_gradient(ours), size_of_gradient(plain), rtol=1e-4, atol=0)


def without_dropout(plain: torch.nn.Module) -> None:
    for dropout in (each for each in plain.modules() if hasattr(each, "p")):
        dropout.p = 0.0


def size_of_gradient(model) -> torch.Tensor:
    return sum((each.grad**2).sum() for each in model.parameters() if each.grad is not None).sqrt()


def meets_cmta(case: Case) -> None:
    hidden, sizes = case.meta["hidden_omic"][0], case.meta["omic_sizes"]
    plain = CMTA(case.meta["path_dim"], sizes, case.meta["n_bins"], case.meta["dim"], hidden)
    output = loaded(plain, case)(case["in:x_path"], [case[f"in:omic{i}"] for i in range(1, 7)])
    for name, value in output.items():
        case.same(value, name)


def meets_ghanet(case: Case) -> None:
    meta = case.meta
    widths = (meta["D"], meta["heads"], meta["gate_dim"], meta["comp_dim"], meta["ratio"])
    plain = loaded(GHANet(meta["in_dim"], meta["omic_sizes"], meta["n_classes"], *widths), case)
    output = plain(case["in:x"])
    for name in ("logits", "assoc", "w_genomic"):
        case.same(output[name], name)
    genes = [case[f"in:omic{i}"] for i in range(1, 7)]
    loss = plain.loss(case["in:x"], genes, int(case["in:label"]), bool(case["in:censorship"]), 0)
    case.same(loss, "loss_total")
    loss.backward()
    case.same_gradients(plain, lambda name: name)


def meets_ccl(case: Case) -> None:
    meta = case.meta
    widths = (meta["feat_dim"], meta["omic_hidden"], meta["num_cluster"])
    plain = loaded(CCL(meta["path_dim"], meta["omic_sizes"], meta["n_classes"], *widths), case)
    plain.anchor = case["in:anchor"][0]
    output = plain(case["in:x_path"][0], case["in:x_omic"][0].split(meta["omic_sizes"]))
    case.same(output["centres"], "aligned_centers")
    case.same(output["logits"], "logits")


def meets_ccl_training(case: Case) -> None:
    meta = case.meta
    widths = (meta["feat_dim"], meta["omic_hidden"], meta["num_cluster"], meta["bank_length"])
    plain = loaded(CCL(meta["path_dim"], meta["omic_sizes"], meta["n_classes"], *widths), case).train()
    plain.anchor = case["in:anchor0"][0]
    without_dropout(plain)
    optimizer = torch.optim.SGD(plain.parameters(), lr=meta["lr"], weight_decay=meta["weight_decay"])
    losses = []
    for i in range(meta["steps"]):
        genes = case[f"in:x_omic_{i}"][0].split(meta["omic_sizes"])
        loss = plain.loss(case[f"in:x_path_{i}"][0], genes, int(case["in:label"][i]), bool(case["in:censored"][i]), 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach().reshape(()))
        assert_close(plain.anchor, case["out:anchor"][i], atol=1e-5, rtol=0)
    case.same(torch.stack(losses), "loss")


def meets_mcti(case: Case) -> None:
    meta = case.meta
    widths = [meta[name] for name in ("embed_num", "gene_hidden", "gene_heads", "token_num", "num_blocks", "q_dim")]
    sizes = (meta["embed_dim"], [meta["gene_dim"]], meta["n_bins"], meta["n_classes"])
    plain = loaded(MCTI(*sizes, *widths, meta["uot_reg_type"]), case)
    output = plain(case["in:bag"], [case["in:gene"]])
    case.same(output["logits"], "surv_logits")
    case.same(output["subtype"], "cls_logits")


def meets_mcat(case: Case) -> None:
    meta = case.meta
    sizes = (meta["path_dim"], meta["omic_sizes"], meta["n_classes"], meta["embed_dim"], meta["ff_dim"])
    output = loaded(MCAT(*sizes), case)(case["in:path"], [case[f"in:omic{i}"] for i in range(1, 7)])
    for name in ("coattn", "fused", "logits"):
        case.same(output[name], name)


def meets_survpath(case: Case) -> None:
    meta = case.meta
    plain = loaded(SurvPath(meta["path_dim"], meta["pathway_sizes"], meta["n_classes"], meta["embed_dim"]), case)
    output = plain(case["in:path"], [case[f"in:omic{i}"] for i in range(1, 8)])
    for name in ("attn_pathway", "attn_patch", "attended", "embedding", "logits"):
        case.same(output[name], name)


def meets_porpoise(case: Case) -> None:
    meta, inner = case.meta, case.meta["bilinear_hidden"]
    widths = (meta["hidden"], meta["embed_dim"], (meta["scale_dim1"], meta["scale_dim2"]), inner)
    plain = loaded(PORPOISE(meta["path_dim"], [meta["omic_dim"]], meta["n_classes"], *widths), case)
    output = plain(case["in:path"], [case["in:omic"].flatten()])
    for name in ("attn", "fused", "logits"):
        case.same(output[name], name)


def meets_transmil(case: Case) -> None:
    plain = TransMIL(case.meta["path_dim"], case.meta["n_bins"], case.meta["dim"])
    plain._fc2, plain.classifier = None, plain._fc2  # as the survival copy calls it
    plain = loaded(plain, case)
    plain._fc2 = plain.classifier
    output = plain(case["in:x_path"].reshape(-1, case.meta["path_dim"]))
    case.same(output["slide"], "slide")
    case.same(output["logits"], "logits")


def meets_clam_sb(case: Case) -> None:
    meta = case.meta
    plain = CLAMSB(meta["dims"][0], meta["n_classes"], *meta["dims"][1:], k=meta["k_sample"])
    plain.cls_head, plain.classifiers = plain.classifiers, None  # as MCTI's copy calls it
    plain = loaded(plain, case)
    plain.classifiers = plain.cls_head
    output = plain(case["in:x"])
    for name in ("attention", "logits"):
        case.same(output[name], name)
    case.same(plain.instances(output, int(case["in:label"])), "instance_loss")


def meets_dsmil(case: Case) -> None:
    output = loaded(DSMIL(case.meta["d"], case.meta["C"], case.meta["q_dim"]), case)(case["in:bag"])
    for name, theirs in {"logits": "bag_logits"}.items() | {each: each for each in output if each != "logits"}.items():
        case.same(output[name], theirs)


def meets_abmil(case: Case) -> None:
    output = loaded(ABMIL(case.meta["dims"][0], case.meta["n_classes"], *case.meta["dims"][1:]), case)(case["in:x"])
    for name in ("attention", "logits"):
        case.same(output[name], name)


def loaded(plain: torch.nn.Module, case: Case) -> torch.nn.Module:
    """With the golden's weights; what the plain module lacks is never used."""
    lacking = plain.load_state_dict(case.weights, strict=False).missing_keys
    assert not lacking
    return plain.eval()


MEETS = {
    "abmil": meets_abmil,
    "clam_sb": meets_clam_sb,
    "dsmil": meets_dsmil,
    "mcat": meets_mcat,
    "porpoise": meets_porpoise,
    "survpath": meets_survpath,
    "transmil": meets_transmil,
    "cmta_released": meets_cmta,
    "ghanet_released": meets_ghanet,
    "ccl_forward": meets_ccl,
    "ccl_train_sequence": meets_ccl_training,
    "mcti_released": meets_mcti,
}
OTHER_FORMS = {"mcat_bilinear", "porpoise_concat", "clam_sb_nosub", "dsmil_linear_passv", "transmil_legacy_n10"}
FILES = sorted({each for check in MEETS for each in GOLDEN.glob(f"{check.split('_')[0]}_*.npz")})
CASES = [
    case
    for case in map(Case, FILES)
    if case.meta["check"] in MEETS and case.meta.get("model_size") != "large" and case.path.stem not in OTHER_FORMS
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path.stem)
def test_the_plain_reading_gives_the_published_numbers(case):
    MEETS[case.meta["check"]](case)
