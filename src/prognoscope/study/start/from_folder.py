"""What lies in a folder -> the study file that fits it, with what was found, and what only its owner can tell."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from prognoscope.core.column_names import plain_name
from prognoscope.core.errors import InputError, StudyError, some
from prognoscope.core.ids import fold_id, match_ids, person_in
from prognoscope.core.tables import as_text
from prognoscope.core.words import count
from prognoscope.omics.columns import tells_outcome
from prognoscope.omics.tables import read_omics
from prognoscope.study.start.endpoints import OVERALL, Endpoint, Status
from prognoscope.study.start.look import ClinicalFile, Content, look_into, told_passed
from prognoscope.study.study_file import ASKED

COVARIATES = ("age", "age_at_diagnosis", "age_at_index", "sex", "gender", "is_female", "is_male")
LATER = ("stage", "grade", "tumor_stage", "ajcc_pathologic_stage", "tumor_grade", "race", "ethnicity")
PLAIN = re.compile(r"(?!(?:yes|no|on|off|true|false|null)$)[A-Za-z_./][\w./() -]*", re.IGNORECASE)
FEWEST_FOR_FIVE = 30  # patients, of five folds
MOST_TABLES = 6  # of genes, that are tried as one


HEAD = """\
# yaml-language-server: $schema=study.schema.json
# A study of what lies in {of}. Lines that begin with {mark} ask what the files do not tell: answer in the lines
# below them, by taking their # away, and remove the question. Then: prognoscope check study.yaml
"""


@dataclass(slots=True)
class _Text:
    """The lines of a study file as they come."""

    folder: Path  # that paths are relative to
    lines: list[str] = field(default_factory=list)

    def add(self, line: str, why: str = "") -> None:
        """A line of YAML, and what is to be said of it."""
        self.lines.append(f"{line:<34}  # {why}" if why else line)

    def ask(self, question: str, indent: str = "") -> None:
        """A question, in a comment."""
        self.lines.append(f"{indent}{ASKED}{question}")

    def choose(self, question: str, lines: Iterable[str], indent: str = "") -> None:
        """A question with the lines that answer it, of which one is to be made valid."""
        self.ask(question, indent)
        self.lines += [f"{indent}# {line}" for line in lines]

    def path(self, path: Path | str) -> str:
        """As YAML has it, relative to the study's folder."""
        return word(Path(os.path.relpath(path, self.folder)).as_posix())


def word(text: str) -> str:
    """A text as YAML reads it back, in quotes where it needs them."""
    return text if PLAIN.fullmatch(text) else "'" + text.replace("'", "''") + "'"


def words(texts: Sequence[str]) -> str:
    """A list of texts as YAML reads it back."""
    return f"[{', '.join(map(word, texts))}]"


def folder_study(data: Path, folder: Path, *, is_ours: bool = False) -> tuple[str, list[str]]:
    """The text of a study file for what lies in `data`, and the questions in it.

    Args:
        folder: Where the file will be, to which its paths are relative.
        is_ours: The tables were made by an import, whose account tells what was chosen, so that of several endpoints
            the first is studied, and patients without usable follow-up are left out.

    Raises:
        InputError: There is no such folder, or no table of follow-up in it.
    """
    found = look_into(data)
    if not found.clinical:
        why = "".join(f" {each}." for each in told_passed(found)[:3])
        raise StudyError(
            f"Nothing in {data} is a table of follow-up, with columns of patients, times and statuses, such as "
            f"patient_id, survival_months and event.{why}"
        )
    text = _Text(folder)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", data.resolve().name).strip("-._") or "my-study"
    text.lines += HEAD.format(of=data.resolve().name, mark=ASKED.strip()).splitlines()
    text.lines += [f"name: {word(name)}", "", "cohort:"]
    clinical = _clinical(text, found, is_ours=is_ours)
    has_bags = _bags(text, found, clinical)
    has_genes, has_groups = _genes(text, found, clinical)
    has_subtype = _subtype(text, found, clinical)
    if len(found.truths) == 1:
        text.add(f"  truth: {text.path(found.truths[0])}", "risks that nobody can beat, of a simulated cohort")
    text.add("")
    text.add("features: {encoder: stain, patch_px: 256, mpp: 0.5}", "of slides; resnet50_trunc needs weights")
    _splits(text, found, clinical)
    text.add("protocol: honest")
    has_covariates = bool(_covariates(clinical.table, COVARIATES))
    _methods(text, has_bags, has_genes, has_groups, has_subtype, has_covariates, bool(found.vectors))
    text.add("training: {device: auto}", "epochs, learning_rate ... replace the methods' own recipes")
    notes = [*found.notes, *(f"not used: {each}" for each in told_passed(found))]
    if notes:
        text.add("")
        text.lines += [f"# {note}" for note in notes]
    lines = [" ".join(line.splitlines()) for line in text.lines]
    asked = [line.strip().removeprefix(ASKED) for line in lines if line.strip().startswith(ASKED)]
    return "\n".join(lines) + "\n", asked


