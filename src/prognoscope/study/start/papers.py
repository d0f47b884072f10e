"""Study files that repeat the table of a paper on one of its cohorts, each line with where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import wrap

from prognoscope.core.errors import StudyError
from prognoscope.study.protocols import CHOSEN, RULES


@dataclass(frozen=True, slots=True)
class PaperStudies:
    """The studies of one paper: what all its cohorts share, and what differs."""

    title: str
    cohorts: Mapping[str, Mapping[str, str]]  # our name of a cohort -> what fills the text for it
    brings: str  # what the user must have, a line each
    text: str  # of the study file, from `name` on, with {fields}


TCGA = {
    "blca": {"patients": "373", "cancer": "bladder urothelial carcinoma"},
    "brca": {"patients": "956", "cancer": "breast invasive carcinoma"},
    "gbmlgg": {"patients": "569", "cancer": "glioblastoma and lower grade glioma"},
    "luad": {"patients": "453", "cancer": "lung adenocarcinoma"},
    "ucec": {"patients": "480", "cancer": "uterine corpus endometrial carcinoma"},
}


ALPHA = {"blca": "1.0", "brca": "100.0", "gbmlgg": "1.0", "luad": "0.0001", "ucec": "1.0"}  # of CMTA's alignment


def _tcga(**of: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The five cohorts, with more fields: of={"blca": "1.0", ...}."""
    return {name: {**facts, **{key: each[name] for key, each in of.items()}} for name, facts in TCGA.items()}


BRINGS_TCGA = """\
tcga_{cohort}_all_clean.csv.zip: follow-up and genes of {patients} patients, a row a slide (MCAT's release)
signatures.csv: the six gene groups (MCAT's release)
splits/splits_0.csv to splits_4.csv: the five folds (MCAT's release, splits/5foldcv/tcga_{cohort})
slides/: the diagnostic slides, {cancer}, from the GDC (SVS)
the weights of ResNet-50 on ImageNet: `prognoscope check` says where they are looked for
"""
COHORT_TCGA = """\
cohort:
  clinical:
    table: tcga_{cohort}_all_clean.csv.zip
    patient: case_id
    time: survival_months        # overall survival (paper)
    time_unit: months
    censored: censorship         # 1 = censored (released)
    covariates: [age, is_female]  # ours: for coxph; no published method sees them
  slides: {{folder: slides}}       # whose they are is in the clinical table
  # ... or, in the place of slides, embeddings that you have:
  # features: {{folder: features}}
  omics: {{table: tcga_{cohort}_all_clean.csv.zip, groups: signatures.csv}}  # six groups (paper)
"""
FEATURES = """\
features:
  encoder: resnet50_trunc        # ResNet-50 on ImageNet, cut after its third stage: 1024 values a patch (paper)
  patch_px: 256                  # {patch_from}
  mpp: 0.5                       # 20x, as 10x is 1 um per pixel
  tissue: {{preset: {tissue}}}  # {tissue_from}
  # weights: hub                 # fetches them; or the file that has them
"""
SPLITS_TCGA = """\
splits: {{files: "splits/splits_{{fold}}.csv"}}  # five folds of training and test patients (paper); no third part
"""

