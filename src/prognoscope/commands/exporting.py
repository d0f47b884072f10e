"""The commands that give what a run found to other programs, and fetch a model from the hub."""

from pathlib import Path
from typing import Annotated

import typer

from prognoscope.commands.telling import say
from prognoscope.core.errors import InputError
from prognoscope.core.words import count, listed, typed

TAKES = {  # what each destination may be asked besides --out and --method
    "model": ("--licence",),
    "qupath": ("--patient", "--map", "--top"),
    "trident": ("--patient", "--map", "--top"),
    "anndata": ("--patient", "--map"),
    "tensorboard": (),
    "hub": ("--repo", "--public", "--yes"),
}
OF_EMBEDDINGS = ("clam", "stamp", "torchmil")


def export(
    run: Annotated[Path, typer.Argument(help="A run folder; of --to hub, a model that this command wrote.")],
    out: Annotated[
        Path | None, typer.Option(help="The folder to write; of --to anndata without --patient, an .h5ad file.")
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            help="model: a folder that predicts; hub: send that. qupath, trident: maps. anndata, tensorboard: tables."
        ),
    ] = "model",
    method: Annotated[str | None, typer.Option(help="Which method; of a model, needed if the run has several.")] = None,
    patient: Annotated[
        list[str], typer.Option("--patient", help="Whose maps, or patches as AnnData; may be given again.")
    ] = [],  # noqa: B006
    drawn: Annotated[
        list[str], typer.Option("--map", help="Which maps; all by default. May be given again; the first one counts.")
    ] = [],  # noqa: B006
    top: Annotated[int | None, typer.Option(min=1, help="Only so many patches of each slide, the highest.")] = None,
    licence: Annotated[str, typer.Option(help="Of a model's weights, such as CC-BY-4.0.")] = "",
    repo: Annotated[str, typer.Option(help="Of --to hub: OWNER/NAME.")] = "",
    public: Annotated[bool, typer.Option("--public", help="Of --to hub: everybody may see it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Of --to hub: send it; without, it is only told what.")] = False,
) -> None:
    """What a run found, for other programs: a model to ship, maps for QuPath and TRIDENT, AnnData, TensorBoard.

    A model holds nothing of any patient; all else is of patients. Maps are those that `prognoscope explain` made.
    Example: `prognoscope export run --method abmil --licence CC-BY-4.0 --out model` or `prognoscope export run --to
    qupath --patient P001 --out maps`.
    """
    to = to.lower()
    if to not in TAKES:
        if to in OF_EMBEDDINGS:
            raise InputError(f"What {to} reads are embeddings: `prognoscope convert FEATURES --to {to} --out FOLDER`.")
        raise InputError(f"There is no {to!r} to export to; give {listed(list(TAKES))}.")
    given = {"--patient": patient, "--map": drawn, "--top": top, "--licence": licence}
    given |= {"--repo": repo, "--public": public, "--yes": yes}
    if stray := [name for name, value in given.items() if value and name not in TAKES[to]]:
        raise InputError(f"{listed(stray)} is nothing that --to {to} takes; leave it out.")
    if to == "hub":
        _send(run, out, method, repo, is_private=not public, is_meant=yes)
        return
    if out is None:
        raise InputError("Say where to write, with --out.")
    if to == "model":
        from prognoscope.study.apply.export import export_model

        folder, what = export_model(run, out, method=method, licence=licence)
        say(f"Wrote {folder}. {what} Next: prognoscope predict {typed(folder)} --study new.yaml")
    elif to == "anndata" and not patient:
        from prognoscope.study.export.patient_table import export_patients

        if drawn:
            raise InputError("--map is of the patches of patients; name these with --patient.")
        path, what = export_patients(run, out, method=method)
        say(f"Wrote {path}: {what}.")
    elif to == "anndata":
        from prognoscope.study.export.patch_tables import export_patches

        _tell(out, export_patches(run, out, patients=patient, method=method, maps=drawn), [])
    elif to == "tensorboard":
        from prognoscope.study.export.events import export_events

        export_events(run, out, method=method)
        say(f"Wrote {out}. Next: tensorboard --logdir {typed(out)}")
    else:
        from prognoscope.study.export.map_files import export_maps

        asked = {"method": method, "patients": patient, "maps": drawn, "top": top}
        _tell(out, *export_maps(run, out, to, **asked))


def pull(
    repo: Annotated[str, typer.Argument(help="OWNER/NAME on the Hugging Face hub, or OWNER/NAME@REVISION.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
) -> None:
    """Fetch an exported model from the hub: weights as safetensors, tables as JSON; nothing in it can run code.

    Example: `prognoscope pull OWNER/NAME --out model`.
    """
    from prognoscope.study.export.hub import pull as fetch

    name, _, revision = repo.partition("@")
    folder, commit = fetch(name, out, revision=revision or None)
    say(f"Wrote {folder}, of commit {commit}. Next: prognoscope predict {typed(folder)} --study new.yaml")


def _send(folder: Path, out: Path | None, method: str | None, repo: str, *, is_private: bool, is_meant: bool) -> None:
    from prognoscope.study.export.hub import push, shipment

    if stray := [name for name, value in {"--out": out, "--method": method}.items() if value is not None]:
        raise InputError(f"{listed(stray)} is nothing that --to hub takes; leave it out.")
    sent = shipment(folder, repo, is_private=is_private)
    if not is_meant:
        say(f"Nothing was sent. With --yes this goes: {sent.told()}")
        raise typer.Exit(1)
    say(f"Sending {sent.told()}")
    say(f"It is at {push(sent)}")


def _tell(out: Path, files: list[Path], notes: list[str]) -> None:
    say(f"Wrote {count(len(files), 'file')} into {out}: {listed([each.name for each in files], 3)}.")
    for note in notes:
        say(note)
