"""Gene sets as their publishers ship them become one GMT of ours, with where they are from beside it."""

import gzip
import io
import re
import zipfile

import pandas as pd
import pytest

from prognoscope import cli
from prognoscope.core.errors import InputError, OmicsError
from prognoscope.importers.gene_sets import read_gene_sets, write_gene_sets
from prognoscope.omics.group_files import read_groups

REACTOME = (
    "2-LTR circle formation\tR-HSA-164843\tBANF1\tHMGA1\tLIG4\tPSIP1\tXRCC4\n"
    'Signaling by "Hedgehog", off\tR-HSA-5610787\tGLI1\tGLI2\tSUFU\n'
    "Toll-Like Receptors Cascades\tR-HSA-168898\tTLR4\n"
)
HALLMARK = (
    "HALLMARK_HYPOXIA\thttps://www.gsea-msigdb.org/gsea/msigdb/human/geneset/HALLMARK_HYPOXIA\tPGK1\tVEGFA\tLDHA\n"
    "HALLMARK_NOTCH_SIGNALING\thttps://www.gsea-msigdb.org/gsea/msigdb/human/geneset/HALLMARK_NOTCH_SIGNALING"
    "\tNOTCH1\tJAG1\n"
)
OBO = """format-version: 1.2
data-version: releases/2024-06-17
subsetdef: goslim_generic "Generic GO slim"
default-namespace: gene_ontology
ontology: go

[Term]
id: GO:0008150
name: biological_process
namespace: biological_process
alt_id: GO:0000004
def: "A biological process is the execution of a genetically-encoded program." [GOC:pdt]

[Term]
id: GO:0012501
name: programmed cell death
namespace: biological_process
is_a: GO:0008150 ! biological_process

[Term]
id: GO:0006915
name: apoptotic process
namespace: biological_process
alt_id: GO:0006917
synonym: "apoptosis" NARROW []
is_a: GO:0012501 {source="GOC:mtg_apoptosis"} ! programmed cell death

[Term]
id: GO:0097194
name: execution phase of apoptosis
namespace: biological_process
is_a: GO:0008150 ! biological_process
relationship: part_of GO:0006915 ! apoptotic process

[Term]
id: GO:0042981
name: regulation of apoptotic process
namespace: biological_process
is_a: GO:0008150 ! biological_process
relationship: regulates GO:0006915 ! apoptotic process

[Term]
id: GO:0004197
name: cysteine-type endopeptidase activity
namespace: molecular_function
relationship: part_of GO:0006915 ! apoptotic process

[Term]
id: GO:0000005
name: obsolete ribosomal chaperone activity
namespace: biological_process
is_obsolete: true

[Typedef]
id: part_of
name: part of
namespace: external
is_transitive: true
"""


def line(gene, term, *, qualifier="involved_in", evidence="IDA", aspect="P"):
    cells = ["UniProtKB", "P00000", gene, qualifier, term, "PMID:1", evidence, "", aspect, "A protein", "", "protein"]
    return "\t".join([*cells, "taxon:9606", "20240101", "UniProt", "", ""]) + "\n"


GAF = "".join(
    [
        "!gaf-version: 2.2\n!\n!generated-by: GOC\n!\n!date-generated: 2024-06-17T15:37\n!\n",
        line("CASP3", "GO:0097194"),
        line("BAX", "GO:0006917"),  # an old id of GO:0006915
        line("BCL2", "GO:0006915", qualifier="NOT|involved_in"),
        line("BCL2", "GO:0042981"),
        line("XYZ1", "GO:0012501", evidence="ND"),
        line("CASP8", "GO:0004197", qualifier="enables", aspect="F"),
        line("OLD1", "GO:0000005"),
    ]
)


@pytest.fixture
def download(tmp_path):
    def write(name, text):
        content = text.encode()
        if name.endswith(".gz"):
            content = gzip.compress(content, mtime=0)
        if name.endswith(".zip"):
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr(name.removesuffix(".zip"), text)
            content = packed.getvalue()
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