GHANET = PaperStudies(
    title="G-HANet: Wang et al., Histo-genomic knowledge distillation for cancer prognosis, arXiv 2403.10040",
    cohorts=_tcga(
        ratio={"blca": "0.20", "brca": "0.15", "gbmlgg": "0.15", "luad": "0.20", "ucec": "0.35"},
        rate=dict.fromkeys(TCGA, "2e-4") | {"ucec": "1e-4"},
    ),
    brings=BRINGS_TCGA,
    text=COHORT_TCGA
    + FEATURES.replace("{patch_from}", "256 px at 20x (paper)")
    .replace("{tissue}", "saturation15")
    .replace("{tissue_from}", "saturation of at least 15 of 255 (paper)")
    + SPLITS_TCGA
    + """\
{protocol}
methods:                         # Table 2, in its order; each is trained by its own recipe
  - snn                          # genes alone
  - snntrans
  - abmil                        # AttnMIL; from here on slides alone
  - deepattnmisl
  - clam_sb
  - clam_mb
  - transmil
  - dtfd_mil
  - surformer
  - porpoise                     # slides and genes
  - mcat
  - motcat
  # distilled: the paper gives no setting of these four, so temperature and weights are ours
  - {{name: kd, label: kd-clam_sb-response, student: clam_sb, loss: response}}
  - {{name: kd, label: kd-clam_sb-representation, student: clam_sb, loss: representation}}
  - {{name: kd, label: kd-clam_mb-response, student: clam_mb, loss: response}}
  - {{name: kd, label: kd-clam_mb-representation, student: clam_mb, loss: representation}}
  - name: ghanet
    ratio: {ratio}                  # k % of the cohort, the best of Table 3: chosen on the folds that are reported
    fusion: concat               # the bridge of the paper; released: mean
    differential: welch_resampled  # released, and what gives the lengths of Table 1; the text says DESeq2
    min_genes: 0                 # as many genes as pass p < 0.05 (paper), even none of a group
    alpha_recon: 0.3             # weight of the reconstruction (released)
    sce_gamma: 3.0               # released; the paper says 1 or more
    training: {{optimizer: adam, learning_rate: {rate}, epochs: 20, patients_per_step: 32}}  # paper
    # ablations: all             # adds m0 to m6, the rows of its ablation table
    # vary: paper                # adds the values of k % in Table 3
training: {{n_bins: 4, seed: 1, device: auto}}  # bins: quartiles of the times of events; both as released
# seeds: 3                       # ours: the same with three seeds, and the SD over them apart
evaluation:
  cut_from: pooled               # high and low risk at the median of all held-out patients (paper)
  split: survival                # of predicted survival at the middle time (paper), not of the risk
  surgery: false                 # ours; true measures what slides and genes are each worth, which takes long
""",
)

CMTA = PaperStudies(
    title="CMTA: Zhou and Chen, Cross-modal translation and alignment for survival analysis, ICCV 2023",
    cohorts=_tcga(alpha=ALPHA),
    brings=BRINGS_TCGA,
    text=COHORT_TCGA
    + FEATURES.replace("{patch_from}", "256 px at 20x (released); the paper says 512 px at 40x, which is as wide")
    .replace("{tissue}", "clam")
    .replace("{tissue_from}", "ours: the paper names no rule; CLAM's is what such features are made with")
    + SPLITS_TCGA
    + """\
{protocol}
methods:                         # Table 1, in its order; each is trained by its own recipe
  - snn                          # genes alone
  - snntrans
  - maxmil                       # from here on slides alone
  - meanmil
  - abmil                        # AttMIL
  - clam_sb
  - clam_mb
  - transmil
  - dualtrans                    # from here on slides and genes
  - mcat
  - m3if
  - gpdbn
  - porpoise
  - hfbsurv
  - name: cmta
    alignment: l1                # paper: the best of Fig. 3 but on GBMLGG
    alpha: {alpha}                 # weight of the alignment (released command for this cohort); the paper gives none
    training: {{optimizer: sgd, learning_rate: 1e-3, momentum: 0.9, weight_decay: 1e-5, epochs: 30,
               patients_per_step: 1}}  # released; the paper gives none
    # ablations: all             # adds the rows of Table 2
    # vary: paper                # adds the alignments of Fig. 3
training: {{n_bins: 4, seed: 1, device: auto}}  # bins: quartiles of the times of events; both as released
# seeds: 3                       # ours: the same with three seeds, and the SD over them apart
evaluation:
  cut_from: pooled               # high and low risk at the median risk (paper)
  surgery: false                 # ours; true measures what slides and genes are each worth, which takes long
""",
)

