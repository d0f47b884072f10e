"""Files as portals ship them, of a few simulated patients: written byte for byte in their forms."""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.core.workbooks import workbook

SITES = ("2F", "4Z", "DK", "FD")
GENES = ("TP53", "EGFR", "KRAS", "MYC", "BRCA1", "PTEN", "RB1", "ERBB2", "CDK4", "MDM2", "VEGFA", "IL6")
UUID = "{:08x}-0000-4000-8000-{:012x}"
DAYS_A_MONTH = 30.4375


@dataclass(frozen=True)
class Patient:
    barcode: str
    days: int
    died: bool
    of_cancer: bool  # whether the death was of it
    age: int
    sex: str
    stage: str
    genes: tuple[float, ...]  # log2(1 + TPM)
    mutated: tuple[str, ...]
    copies: tuple[int, ...]  # of GISTIC


def simulated(n: int = 24, seed: int = 0) -> list[Patient]:
    """Patients whose hazard follows TP53 and age."""
    draw = np.random.default_rng(seed)
    found = []
    for i in range(n):
        genes = np.round(draw.normal(6, 2, len(GENES)).clip(0.1), 4)
        age = int(draw.integers(45, 85))
        days = int(draw.exponential(900 * np.exp(-0.3 * (genes[0] - 6) - 0.02 * (age - 65)))) + 20
        died = bool(draw.random() < 0.55)
        copies = draw.choice([-2, -1, 0, 1, 2], len(GENES), p=[0.05, 0.2, 0.5, 0.2, 0.05])
        mutated = tuple(gene for gene in GENES if draw.random() < 0.2 and i != 2)
        found.append(
            Patient(
                f"TCGA-{SITES[i % len(SITES)]}-A{i:03d}",
                days,
                died,
                died and bool(draw.random() < 0.8),
                age,
                ("female", "male")[i % 2],
                ("Stage I", "Stage IIA", "Stage III", "Stage IV")[int(draw.integers(4))],
                tuple(map(float, genes)),
                mutated,
                tuple(map(int, copies)),
            )
        )
    return found


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def _lines(*rows) -> str:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


# The GDC


