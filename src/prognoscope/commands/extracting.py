"""The commands that turn slides into embeddings, tell by what, and give embeddings to other tools."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prognoscope.commands.arguments import Cluster, Jobs, Overrides
from prognoscope.commands.shell import err
from prognoscope.commands.telling import extract_and_tell, say, show_table, tell_left_out
from prognoscope.commands.terminal import bar
from prognoscope.core.errors import InputError

if TYPE_CHECKING:
    from prognoscope.features.extract import ExtractionReport


def encoders() -> None:
    """List the encoders: length of an embedding, whether the weights are here, licence, commercial use.

    Example: `prognoscope encoders`.
    """
    from prognoscope.features.encoders.standing import encoder_table, other_names, pinning
    from prognoscope.features.encoders.weights import weights_home

    show_table("Encoders", encoder_table())
    say(f"Weights are looked for in {weights_home()} ($PROGNOSCOPE_WEIGHTS) and in the cache of the Hugging Face hub.")
    say(pinning())
    say("Besides: timm:NAME for any network of timm, module:Class for one of yours.")
    say(f"Other names: {other_names()}; hyphens are underscores.")


def extract(
    slides: Annotated[Path, typer.Argument(help="A study's YAML file, a folder of slides, or one slide.")],
    encoder: Annotated[
        list[str] | None,
        typer.Option(help="Of a folder: by which; `prognoscope encoders` lists them. Repeat it for several at once."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Of a folder: where embeddings go, of several encoders in one each.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(help="Of each encoder: a file, a folder, hub or hub@REVISION to fetch it, or none."),
    ] = None,
    patch_px: Annotated[int | None, typer.Option(min=16, help="Side of a patch in pixels; 256.")] = None,
    mpp: Annotated[float | None, typer.Option(help="Micrometres per pixel of a patch; 0.5.")] = None,
    slide_mpp: Annotated[float | None, typer.Option(help="The same of the slides, where they do not say it.")] = None,
    coords: Annotated[
        Path | None, typer.Option(help="A folder of TRIDENT's or CLAM's coordinate files: take their patches.")
    ] = None,
    regions: Annotated[
        Path | None, typer.Option(help="A folder of SLIDE.geojson from QuPath: patches whose centre lies in an area.")
    ] = None,
    outside: Annotated[bool, typer.Option("--outside", help="With --regions: those that lie in none.")] = False,
    stain_norm: Annotated[str | None, typer.Option(help="Normalise stains: macenko or reinhard.")] = None,
    save_patches: Annotated[int, typer.Option(min=0, help="Keep so many patches of each slide as PNG files.")] = 0,
    precision: Annotated[
        str | None, typer.Option(help="Of networks: bf16 or float32; as published on a GPU, float32 on a CPU.")
    ] = None,
    shard: Annotated[str | None, typer.Option(help="Only a part of the slides: 3/16 is the third of sixteen.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    overrides: Overrides = [],  # noqa: B006
    jobs: Jobs = 1,
    cluster: Cluster = "",
) -> None:
    """Turn slides into embeddings, one file a slide. Started again, it continues.

    Several processes and machines may work on one folder: each slide is done once. A study has its settings in its file
    (`features:`), a folder has them here. Example: `prognoscope extract study.yaml --jobs 4` or `prognoscope extract
    slides --encoder uni_v2 --out features`.
    """
    if slides.suffix.lower() in (".yaml", ".yml"):
        given = {"--encoder": encoder, "--out": out, "--weights": weights, "--coords": coords, "--regions": regions}
        given |= {"--patch-px": patch_px, "--mpp": mpp, "--outside": outside}
        given |= {
            "--stain-norm": stain_norm,
            "--save-patches": save_patches,
            "--precision": precision,
            "--shard": shard,
            "--slide-mpp": slide_mpp,
        }
        if stray := [name for name, value in given.items() if value]:
            raise InputError(
                f"{', '.join(stray)} belong to `extract FOLDER`; of a study, set `features` in {slides}, or by --set."
            )
        from prognoscope.study.study import Study

        loaded = Study.load(slides, overrides)
        report = extract_and_tell(lambda advance: loaded.extract(workers=jobs, cluster=cluster, progress=advance))
    else:
        report = _extract_folder(
            slides,
            encoder,
            out,
            overrides,
            weights=weights or [],
            patch_px=patch_px or 256,
            mpp=0.5 if mpp is None else mpp,
            slide_mpp=slide_mpp,
            coords=coords,
            regions=regions,
            outside=outside,
            stain_norm=stain_norm,
            save_patches=save_patches,
            precision=precision,
            shard=shard,
            device=device,
            workers=jobs,
            cluster=cluster,
        )
    if report.failed:
        raise typer.Exit(1)


def convert(
    features: Annotated[Path, typer.Argument(help="A folder of embeddings: ours, TRIDENT's, CLAM's or STAMP's.")],
    to: Annotated[str, typer.Option(help="Which tool is to read them: clam, stamp, torchmil or trident.")],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    slide_mpp: Annotated[
        float | None, typer.Option(help="Micrometres per pixel of the slides, where the files do not say it.")
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="By which they were made, where the files do not say it.")] = None,
) -> None:
    """Write embeddings as CLAM, STAMP, torchmil or TRIDENT reads them. Started again, it continues.

    Nothing is written over. Example: `prognoscope convert features --to clam --out for_clam`.
    """
    from prognoscope.features.convert import convert_embeddings

    with bar(err, "Slides") as advance:
        report = convert_embeddings(features, out, to.lower(), slide_mpp=slide_mpp, encoder=encoder, progress=advance)
    say(f"Embeddings: {len(report.done)} slides now, {len(report.already)} before, {len(report.failed)} failed.")
    tell_left_out(report.failed)
    if report.failed:
        raise typer.Exit(1)
    say(f"They are in {out}.")


def _extract_folder(
    slides: Path,
    encoders: list[str] | None,
    out: Path | None,
    overrides: list[str],
    **asked: Any,
) -> "ExtractionReport":
    if overrides:
        raise InputError("--set changes a study file; of a folder, give the options that --help lists.")
    if out is None or not encoders:
        raise InputError("Of a folder, say by what and where to: --encoder NAME --out FOLDER.")
    if asked["coords"] is not None and (asked["patch_px"], asked["mpp"]) != (256, 0.5):
        raise InputError("--coords say themselves how large patches are; leave --patch-px and --mpp out.")
    if asked["outside"] and asked["regions"] is None:
        raise InputError("--outside says which patches of --regions are kept; name their folder.")
    from prognoscope.study.folder_extraction import extract_folder

    report = extract_and_tell(lambda advance: extract_folder(slides, out, encoders, progress=advance, **asked))
    say(f"Embeddings are in {out}, pictures of what was used in {out / 'previews'}.")
    return report
