"""A trained fold and a patient -> what the prediction rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Bool

from prognoscope.cohort.cohort import Cohort
from prognoscope.core.batch import Inputs
from prognoscope.core.errors import InputError
from prognoscope.explanation.explanation import COMPUTED_GROUP_SCORES, Explanation, PatchScores
from prognoscope.explanation.faithfulness import Measures, against_truth, agreement, curves, shuffled
from prognoscope.explanation.gradients import gene_attribution
from prognoscope.explanation.leaving_out import gene_group_effects, regions_of
from prognoscope.explanation.log_risk import UNIT, log_risks
from prognoscope.explanation.modalities import modality_worths
from prognoscope.explanation.patch_maps import columns_of, computed_maps, own_maps
from prognoscope.features.store import PackedEmbeddings
from prognoscope.models.base import SurvivalModel
from prognoscope.models.explained import Explained
from prognoscope.training.trained import Trained

MODALITIES = ("modality", "shapley", "without")
FAITHFULNESS = ("map", "measure", "value")
SHUFFLES = 5  # of a model's weights
MOST_OTHERS = 16  # patients whose modalities stand in for those that are taken away


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of a simulated patient."""

    patches: Mapping[str, Bool[np.ndarray, " N"]] = field(default_factory=dict)  # kind -> whether each patch is of it
    genes: frozenset[str] = frozenset()  # that carry the signal


def explain(
    trained: Trained,
    patient: str,
    *,
    cohort: Cohort,
    embeddings: PackedEmbeddings | None = None,
    others: Sequence[str] = (),
    siblings: Sequence[Trained] = (),
    truth: Truth | None = None,
) -> Explanation:
    """What a fold's prediction of a patient rests on, and how far that can be believed.

    Args:
        embeddings: The bags, where the model needs them.
        others: Patients of the cohort who stand in where a modality is taken away; the fold's training patients.
        siblings: The other folds' models, to see whether they look at the same.
        truth: Of a simulated patient.

    Raises:
        CohortError: The patient lacks what the model needs.
    """
    model, most = trained.model.to(trained.spec.device).eval(), trained.spec.most_patches
    inputs = _inputs_of(trained, [patient], cohort, embeddings)[0]
    names = _names(trained)
    explained = model.explain(inputs)
    slides = () if embeddings is None or not len(inputs.bags.values) else embeddings.slides(patient)
    maps, notes, measures = own_maps(explained, names) if slides else [], [], []
    if slides:
        computed, told = computed_maps(model, inputs, regions_of(inputs, slides), most_patches=most)
        maps, notes = [*maps, *computed], [*notes, *told]
        try:
            measures += curves(model, inputs, maps, most_patches=most)
        except InputError as cause:  # a bag with patches left out is too small for the model
            notes.append(f"Deletion and insertion are not measured: {cause}")
        elsewhere = [(each, _inputs_of(each, [patient], cohort, embeddings)[0]) for each in siblings]
        measures += _agreements(trained, inputs, elsewhere, maps)
        measures += against_truth(maps, {} if truth is None else truth.patches)
    groups, genes, meanings = _gene_tables(trained, inputs, explained, names)
    if truth is not None and len(genes):
        measures += _of_genes(genes, truth.genes)
    others = [other for other in others if other != patient][:MOST_OTHERS]
    worths = modality_worths(
        model, inputs, _inputs_of(trained, others, cohort, embeddings) if others else [], most_patches=most
    )
    return Explanation(
        patient=patient,
        method=trained.card.title,
        folds=(trained.card.fold,),
        log_risk=float(log_risks(model, [inputs], most_patches=most)[0]),
        maps=tuple(maps),
        gene_groups=groups,
        genes=genes,
        modalities=pd.DataFrame([(w.modality, w.shapley, w.without) for w in worths], columns=list(MODALITIES)),
        faithfulness=pd.DataFrame(measures, columns=list(FAITHFULNESS)),
        meanings=meanings,
        notes=tuple(notes),
    )