def _clinical(text: _Text, found: Content, *, is_ours: bool) -> ClinicalFile:
    """The lines of follow-up, of one table or of several of other patients."""
    ranked = sorted(found.clinical, key=lambda each: -_known(each, _patient(each, found), found))
    first = ranked[0]
    patient, endpoint = _patient(first, found), first.endpoints[0]
    same = [each for each in ranked if each.endpoints[0].times == endpoint.times and patient in each.table]
    text.add("  clinical:")
    if len(ranked) == 1:
        text.add(f"    table: {text.path(first.path)}", count(as_text(first.table[patient]).nunique(), "patient"))
    elif len(same) == len(ranked) and _are_apart(same, patient):
        text.add(f"    table: [{', '.join(text.path(each.path) for each in same)}]", "tables of other patients each")
    else:
        tables = [f"table: {text.path(each.path)}" for each in ranked]
        text.choose("Which table has the follow-up? What follows fits the first.", tables, "    ")
    text.add(f"    patient: {word(patient)}")
    if others := [name for name in first.ids if name != patient]:
        text.ask(f"Ids are also in {some(others)}; {patient} fits the other files best.", "    ")
    if len(first.endpoints) > 1 and is_ours:
        text.lines += [f"    {line}" for line in _endpoints(first.endpoints)]
        text.add(f"    endpoint: {_endpoint_name(endpoint)}", "without this line, each in a run of its own")
    else:
        _follow_up(text, endpoint)
    if len(first.endpoints) > 1 and not is_ours:
        names = some([other.name for other in first.endpoints[1:]])
        question = f"Other endpoints are here: {names}. To compare them side by side, take this for the lines above:"
        text.choose(question, _endpoints(first.endpoints), "    ")
    if covariates := _covariates(first.table, COVARIATES):
        text.add(
            f"    covariates: {words(covariates)}", "for coxph, coxnet, late and gpcox, which any method should beat"
        )
    if later := _covariates(first.table, LATER):
        text.add(f"    # covariates that may fit, too: {', '.join(later)}")
    if first.slide is not None and first.slide != "slide_id":
        text.add(f"    slide: {word(first.slide)}", "a row is a slide")
    if first.site is not None:
        text.add(f"    site: {word(first.site)}")
    mark = "" if is_ours else "# "
    text.add(f"    {mark}bad_time: drop", "leaves out patients without usable follow-up, instead of stopping")
    return first


def _follow_up(text: _Text, endpoint: Endpoint) -> None:
    times = word(endpoint.times[0]) if len(endpoint.times) == 1 else words(endpoint.times)
    text.add(f"    time: {times}", endpoint.name)
    if endpoint.unit is not None:
        text.add(f"    time_unit: {endpoint.unit}")
    for question in endpoint.questions:
        text.ask(question, "    ")
    if endpoint.unit is None:
        text.add("    # time_unit: days", "or months, years")
    status: Status = endpoint.status
    text.add(f"    {status.key}: {word(status.column)}")
    if status.event_values:
        text.add(f"    event_values: {words(status.event_values)}")
    if status.censored_values:
        text.add(f"    censored_values: {words(status.censored_values)}")