def test_reactome_and_hallmark_keep_names_genes_versions_and_licences(download, tmp_path):
    files = [download("ReactomePathways.gmt.zip", REACTOME), download("h.all.v2024.1.Hs.symbols.gmt", HALLMARK)]
    sets = read_gene_sets(files, smallest=2, largest=4)
    assert sets.groups["HALLMARK_NOTCH_SIGNALING"] == ("NOTCH1", "JAG1")
    assert sets.groups['Signaling by "Hedgehog", off'] == ("GLI1", "GLI2", "SUFU")
    assert list(sets.sources["source"]) == ["Reactome", "MSigDB Hallmark"]
    assert list(sets.sources["version"]) == ["not told by the file", "v2024.1.Hs"]
    assert list(sets.sources["licence"]) == ["CC0 1.0", "CC BY 4.0"] and list(sets.sources["groups"]) == [1, 2]
    assert sets.notes[-1] == "Kept 3 of 5 gene groups: 1 have fewer than 2 genes, and 1 more than 4."
    gmt, told, covered = write_gene_sets(tmp_path / "new" / "groups.gmt", sets)
    assert read_groups(gmt).groups == sets.groups
    assert "* Reactome: CC0 1.0, https://reactome.org" in told.read_text() and "| v2024.1.Hs |" in told.read_text()
    assert pd.read_csv(covered).columns.tolist() == ["group", "genes"]
    with pytest.raises(InputError, match=r"groups\.gmt is there already and is not written over"):
        write_gene_sets(gmt, sets)


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_a_gene_of_a_term_of_the_gene_ontology_is_one_of_all_terms_above(download, packed):
    files = [download(f"goa_human.gaf{packed}", GAF), download("go-basic.obo", OBO)]
    for given in (files, files[::-1]):
        sets = read_gene_sets(given, smallest=1)
        assert sets.groups == {
            "GO:0006915 apoptotic process": ("BAX", "CASP3"),
            "GO:0008150 biological_process": ("BAX", "BCL2", "CASP3"),
            "GO:0012501 programmed cell death": ("BAX", "CASP3"),
            "GO:0042981 regulation of apoptotic process": ("BCL2",),
            "GO:0097194 execution phase of apoptosis": ("CASP3",),
        }
        assert set(sets.sources["version"]) == {"annotations 2024-06-17T15:37, terms releases/2024-06-17"}
        assert "1 term that the terms lack do not: GO:0000005" in sets.notes[0]
    functions = read_gene_sets(files, smallest=1, aspect="function").groups
    assert functions == {"GO:0004197 cysteine-type endopeptidase activity": ("CASP8",)}


def test_the_size_of_a_group_is_what_the_gene_table_measures_of_it(download):
    table = download("genes.csv", "patient_id,BANF1_rnaseq,HMGA1_rnaseq,HMGA1_cnv,TLR4_rnaseq\nA,1,2,0,4\nB,3,1,1,2\n")
    sets = read_gene_sets([download("ReactomePathways.gmt", REACTOME)], table, smallest=2)
    assert sets.groups == {"2-LTR circle formation": ("BANF1", "HMGA1", "LIG4", "PSIP1", "XRCC4")}
    assert sets.coverage.to_numpy().tolist() == [["2-LTR circle formation", 5, 2]]
    assert sets.notes[-1] == "Kept 1 of 3 gene groups: 2 have fewer than 2 measured genes, and 0 more than 500."


def test_what_makes_no_group_is_one_sentence(download, tmp_path):
    gaf, obo, other = download("a.gaf", GAF), download("go.obo", OBO), download("b.gmt", REACTOME)
    for files, said, options in (
        ([gaf], "there are 1 and 0. Give one of each", {}),
        ([gaf, obo], "None of 5 gene groups has 10 to 500 genes; they have 1 to 3", {}),
        ([gaf, obo], "no aspect 'proces'; did you mean 'process'", {"aspect": "proces"}),
        ([gaf, obo], "None of the annotations is of a cellular_component", {"aspect": "component"}),
        ([other, other], "groups that another file has too: 2-LTR circle formation", {}),
        ([download("c.gaf", GAF + "UniProtKB\tP1\tTP53\n"), obo], "Line 14 of the annotations has 3 fields", {}),
    ):
        with pytest.raises(OmicsError, match=re.escape(said)):
            read_gene_sets(files, **options)
    with pytest.raises(InputError, match=r"for example .*groups\.gmt"):
        write_gene_sets(tmp_path / "groups.csv", read_gene_sets([other], smallest=1))


def test_the_command_tells_sources_and_writes_what_a_study_takes(download, tmp_path, capsys):
    (tmp_path / "genes.csv").write_text("patient_id,PGK1,VEGFA,NOTCH1\nA,1,2,3\nB,3,4,5\n")
    hallmark, to = download("h.all.v2024.1.Hs.symbols.gmt", HALLMARK), tmp_path / "groups.gmt"
    options = ["--genes", str(tmp_path / "genes.csv"), "--smallest", "2"]
    with pytest.raises(SystemExit) as ended:
        cli.main(["gene-sets", str(hallmark), "--out", str(to), *options])
    said = capsys.readouterr().out
    assert ended.value.code == 0 and "MSigDB Hallmark" in said and f"groups: {to}" in said
    assert to.read_text() == "HALLMARK_HYPOXIA\tna\tPGK1\tVEGFA\tLDHA\n"
    assert (tmp_path / "groups-coverage.csv").read_text() == "group,genes,measured\nHALLMARK_HYPOXIA,3,2\n"