CCL = PaperStudies(
    title="CCL: Zhou, Zhou and Chen, Cohort-individual cooperative learning for multimodal cancer survival analysis, "
    "IEEE TMI 2024",
    cohorts=_tcga(alpha=ALPHA),
    brings=BRINGS_TCGA,
    text=COHORT_TCGA
    + FEATURES.replace("{patch_from}", "256 px at 20x, as the features of CMTA, with whose table it shares 15 rows")
    .replace("{tissue}", "clam")
    .replace("{tissue_from}", "ours: CLAM's is what such features are made with")
    + SPLITS_TCGA
    + """\
{protocol}
methods:                         # Table I, in its order; each is trained by its own recipe
  - snn                          # genes alone
  - snntrans
  - maxmil                       # from here on slides alone
  - meanmil
  - abmil                        # AttMIL
  - clam_sb
  - clam_mb
  - transmil
  - dtfd_mil
  - dualtrans                    # from here on slides and genes
  - mcat
  - m3if
  - gpdbn
  - porpoise
  - hfbsurv
  - survpath                     # on the six groups; its own paper has 331 pathways
  - motcat
  - {{name: cmta, alpha: {alpha}}}    # the released weight of its alignment for this cohort
  - name: ccl
    k: 6                         # cluster centres (paper, Table IV)
    tau: 0.1                     # rate of the anchor (paper, Table IV)
    bank_length: 10              # b, earlier patients a group (paper, Table IV)
    alpha: 1.0                   # weight of its two losses (released); the paper gives none
    # variant: printed           # all formulas as they are printed, where the released code does otherwise
    training: {{optimizer: sgd, learning_rate: 1e-3, epochs: 30,    # paper
               momentum: 0.0, weight_decay: 1e-5, patients_per_step: 1, sampler: shuffled}}  # released
    # ablations: all             # adds the rows of Table III
    # vary: paper                # adds the values of k, tau, b and r in Table IV
training: {{n_bins: 4, seed: 0, device: auto}}  # bins: quartiles of the times of events; both as released
# seeds: 3                       # ours: the same with three seeds, and the SD over them apart
evaluation:
  cut_from: pooled               # high and low risk at the median risk
  surgery: false                 # ours; true measures what slides and genes are each worth, which takes long
""",
)
MCTI = PaperStudies(
    title="MCTI: Jiang et al., Multimodal cross-task interaction for survival analysis in whole slide pathological "
    "images, MICCAI 2024",
    cohorts={
        "brca": {"patients": "968", "cancer": "lobular and ductal breast carcinoma", "dropped": "one negative time"},
        "esca": {"patients": "184", "cancer": "oesophageal adenocarcinoma and squamous cell carcinoma"},
        "kica": {
            "patients": "935",
            "cancer": "chromophobe, clear cell and papillary kidney carcinoma (KICH, KIRC, KIRP)",
        },
        "nsclc": {"patients": "1006", "cancer": "lung adenocarcinoma and squamous cell carcinoma (LUAD, LUSC)"},
    },
    brings="""\
{upper}.csv: follow-up and subtypes of {patients} patients (the clinical table of MCTI's release)
genes.csv: RNA-seq, copy numbers and mutations, a row a patient; the release has none (17,500 to 19,400 genes)
signatures.csv: six gene groups, which MCAT and CMTA want; MCTI takes all genes together (MCAT's release)
slides/: the diagnostic slides, {cancer}, from the GDC (SVS)
the weights of ResNet-50 on ImageNet: `prognoscope check` says where they are looked for
""",
    text="""\
cohort:
  clinical:
    table: {upper}.csv
    patient: Patient ID
    time: survival_months        # overall survival
    time_unit: months
    censored: censor             # 1 = censored (released)
    {bad_time}
  slides: {{folder: slides}}       # whose they are: by the barcodes that their names begin with
  # ... or, in the place of slides, embeddings that you have:
  # features: {{folder: features}}
  omics: {{table: genes.csv, groups: signatures.csv}}
  subtype: {{table: {upper}.csv, patient: Patient ID, column: cls_label}}  # what it learns beside survival (paper)
"""
    + FEATURES.replace("{patch_from}", "256 px at 20x (paper)")
    .replace("{tissue}", "clam")
    .replace("{tissue_from}", "ours: the paper names no rule; CLAM's is what such features are made with")
    + """\
splits:                          # drawn: the release has no split files, so these are other folds than the paper's
  folds: 4                       # 60:15:25 for training, validation and test (paper)
  validation: 0.2                # of the training part, so 15 % of all
  stratify: [event, time, subtype]  # ours; the paper does not say how its folds were drawn
  seed: 0
{protocol}
methods:                         # Table 1, in its order; each is trained by its own recipe
  - snn                          # genes alone
  - meanmil                      # AvgPool; from here on slides alone
  - abmil                        # AttnMIL
  - clam_sb
  - clam_mb
  - dsmil
  - mcat                         # slides and genes
  - cmta
  - porpoise
  - m3if
  - name: mcti
    preset: paper                # 1024 wide, Adam with 5e-5 (paper); 140 million parameters: use a GPU
    k: 256                       # patches that go on (paper)
    layers: 4                    # blocks each way (paper)
    # ablations: all             # adds the rows of Table 2
training: {{n_bins: 4, seed: 0, device: auto}}  # bins: quartiles of the times of events (released)
# seeds: 3                       # ours: the same with three seeds, and the SD over them apart
evaluation:
  cut_from: pooled               # high and low risk by a median of all held-out patients; the paper names no cut
  surgery: false                 # ours; true measures what slides and genes are each worth, which takes long
""",
)

