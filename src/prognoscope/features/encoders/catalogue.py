"""What is known of each encoder that timm builds: network, published file, patches it expects, token it gives, licence.

Published files were not at hand: their names and layouts are those of the model cards and of TRIDENT 0.3.0, which is
also where the names of encoders are from. What is not known is None and never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from prognoscope.features.encoders.pinned import PINNED

Names = Literal["timm", "dinov2", "transformers"]
Tokens = Literal["class", "class+mean", "map", "own"]
Precision = Literal["float16", "bfloat16", "float32"]
Rgb = tuple[float, float, float]

IMAGENET: tuple[Rgb, Rgb] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # means and standard deviations
OPTIMUS: tuple[Rgb, Rgb] = ((0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517))
HIBOU: tuple[Rgb, Rgb] = ((0.7068, 0.5755, 0.722), (0.195, 0.2316, 0.1816))
LUNIT: tuple[Rgb, Rgb] = ((0.70322989, 0.53606487, 0.66096631), (0.21716536, 0.26081574, 0.20723464))
HALF: tuple[Rgb, Rgb] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True, slots=True)
class Description:
    """One encoder. Patches are RGB / 255, less the mean, over the standard deviation, at about 0.5 um per pixel."""

    name: str
    hub: str  # its repository on the Hugging Face hub
    architecture: str  # timm's name of the network
    embedding_dim: int  # D
    parameters: int  # of the network without a classifier
    licence: str
    commercial: bool | None  # whether the licence allows commercial use; None: read it
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)  # for timm, beside the architecture
    file: str = "model.safetensors"  # in the repository
    gated: bool = False  # whether the hub asks for a login and an accepted licence
    names: Names = "timm"  # whose names the parameters in the file have
    tokens: Tokens = "class"  # "own": what timm's network gives without its classifier
    swiglu: bool | None = False  # kind of the perceptrons; None: as in the file
    any_grid: bool = False  # whether the file may have positions of another image size, which are interpolated
    resize_px: int | None = 224  # side that a patch is resized to; None: as it comes
    crop_px: int = 224  # side of its middle that the network sees
    smooth: Literal["bilinear", "bicubic"] = "bilinear"  # interpolation
    rgb: tuple[Rgb, Rgb] = IMAGENET
    precision: Precision = "float16"  # on a GPU; a CPU computes in float32
    norm_eps: float = 1e-6
    leaves_out: tuple[str, ...] = ()  # beginnings of names in the file that the network does without
    revision: str | None = None  # of the repository; None: its newest
    sha256: str | None = None  # of the file


NC_ND = "CC BY-NC-ND 4.0"
APACHE = "Apache 2.0"
OPTIMUS_OPTIONS = {"img_size": 224, "init_values": 1e-5}
UNI2_OPTIONS = {"depth": 24, "num_heads": 24, "embed_dim": 1536, "mlp_ratio": 5.33334, "init_values": 1e-5}
UNI2_OPTIONS |= {"reg_tokens": 8, "no_embed_class": True}
GIGAPATH_OPTIONS = {"img_size": 224, "patch_size": 16, "embed_dim": 1536, "depth": 40, "num_heads": 24}
GIGAPATH_OPTIONS |= {"mlp_ratio": 5.33334}
VIRCHOW_OPTIONS = {"init_values": 1e-5, "mlp_ratio": 5.3375}
KAIKO_LICENCE = "Kaiko non-commercial"


def _virchow(name: str, hub: str, parameters: int, licence: str, commercial: bool, **options: Any) -> Description:
    return Description(
        name,
        hub,
        "vit_huge_patch14_224",
        2560,
        parameters,
        licence,
        commercial,
        VIRCHOW_OPTIONS | options,
        gated=True,
        tokens="class+mean",
        swiglu=True,
        smooth="bicubic",
    )


def _optimus(name: str, hub: str, licence: str, file: str, *, commercial: bool, gated: bool) -> Description:
    return Description(
        name,
        hub,
        "vit_giant_patch14_reg4_dinov2",
        1536,
        1_134_774_272,
        licence,
        commercial,
        OPTIMUS_OPTIONS,
        file=file,
        gated=gated,
        rgb=OPTIMUS,
    )


def _kaiko(name: str, architecture: str, width: int, parameters: int, hub: str | None = None) -> Description:
    return Description(
        f"kaiko_{name}",
        f"1aurent/{hub or architecture}.kaiko_ai_towards_large_pathology_fms",
        architecture,
        width,
        parameters,
        KAIKO_LICENCE,
        False,
        rgb=HALF,
        precision="float32",
    )


def _hibou(name: str, hub: str, architecture: str, width: int, parameters: int, **options: Any) -> Description:
    """Its cards say SwiGLU for B; for L the file decides."""
    return Description(
        name,
        hub,
        architecture,
        width,
        parameters,
        APACHE,
        True,
        {"img_size": 224, **options},
        gated=True,
        names="transformers",
        swiglu=True if options else None,
        any_grid=True,
        smooth="bicubic",
        rgb=HIBOU,
        precision="float32",
    )


_ALL = (  # first those whose licence lets a hospital or a company use them
    _virchow("virchow", "paige-ai/Virchow", 631_229_184, APACHE, commercial=True),
    _optimus("hoptimus0", "bioptimus/H-optimus-0", APACHE, "pytorch_model.bin", commercial=True, gated=False),
    Description(
        "midnight",
        "kaiko-ai/midnight",
        "vit_giant_patch14_dinov2",
        1536,
        1_134_769_664,
        "MIT",
        True,
        {"img_size": 224},
        names="transformers",
        any_grid=True,
        rgb=HALF,
    ),
    Description(
        "openmidnight",
        "SophontAI/OpenMidnight",
        "vit_giant_patch14_reg4_dinov2",
        1536,
        1_134_774_272,
        APACHE,
        True,
        {"img_size": 224},
        file="teacher_checkpoint_load.pt",
        gated=True,
        names="dinov2",
        any_grid=True,
    ),
    _hibou("hibou_b", "histai/hibou-B", "vit_base_patch14_reg4_dinov2", 768, 85_739_520, mlp_ratio=5.33334),
    _hibou("hibou_l", "histai/hibou-L", "vit_large_patch14_reg4_dinov2", 1024, 303_230_976),
    Description(
        "resnet50_trunc",
        "timm/resnet50.tv_in1k",
        "resnet50",
        1024,
        8_543_296,
        "BSD 3-clause",
        True,
        {"features_only": True, "out_indices": (3,)},
        tokens="map",
        resize_px=None,
        precision="bfloat16",
        leaves_out=("layer4.", "fc."),
    ),
    Description(
        "gigapath",
        "prov-gigapath/prov-gigapath",
        "vit_giant_patch14_dinov2",
        1536,
        1_134_953_984,
        "Apache 2.0 with conditions",
        None,
        GIGAPATH_OPTIONS,
        file="pytorch_model.bin",
        gated=True,
        resize_px=256,
        smooth="bicubic",
    ),
    _virchow("virchow2", "paige-ai/Virchow2", 631_239_424, NC_ND, commercial=False, reg_tokens=4),
    _optimus("hoptimus1", "bioptimus/H-optimus-1", NC_ND, "model.safetensors", commercial=False, gated=True),
    Description(
        "h0_mini",
        "bioptimus/H0-mini",
        "vit_base_patch14_reg4_dinov2",
        768,
        85_739_520,
        NC_ND,
        False,
        {"img_size": 224, "mlp_ratio": 5.33334, "init_values": 1e-5},
        gated=True,
        swiglu=True,
        smooth="bicubic",
        rgb=OPTIMUS,
    ),
    Description(
        "uni_v1",
        "MahmoodLab/UNI",
        "vit_large_patch16_224",
        1024,
        303_350_784,
        NC_ND,
        False,
        {"init_values": 1e-5},
        file="pytorch_model.bin",
        gated=True,
    ),
    Description(
        "uni_v2",
        "MahmoodLab/UNI2-h",
        "vit_giant_patch14_224",
        1536,
        681_394_176,
        NC_ND,
        False,
        UNI2_OPTIONS,
        file="pytorch_model.bin",
        gated=True,
        swiglu=True,
        precision="bfloat16",
    ),
    Description(
        "gpfm",
        "majiabo/GPFM",
        "vit_large_patch14_dinov2",
        1024,
        303_227_904,
        NC_ND,
        False,
        {"img_size": 224, "init_values": 1e-5},
        file="GPFM.pth",
        names="dinov2",
        any_grid=True,
        smooth="bicubic",
    ),
    Description(
        "phikon",
        "owkin/phikon",
        "vit_base_patch16_224",
        768,
        85_798_656,
        "Owkin non-commercial",
        False,
        file="pytorch_model.bin",
        names="transformers",
        precision="float32",
        norm_eps=1e-12,
    ),
    Description(
        "phikon_v2",
        "owkin/phikon-v2",
        "vit_large_patch16_224",
        1024,
        303_350_784,
        "Owkin non-commercial",
        False,
        {"init_values": 1e-5},
        names="transformers",
        any_grid=True,
        precision="float32",
    ),
    _kaiko("vits8", "vit_small_patch8_224", 384, 21_670_272),
    _kaiko("vits16", "vit_small_patch16_224", 384, 21_665_664),
    _kaiko("vitb8", "vit_base_patch8_224", 768, 85_807_872),
    _kaiko("vitb16", "vit_base_patch16_224", 768, 85_798_656),
    _kaiko("vitl14", "vit_large_patch14_reg4_dinov2", 1024, 304_370_688, "vit_large_patch14_reg4_224"),
    Description(
        "lunit_vits8",
        "1aurent/vit_small_patch8_224.lunit_dino",
        "vit_small_patch8_224",
        384,
        21_670_272,
        "Lunit non-commercial",
        False,
        smooth="bicubic",
        rgb=LUNIT,
        precision="float32",
    ),
)
TIMM = "timm:"  # how the name of an encoder begins that is any network of timm
CATALOGUE = {each.name: replace(each, **PINNED.get(each.name, {})) for each in _ALL}
ALIASES = {"resnet50": "resnet50_trunc", "midnight12k": "midnight"}  # TRIDENT's names, where ours are others
ELSEWHERE = {  # encoders whose features are read, while nothing here computes them -> why not
    "conch_v1": "it pools by attention in a way of its own, which timm does not have",
    "conch_v15": "it pools by attention in a way of its own, which timm does not have",
    "musk": "its network is no part of timm",
    "keep": "its file runs code of its own",
    "ctranspath": "its network is a Swin with a convolutional stem, which timm does not have",
    "genbio_pathfm": "its network is no part of timm",
}