def _inputs_of(
    trained: Trained, patients: Sequence[str], cohort: Cohort, embeddings: PackedEmbeddings | None
) -> list[Inputs]:
    dataset = trained.dataset(cohort, patients, embeddings)
    return [dataset.batch([i], trained.spec.device).inputs for i in range(len(dataset))]


def _names(trained: Trained) -> dict[str, Sequence[str]]:
    edges = trained.card.time_bins.edges
    bins = [_interval(low, high) for low, high in pairwise(edges)]
    preparation = trained.preparation
    return {"gene_groups": list(preparation.gene_groups), "bins": bins, "subtypes": list(preparation.subtypes)}


def _interval(low: float, high: float) -> str:
    if np.isinf(high):
        return f"from month {low:.1f}"
    return f"to month {high:.1f}" if low <= 0 else f"month {low:.1f} to {high:.1f}"


def _agreements(
    trained: Trained, inputs: Inputs, siblings: Sequence[tuple[Trained, Inputs]], maps: Sequence[PatchScores]
) -> Measures:
    """How far the maps agree with those of shuffled weights, and with those of other folds."""
    unlearned = [_quick_maps(trained, shuffled(trained.model, seed), inputs) for seed in range(SHUFFLES)]
    others = [_quick_maps(each, each.model.to(each.spec.device).eval(), its) for each, its in siblings]
    return agreement("randomisation_correlation", maps, unlearned) + agreement("fold_stability", maps, others)


def _quick_maps(trained: Trained, model: SurvivalModel, inputs: Inputs) -> list[PatchScores]:
    """A model's own maps and that of its gradient."""
    one_region = np.zeros(len(inputs.bags.values), np.int64)  # so that nothing is left out
    computed, _ = computed_maps(model, inputs, one_region, most_patches=trained.spec.most_patches)
    return [*own_maps(model.explain(inputs), _names(trained)), *computed]


def _gene_tables(
    trained: Trained, inputs: Inputs, explained: Explained, names: dict[str, Sequence[str]]
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, tuple[str, str]]]:
    """The scores of gene groups and of genes, and what those of groups mean."""
    model = trained.model
    if "omics" not in model.profile.needs or not inputs.omics or any(each.isnan().any() for each in inputs.omics):
        return pd.DataFrame(), pd.DataFrame(), {}
    effects = gene_group_effects(model, inputs, most_patches=trained.spec.most_patches)
    attributions = gene_attribution(model, inputs)
    left_out, integrated = COMPUTED_GROUP_SCORES
    groups = pd.DataFrame({"group": names["gene_groups"], left_out: effects})
    groups[integrated] = [float(each.sum()) for each in attributions]
    meanings = {
        left_out: (
            "By how much the log risk would fall, were the genes 0, which is average if scaled.",
            UNIT,
        ),
        integrated: (
            "What the genes add to the log risk of genes at 0, which is average if scaled.",
            UNIT,
        ),
    }
    for name, scores in explained.gene_groups.items():
        for ending, _, values in columns_of(scores, names):
            if values[0].numel() == len(groups):
                groups[name + ending] = values[0].detach().double().cpu().numpy()
                meanings[name + ending] = (scores.kind.meaning, scores.kind.unit)
    rows = []
    for (group, genes), values, scores in zip(
        trained.preparation.gene_groups.items(), inputs.omics, attributions, strict=True
    ):
        told = zip(genes, values[0].tolist(), scores[0].tolist(), strict=True)
        rows += [(group, gene, value, score) for gene, value, score in told]
    return groups, pd.DataFrame(rows, columns=["group", "gene", "value", "integrated_gradients"]), meanings


def _of_genes(genes: pd.DataFrame, carriers: frozenset[str]) -> Measures:
    """The AUROC of how far each gene moves the log risk for the genes that carry the signal."""
    score = genes["integrated_gradients"].abs().groupby(genes["gene"]).sum()
    pseudo = PatchScores("integrated_gradients", score.to_numpy(), "", UNIT, "")
    return against_truth([pseudo], {"genes": np.array([gene in carriers for gene in score.index])})