PAPERS = {"ccl": CCL, "cmta": CMTA, "ghanet": GHANET, "mcti": MCTI}
HEAD = """\
# yaml-language-server: $schema=study.schema.json
# {title}
# Its table on {upper}. Behind a setting stands where it comes from: paper, its text; released, its code; ours.
# `prognoscope check study.yaml` says what is missing, `prognoscope run study.yaml` makes the table.
# You bring, in this folder (or change the paths below):
{brings}# The name is the column of the table: prognoscope compare {cohort}/run .../run --published
name: {cohort}
"""


PROTOCOL = "protocol: {{like: {paper}}}"
ROWS = {  # of which table -> what the paper's own method is given for it
    "methods": "",
    "ablations": "ablations: all",
    "sweeps": "vary: paper",
}


def paper_study(paper: str, cohort: str, rows: str = "methods") -> str:
    """The text of a study file that repeats a paper's table on one of its cohorts.

    Args:
        paper: Our name of its method: ghanet, cmta, ccl or mcti.
        cohort: In any case: blca, brca ...
        rows: Which table: of methods, or of ablations or settings of the paper's own, one of `ROWS`.

    Raises:
        StudyError: There is no such paper or table, or it has no such cohort; says which there are.
    """
    paper, cohort = paper.lower(), cohort.lower().removeprefix("tcga").lstrip("-_")
    if paper not in PAPERS:
        raise StudyError(f"There is no paper {paper!r}; there are {', '.join(PAPERS)}.")
    studies = PAPERS[paper]
    if cohort not in studies.cohorts:
        raise StudyError(f"The paper on {paper} has no cohort {cohort!r}; it has {', '.join(studies.cohorts)}.")
    if rows not in ROWS:
        raise StudyError(f"A paper has no table of {rows!r}; there are {', '.join(ROWS)}.")
    fields = {"cohort": cohort, "upper": cohort.upper(), **studies.cohorts[cohort]}
    dropped = fields.get("dropped")
    fields["bad_time"] = f"bad_time: drop               # {dropped} (TCGA-PL-A8LV)" if dropped else ""
    rule = (
        f"One rule for all rows (released): {CHOSEN[RULES[paper].choose]}; time bins from all patients. The finished "
    )
    rule += "run can be read by another: `prognoscope compare run --at last`."
    fields["protocol"] = "\n".join([*wrap(rule, 118, initial_indent="# ", subsequent_indent="# "), PROTOCOL])
    fields["protocol"] = fields["protocol"].format(paper=paper)
    brings = "".join(f"#   {line}\n" for line in studies.brings.format(**fields).splitlines())
    text = HEAD.format(title=studies.title, brings=brings, **fields) + studies.text.format(**fields)
    if given := ROWS[rows]:
        if f"# {given}" not in text:
            raise StudyError(f"The paper on {paper} has no table of {rows}.")
        before, _, others = text.partition("methods:")
        own = others[others.index(f"  - name: {paper}") :].replace(f"# {given}", given)
        text = f"{before}methods:\n{own}"
    return "".join(f"{_aligned(line)}\n" for line in text.splitlines() if line.strip())


def _aligned(line: str) -> str:
    """The line with its comment at the column where all begin, or two blanks behind longer ones."""
    setting, mark, why = line.rstrip().rpartition("  # ")
    return f"{setting.rstrip():<32}{mark}{why}" if setting.strip() else line.rstrip()