def gdc_clinical(path: Path, patients: list[Patient]) -> Path:
    """clinical.tsv of a cart: two rows a patient, of two treatments; '-- where nothing is known."""
    header = "case_id case_submitter_id project_id age_at_index days_to_birth days_to_death gender race vital_status "
    header += "age_at_diagnosis ajcc_pathologic_stage days_to_last_follow_up treatment_type"
    rows = [header.split()]
    for i, p in enumerate(patients):
        told = (UUID.format(i, i), p.barcode, "TCGA-BLCA", p.age, -p.age * 365, p.days if p.died else "'--", p.sex)
        told += ("white", "Dead" if p.died else "Alive", p.age * 365, p.stage, "'--" if p.died else p.days // 2)
        rows += [(*told, "Pharmaceutical Therapy, NOS"), (*told, "Radiation Therapy, NOS")]
    return write(path, _lines(*rows))


def gdc_clinical_now(path: Path, patients: list[Patient]) -> Path:
    """The same in the form of data release 40 and later, whose columns name their tables."""
    header = "project.project_id cases.case_id cases.submitter_id demographic.age_at_index demographic.days_to_death "
    header += "demographic.gender demographic.submitter_id demographic.vital_status diagnoses.age_at_diagnosis "
    header += "diagnoses.ajcc_pathologic_stage diagnoses.days_to_last_follow_up diagnoses.diagnosis_is_primary_disease "
    header += "diagnoses.submitter_id treatments.submitter_id treatments.days_to_treatment_start"
    rows = [header.split()]
    for i, p in enumerate(patients):
        told = ("TCGA-BLCA", UUID.format(i, i), p.barcode, p.age, p.days if p.died else "'--", p.sex)
        told += (f"{p.barcode}_demographic", "Dead" if p.died else "Alive")
        rows.append(
            (*told, "'--", "Stage X", "'--", "false", f"{p.barcode}_diagnosis2", "'--", "'--")
        )  # another tumour
        rows.append(
            (*told, p.age * 365, p.stage, "'--" if p.died else p.days, "true", f"{p.barcode}_diagnosis", "'--", "'--")
        )
    return write(path, _lines(*rows))


def gdc_follow_up(path: Path, patients: list[Patient]) -> Path:
    """follow_up.tsv: several rows a patient, the last of which is the last contact."""
    rows = [("case_id", "case_submitter_id", "project_id", "follow_up_id", "days_to_follow_up", "disease_response")]
    for i, p in enumerate(patients):
        for j, day in enumerate((p.days - 5 if p.died else p.days, p.days // 3)):
            rows.append((UUID.format(i, i), p.barcode, "TCGA-BLCA", UUID.format(i, j), day, "'--"))
    return write(path, _lines(*rows))


STAR = "gene_id gene_name gene_type unstranded stranded_first stranded_second tpm_unstranded fpkm_unstranded "
STAR += "fpkm_uq_unstranded"


def star_file(path: Path, patient: Patient, shift: float = 0.0) -> Path:
    """STAR counts of one sample, with the four rows of reads that are of no gene and genes that are there twice."""
    rows = [("# gene-model: GENCODE v36",), STAR.split()]
    rows += [(f"N_{what}", "", "", 100, 100, 100, "", "", "") for what in _OF_NO_GENE]
    for i, (gene, value) in enumerate(zip(GENES, patient.genes, strict=True)):
        tpm = round(2 ** (value + shift) - 1, 4)
        rows.append((f"ENSG{i:011d}.{i + 1}", gene, "protein_coding", int(tpm * 10), 0, 0, tpm, tpm / 2, tpm / 3))
    rows.append(("ENSG00000000900.2", "Y_RNA", "misc_RNA", 1, 0, 0, 0.5, 0.1, 0.1))
    rows.append(("ENSG00000000901.2", "Y_RNA", "misc_RNA", 2, 0, 0, 0.7, 0.1, 0.1))
    rows.append(("ENSG00000000902.1", "TP53", "lncRNA", 2, 0, 0, 0.7, 0.1, 0.1))
    rows.append(("ENSG00000000000.1_PAR_Y", "TP53", "protein_coding", 0, 0, 0, 0.0, 0.0, 0.0))
    return write(path, _lines(*rows))


_OF_NO_GENE = ("unmapped", "multimapping", "noFeature", "ambiguous")


def copy_file(path: Path, patient: Patient) -> Path:
    """Gene level copy number of one sample (ASCAT)."""
    rows = [["gene_id", "gene_name", "chromosome", "start", "end", "copy_number", "min_copy_number", "max_copy_number"]]
    for i, (gene, copies) in enumerate(zip(GENES, patient.copies, strict=True)):
        number = copies + 2
        rows.append((f"ENSG{i:011d}.{i + 1}", gene, "chr1", i * 1000, i * 1000 + 500, number, number, number))
    return write(path, _lines(*rows))


MAF = "Hugo_Symbol Entrez_Gene_Id Center NCBI_Build Chromosome Start_Position Variant_Classification Variant_Type "
MAF += "Tumor_Sample_Barcode Matched_Norm_Sample_Barcode Mutation_Status"


def maf_file(path: Path, patients: list[Patient], *, packed: bool = True, suffix: str = "-01A-11D-A391-08") -> Path:
    """Masked somatic mutations, with a silent one in everybody who has any."""
    rows = [("#version gdc-1.0.0",), ("#filedate 20220101",), MAF.split()]
    for p in patients:
        for gene in p.mutated:
            rows.append(_mutation(gene, "Missense_Mutation", p.barcode + suffix))
        if p.mutated:
            rows.append(_mutation("TTN", "Silent", p.barcode + suffix))
    content = _lines(*rows).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def _mutation(gene: str, word: str, barcode: str) -> tuple:
    return gene, 1, "BI", "GRCh38", "chr1", 1000, word, "SNP", barcode, barcode.replace("-01A", "-10A"), "Somatic"


def sample_sheet(path: Path, rows: list[tuple]) -> Path:
    """gdc_sample_sheet: of each file its name, category, type, cases, samples and sample types."""
    header = ("File ID", "File Name", "Data Category", "Data Type", "Project ID", "Case ID", "Sample ID", "Sample Type")
    told = [
        (UUID.format(i, 9), name, "-", kind, "TCGA-BLCA", case, sample, word)
        for i, (name, kind, case, sample, word) in enumerate(rows)
    ]
    return write(path, _lines(header, *told))


def metadata(path: Path, names: dict[str, str]) -> Path:
    """metadata.cart.json: of each file the aliquot that it is of."""
    entries = [
        {
            "file_name": name,
            "file_id": UUID.format(i, 7),
            "data_format": "TSV",
            "associated_entities": [{"entity_submitter_id": barcode, "entity_type": "aliquot"}],
        }
        for i, (name, barcode) in enumerate(names.items())
    ]
    return write(path, json.dumps(entries, indent=1))


def manifest(path: Path, names: list[str]) -> Path:
    rows = [(UUID.format(i, 8), name, "0" * 32, 1000, "released") for i, name in enumerate(names)]
    return write(path, _lines(("id", "filename", "md5", "size", "state"), *rows))


def slide(barcode: str, part: str, i: int = 0) -> str:
    return f"{barcode}-{part}.{UUID.format(i, 5).upper()}.svs"


def gdc_star(folder: Path, patients: list[Patient]) -> list[Path]:
    """A cart of STAR files, one folder each as the GDC's client makes them, with a vial B and a normal of the first."""
    rows, files = [], []
    for i, p in enumerate(patients):
        files.append(star_file(folder / UUID.format(i, 1) / f"{UUID.format(i, 2)}.star_gene_counts.tsv", p))
        rows.append((files[-1].name, "Gene Expression Quantification", p.barcode, f"{p.barcode}-01A", "Primary Tumor"))
    first = patients[0]
    for code, word in (("01B", "Primary Tumor"), ("11A", "Solid Tissue Normal")):
        files.append(star_file(folder / code / f"{code}.star_gene_counts.tsv", first, shift=3.0))
        rows.append((files[-1].name, "Gene Expression Quantification", first.barcode, f"{first.barcode}-{code}", word))
    return [sample_sheet(folder / "gdc_sample_sheet.2024-01-01.tsv", rows), *files]


# UCSC Xena


def xena_survival(path: Path, patients: list[Patient]) -> Path:
    """The survival table of the TCGA hub: a row a sample, times in days."""
    header = ("sample", "_PATIENT", "OS", "OS.time", "DSS", "DSS.time", "PFI", "PFI.time", "Redaction")
    rows = []
    for i, p in enumerate(patients):
        dss = "" if p.died and i % 7 == 0 else int(p.of_cancer)
        told = (p.barcode, int(p.died), p.days, dss, p.days, int(p.died), max(1, p.days // 2), "")
        rows.append((f"{p.barcode}-01", *told))
        if i == 0:
            rows.append((f"{p.barcode}-11", *told))
    return write(path, _lines(header, *rows))


def xena_phenotype(path: Path, patients: list[Patient]) -> Path:
    """The phenotype table of the GDC hub, whose columns end in the GDC's tables."""
    header = "sample submitter_id age_at_index.demographic gender.demographic vital_status.demographic "
    header += "days_to_death.demographic ajcc_pathologic_stage.diagnoses days_to_last_follow_up.diagnoses "
    header += "sample_type.samples"
    rows = []
    for p in patients:
        dead, last = (p.days, "") if p.died else ("", p.days)
        word = "Dead" if p.died else "Alive"
        told = (p.barcode, p.age, p.sex, word, dead, p.stage, last, "Primary Tumor")
        rows.append((f"{p.barcode}-01A", *told))
    return write(path, _lines(header.split(), *rows))


def xena_expression(path: Path, patients: list[Patient], *, ensembl: bool = False) -> Path:
    """A matrix in log2(x + 1): barcodes of 15 characters with symbols, or of 16 with Ensembl ids."""
    end, key = ("-01A", "Ensembl_ID") if ensembl else ("-01", "sample")
    rows = [(key, *(p.barcode + end for p in patients), patients[0].barcode + end.replace("01", "11"))]
    for i, gene in enumerate(GENES):
        name = f"ENSG{i:011d}.{i + 1}" if ensembl else gene
        rows.append((name, *(p.genes[i] for p in patients), 0.5))
    return write(path, _lines(*rows))


def probe_map(path: Path) -> Path:
    rows = [(f"ENSG{i:011d}.{i + 1}", gene, "chr1", i, i + 1, "+") for i, gene in enumerate(GENES)]
    return write(path, _lines(("id", "gene", "chrom", "chromStart", "chromEnd", "strand"), *rows))


def xena_mutations(path: Path, patients: list[Patient]) -> Path:
    """The gene level matrix of non-silent mutations."""
    rows = [("sample", *(f"{p.barcode}-01" for p in patients))]
    rows += [(gene, *(int(gene in p.mutated) for p in patients)) for gene in GENES]
    return write(path, _lines(*rows))


# cBioPortal


def cbioportal_patients(path: Path, patients: list[Patient], *, rename=lambda barcode: barcode) -> Path:
    """data_clinical_patient.txt with its four lines above the header."""
    names = "PATIENT_ID AGE SEX AJCC_PATHOLOGIC_TUMOR_STAGE OS_STATUS OS_MONTHS DSS_STATUS DSS_MONTHS PFS_STATUS "
    names = (names + "PFS_MONTHS").split()
    above = [[f"#{names[0]}", *names[1:]] for _ in range(2)]
    above += [["#STRING", "NUMBER", *["STRING"] * 8], ["#1", *["1"] * 9]]
    rows = []
    for p in patients:
        months = round(p.days / DAYS_A_MONTH, 2)
        dss = "1:DEAD WITH TUMOR" if p.of_cancer else "0:ALIVE OR DEAD TUMOR FREE"
        pfs = "1:PROGRESSION" if p.died else "0:CENSORED"
        told = (rename(p.barcode), p.age, p.sex.capitalize(), p.stage.upper(), "1:DECEASED" if p.died else "0:LIVING")
        rows.append((*told, months, dss, months, pfs, round(months / 2, 2)))
    return write(path, _lines(*above, names, *rows))


def cbioportal_samples(path: Path, patients: list[Patient], *, rename=lambda barcode: barcode) -> Path:
    names = ("SAMPLE_ID", "PATIENT_ID", "ONCOTREE_CODE", "SAMPLE_TYPE")
    above = [[f"#{names[0]}", *names[1:]] for _ in range(2)] + [["#STRING", *["STRING"] * 3], ["#1", *["1"] * 3]]
    rows = [(f"{rename(p.barcode)}-01", rename(p.barcode), "BLCA", "Primary") for p in patients]
    rows.append((f"{rename(patients[0].barcode)}-06", rename(patients[0].barcode), "BLCA", "Metastasis"))
    return write(path, _lines(*above, names, *rows))


def cbioportal_expression(path: Path, patients: list[Patient], *, rename=lambda barcode: barcode) -> Path:
    """data_mrna_seq_v2_rsem.txt: not in logarithms; a gene twice, and a gene without a symbol."""
    rows = [("Hugo_Symbol", "Entrez_Gene_Id", *(f"{rename(p.barcode)}-01" for p in patients))]
    rows += [(gene, 7000 + i, *(round(40 * 2 ** p.genes[i], 4) for p in patients)) for i, gene in enumerate(GENES)]
    rows.append(("MYC", 9000, *(1.0 for _ in patients)))
    rows.append(("", 9001, *(1.0 for _ in patients)))
    return write(path, _lines(*rows))


def cbioportal_copies(path: Path, patients: list[Patient], *, rename=lambda barcode: barcode) -> Path:
    rows = [("Hugo_Symbol", "Entrez_Gene_Id", *(f"{rename(p.barcode)}-01" for p in patients))]
    rows += [(gene, 7000 + i, *(p.copies[i] for p in patients)) for i, gene in enumerate(GENES)]
    return write(path, _lines(*rows))


def case_list(path: Path, patients: list[Patient], *, rename=lambda barcode: barcode) -> Path:
    text = "cancer_study_identifier: blca\nstable_id: blca_sequenced\ncase_list_name: Sequenced Tumors\n"
    names = "\t".join(f"{rename(p.barcode)}-01" for p in patients)
    return write(path, f"{text}case_list_description: Sequenced\ncase_list_ids: {names}\n")


# TCGA-CDR

CDR = "bcr_patient_barcode type age_at_initial_pathologic_diagnosis gender race ajcc_pathologic_tumor_stage "
CDR += "histological_grade vital_status last_contact_days_to death_days_to OS OS.time DSS DSS.time DFI DFI.time PFI "
CDR += "PFI.time Redaction"


def cdr_rows(patients: list[Patient]) -> list[list[str]]:
    """The sheet TCGA-CDR, with patients of another cancer and a redacted one."""
    rows = [["", *CDR.split()]]
    for i, p in enumerate([*patients, *simulated(4, seed=9)]):
        is_other = i >= len(patients)
        barcode = f"TCGA-OR-A5J{i - len(patients)}" if is_other else p.barcode
        dead, last = (str(p.days), "#N/A") if p.died else ("#N/A", str(p.days))
        dss = "#N/A" if p.died and i % 7 == 0 else str(int(p.of_cancer))
        told = [barcode, "ACC" if is_other else "BLCA", str(p.age), p.sex.upper(), "WHITE", p.stage, "[Not Available]"]
        told += ["Dead" if p.died else "Alive", last, dead, str(int(p.died)), str(p.days), dss, str(p.days)]
        told += ["#N/A", "#N/A", str(int(p.died)), str(max(1, p.days // 2))]
        rows.append([str(i + 1), *told, "Redacted" if i == 1 else "#N/A"])
    return rows


def cdr_csv(path: Path, patients: list[Patient]) -> Path:
    return write(path, "".join(",".join(row) + "\n" for row in cdr_rows(patients)))


def cdr_workbook(path: Path, patients: list[Patient]) -> Path:
    """The workbook of table S1: the sheet TCGA-CDR among others, its numbers as numbers."""
    rows = [[float(cell) if cell.lstrip("-").isdigit() else cell for cell in row] for row in cdr_rows(patients)]
    return workbook(path, {"TCGA-CDR": rows, "TCGA-CDR_Notes": [["The numbers of notes"], ["1"]]})