def _endpoints(endpoints: Sequence[Endpoint]) -> list[str]:
    """The lines of several endpoints, each with all of its keys."""
    lines = ["endpoints:"]
    for each in endpoints:
        name = _endpoint_name(each)
        times = word(each.times[0]) if len(each.times) == 1 else words(each.times)
        keys = {"time": times, "time_unit": each.unit or "days", each.status.key: word(each.status.column)}
        keys |= {"event_values": words(each.status.event_values)} if each.status.event_values else {}
        keys |= {"censored_values": words(each.status.censored_values)} if each.status.censored_values else {}
        unit = "" if each.unit else "   # which unit?"
        lines.append(f"  {name}: {{{', '.join(f'{key}: {value}' for key, value in keys.items())}}}{unit}")
    return lines


def _endpoint_name(endpoint: Endpoint) -> str:
    """As it can name a folder; what has one of the usual short names is written so."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", "OS" if endpoint.name == OVERALL else endpoint.name).strip("-_") or "other"
    return plain.upper() if len(plain) == len("DSS") else plain


def _patient(clinical: ClinicalFile, found: Content) -> str:
    """Of the columns of ids, the one that most names of the other files begin with."""
    return max(clinical.ids, key=lambda name: _known(clinical, name, found))


def _known(clinical: ClinicalFile, column: str, found: Content) -> int:
    begins: set[str] = set()
    for name in found.names:
        begins |= {fold_id(name[:end]) for end in range(1, len(name) + 1) if not name[end : end + 1].isalnum()}
    return len({fold_id(person_in(each)) for each in as_text(clinical.table[column]).dropna()} & begins)


def _are_apart(tables: Sequence[ClinicalFile], patient: str) -> bool:
    ids = [set(as_text(each.table[patient]).dropna()) for each in tables]
    return len(set().union(*ids)) == sum(map(len, ids))


def _covariates(table: pd.DataFrame, known: Sequence[str]) -> list[str]:
    names = {plain_name(str(column)): str(column) for column in table.columns}
    return [names[name] for name in known if name in names and not tells_outcome(names[name])]


def _bags(text: _Text, found: Content, clinical: ClinicalFile) -> bool:
    """The lines of slides or embeddings; whether there are any, settled or not."""
    table = ""
    if len(found.slide_tables) == 1:
        table = f", table: {text.path(found.slide_tables[0])}"
    slides = f"slides: {{folder: {text.path(found.slides)}{table}}}" if found.slides is not None else ""
    stores = [(f"features: {{folder: {text.path(path)}{table}}}", look) for path, look in found.embeddings.items()]
    told = [
        f"{line}   # {look.encoder or 'encoder unknown'}, {look.embedding_dim} values a patch" for line, look in stores
    ]
    if len(stores) == 1:
        line, look = stores[0]
        text.add(f"  {line}", f"{look.encoder or 'encoder unknown'}, {look.embedding_dim} values a patch")
        if slides:
            text.choose(
                f"{count(found.n_slides, 'slide')} lie here too. To embed them anew, take this instead:", [slides], "  "
            )
    elif stores:
        text.choose(
            "Embeddings of several encoders or places are here. Which?", [*told, *([slides] if slides else [])], "  "
        )
    elif slides:
        text.add(f"  {slides}", count(found.n_slides, "slide"))
    elif len(found.slide_tables) == 1:
        text.add(f"  # slides: {{folder: slides{table}}}", "when the slides that the table names lie there")
    lines = []
    for path, column in found.vectors.items():
        lines.append(f"features: {{table: {text.path(path)}, patient: {word(column)}}}")
        lines.append(f"omics: {{table: {text.path(path)}}}")
    if lines:
        question = "These tables of numbered columns may be embeddings, a row a patient, or genes. Take what they are:"
        text.choose(question, lines, "  ")
    if len(found.slide_tables) > 1 and (slides or stores):
        tables = [f"table: {text.path(path)}" for path in found.slide_tables]
        text.choose("Several tables name slides. Which says whose they are? Add it in the braces above:", tables, "  ")
    return bool(stores or slides)


def _genes(text: _Text, found: Content, clinical: ClinicalFile) -> tuple[bool, bool]:
    """The lines of genes; whether there are any, and groups of them."""
    tables = found.genes
    groups = f", groups: {text.path(found.groups[0])}" if len(found.groups) == 1 else ""
    if len(found.groups) > 1 and tables:
        named = [f"groups: {text.path(path)}" for path in found.groups]
        text.choose("Several files have groups of genes. Add one in the braces below:", named, "  ")
    if len(tables) > 1 and not _join(tables, clinical, found):
        lines = [f"omics: {{table: {text.path(path)}{groups}}}" for path in tables]
        text.choose("These gene tables do not fit together. Which?", lines, "  ")
    elif tables:
        named = text.path(tables[0]) if len(tables) == 1 else f"[{', '.join(map(text.path, tables))}]"
        text.add(f"  omics: {{table: {named}{groups}}}")
        if not groups:
            text.add(
                "  # give groups, a file of gene groups (CSV with a column a group, or GMT), for methods that want some"
            )
    return bool(tables), bool(tables and groups)


def _join(tables: Sequence[Path], clinical: ClinicalFile, found: Content) -> bool:
    if len(tables) > MOST_TABLES:
        return False
    patients = set(as_text(clinical.table[_patient(clinical, found)]).dropna())
    try:
        table = read_omics(tables, patients=patients)
        match_ids(patients, table.values.index, table.source, one_each=True)
    except InputError:
        return False
    return True


def _subtype(text: _Text, found: Content, clinical: ClinicalFile) -> bool:
    """The lines of subtypes; whether there are any, settled or not."""
    named = [(path, column) for path, column in found.subtypes.items()]
    if clinical.subtype is not None:
        named = [(clinical.path, clinical.subtype)]
    lines = [f"subtype: {{table: {text.path(path)}, column: {word(column)}}}" for path, column in named]
    if clinical.subtype is not None:
        lines = [f"{lines[0][:-1]}, patient: {word(_patient(clinical, found))}}}"]
    if len(lines) == 1:
        text.add(f"  {lines[0]}", "for mcti, which learns it beside survival")
    elif lines:
        text.choose("Several tables have subtypes. Which?", lines, "  ")
    return bool(lines)


def _splits(text: _Text, found: Content, clinical: ClinicalFile) -> None:
    given = [f"files: {text.path(pattern)}" for pattern in found.splits]
    given += [f"table: {text.path(path)}" for path in found.fold_tables]
    if len(given) > 1:
        text.choose("Folds are here in several forms. To take one in the place of drawn ones, add to splits:", given)
    if len(given) == 1:
        text.add(f"splits: {{{given[0]}}}", "the folds that are here; without it, they are drawn")
        return
    folds = 5 if len(clinical.table) >= FEWEST_FOR_FIVE else 2
    text.add(f"splits: {{folds: {folds}, seed: 0}}", "drawn by patient, balanced by event and time")
    if clinical.site is not None:
        text.add(f"# splits: {{folds: {folds}, seed: 0, group: site}}", "... with no hospital in two folds")


def _methods(
    text: _Text, bags: bool, genes: bool, groups: bool, subtype: bool, covariates: bool, vectors: bool
) -> None:
    """Methods of all that is there: while a question is open, `check` refuses those that want its answer."""
    methods = ["coxph"] if covariates else []
    methods += ["coxnet"] if genes else []
    methods += ["late"] if bags and (covariates or genes) else []
    methods += ["gpcox"] if bags or genes else []
    methods += ["snn"] if genes or vectors else []
    methods += ["meanmil", "abmil"] if bags or vectors else []
    methods += ["cmta", "ghanet"] if bags and groups else []
    methods += ["mcti"] if bags and genes and subtype else []
    if vectors:
        text.ask(
            "Leave those that fit the tables of numbered columns: snn for genes, meanmil and abmil for embeddings."
        )
    if not methods:
        text.ask("There is nothing to learn from. Add slides, embeddings, genes or covariates, then methods.")
        methods = ["abmil"]
    kinds = [f"all:{kind}" for kind, has in (("slides", bags), ("genes", genes), ("both", bags and genes)) if has]
    text.add(
        f"methods: [{', '.join(methods)}]", f"or {', '.join(kinds)}; `prognoscope methods` lists them" if kinds else ""
    )
