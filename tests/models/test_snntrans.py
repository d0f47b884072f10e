"""SNNTrans' laws: it is CMTA's gene encoder, patients keep apart, and the class token's rows are those of the maps."""

import pytest
import torch
from torch.testing import assert_close

from prognoscope.core.bags import Bags
from prognoscope.core.batch import Inputs
from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.seeded import seeded
from prognoscope.models.checkpoints.loading import load_released, rename
from prognoscope.models.cmta.network import CMTA
from prognoscope.models.creation import create_model
from prognoscope.models.snntrans.names import NAMES
from prognoscope.models.snntrans.network import SNNTrans

GROUPS = (4, 1, 3, 5, 2)
SMALL = {"d": 16, "gene_hidden": (8,), "landmarks": 12}
OPTIONS = [{}, {"encoder": "transmil"}, {"attention": "exact"}, {"landmarks": 4}]


def model_of(**options):
    with seeded(0):
        return SNNTrans(GROUPS, 4, **{**SMALL, **options}).eval()


def inputs_of(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    omics = tuple(torch.randn(n, size, generator=generator) for size in GROUPS)
    return Inputs(Bags(torch.zeros(0, 1), torch.zeros(n, dtype=torch.int64)), omics)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_patients_together_equal_patients_alone_in_all_details(options):
    model, inputs = model_of(**options), inputs_of(4)
    together, maps = model(inputs), model.stages(inputs)
    for i, one in enumerate(inputs.split()):
        alone = model(one)
        assert_close(together.logits[i : i + 1], alone.logits)
        for name, value in alone.details.items():
            assert_close(together.details[name][i : i + 1], value)
        for name, value in model.stages(one).items():
            assert_close(maps[name][i : i + 1], value)


def test_it_is_the_gene_encoder_of_cmta():
    cmta = CMTA(6, GROUPS, 4, patch_hidden=8, **SMALL).eval()
    parts = {"genes": "genomics_fc", "gene_encoder": "genomics_encoder", "head": "classifier"}
    back = {ours: theirs for theirs, ours in NAMES.items()}
    state = {rename(k, back): v for k, v in cmta.state_dict().items() if k.split(".")[0] in parts}
    model = load_released("snntrans", state, landmarks=SMALL["landmarks"])
    genes = inputs_of(3)
    both = Inputs(Bags(torch.randn(6, 6), torch.tensor([1, 2, 3])), genes.omics)
    assert_close(model(genes).details["g"], cmta(both).details["g"])
    assert_close(model(genes).details["tokens"], cmta.stages(both)["gene_tokens"])


@pytest.mark.parametrize("encoder", ["genomics", "transmil"])
def test_class_token_rows_are_those_of_the_full_map_folded(encoder):
    model, inputs = model_of(encoder=encoder), inputs_of(1)
    attend, norm = model.gene_encoder.layer1.attend, model.gene_encoder.layer1.norm
    tokens = torch.cat([model.gene_encoder.class_token[0], model.genes(inputs.omics)[0]])
    if encoder == "transmil":
        tokens = torch.cat([tokens, tokens[1:5]])  # 5 groups fill a square of 9 with copies of the first 4
    row = attend.map(norm(tokens)).detach()[:, -len(tokens), 1 - len(tokens) :].mT
    if encoder == "transmil":
        row = torch.cat([row[:4] + row[5:], row[4:5]])
    assert_close(model.stages(inputs)["layer1"][0], row)


def test_squaring_appends_copies_to_the_tokens():
    assert model_of()(inputs_of(2)).details["tokens"].shape == (2, 5, 16)
    assert model_of(encoder="transmil")(inputs_of(2)).details["tokens"].shape == (2, 9, 16)


def test_exact_attention_puts_all_weight_on_tokens_and_nystrom_little():
    inputs, model = inputs_of(3), model_of(attention="exact")
    shares = model.stages(inputs)["layer1"].sum(dim=1)
    assert ((shares > 0.5) & (shares < 1)).all()  # the class token has the rest
    few = model_of(landmarks=120).stages(inputs)["layer1"].sum(dim=1)
    assert few.abs().max() < 0.2


def test_a_patient_without_genes_harms_nobody_else():
    inputs = inputs_of(2)
    inputs.omics[0][1] = torch.nan
    logits = model_of()(inputs).logits
    assert_close(logits[:1], model_of()(inputs.split()[0]).logits)
    assert logits[1].isnan().all()


def test_parameters_number_as_published_and_start_as_published():
    model = SNNTrans((94, 334, 521, 468, 1496, 479), 4)
    assert sum(p.numel() for p in model.parameters()) == 5_582_100
    assert 0.5e-6 < model.gene_encoder.class_token.std() < 2e-6
    qkv = model.gene_encoder.layer2.attend.to_qkv
    assert_close(qkv.weight.std().item(), (2 / (256 + 768)) ** 0.5, rtol=0.02, atol=0)
    assert len(SNNTrans((3,), 4, model_size="large").genes[0]) == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"encoder": "transmill"}, "snntrans has no encoder 'transmill'; did you mean 'transmil'"),
        ({"model_size": "huge"}, "snntrans has no model_size 'huge'"),
        ({"attention": "exat"}, "snntrans has no attention 'exat'; did you mean 'exact'"),
    ],
)
def test_options_that_do_not_exist_are_named(options, says):
    with pytest.raises(ModelError, match=says):
        model_of(**options)


def test_other_groups_than_it_was_made_for_are_refused():
    inputs = inputs_of(1)
    with pytest.raises(InputError, match=r"gene groups of \(4, 1, 3, 5, 2\) genes, not of \(4, 1\)"):
        model_of()(Inputs(inputs.bags, inputs.omics[:2]))


def test_a_checkpoint_of_another_method_is_refused(tmp_path):
    state = CMTA(6, GROUPS, 4, patch_hidden=8, **SMALL).state_dict()
    back = {ours: theirs for theirs, ours in NAMES.items()}
    torch.save({rename(name, back): value for name, value in state.items()}, tmp_path / "cmta.pt")
    with pytest.raises(ModelError, match=r"The checkpoint does not fit snntrans: missing nothing; left over .*patho"):
        create_model("snntrans", weights=tmp_path / "cmta.pt")
