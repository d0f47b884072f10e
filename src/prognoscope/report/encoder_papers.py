"""Whom to cite for the encoder that a run's embeddings were made with."""

import re

OWN = frozenset({"stain"})  # Prognoscope's, which has no paper

PAPERS = {
    "resnet50": "He, Zhang, Ren, Sun, Deep residual learning for image recognition, CVPR 2016",
    "resnet50_trunc": "He, Zhang, Ren, Sun, Deep residual learning for image recognition, CVPR 2016; cut after its "
    "third "
    "block as in Lu et al., Data-efficient and weakly supervised computational pathology on whole-slide images (CLAM), "
    "Nature Biomedical Engineering 2021",
    "conch_v1": "Lu et al., A visual-language foundation model for computational pathology, Nature Medicine 2024",
    "conch_v15": "Ding et al., A multimodal whole-slide foundation model for pathology (TITAN), Nature Medicine 2025, "
    "with which CONCH v1.5 came",
    "ctranspath": "Wang et al., Transformer-based unsupervised contrastive learning for histopathological image "
    "classification, Medical Image Analysis 2022",
    "gigapath": "Xu et al., A whole-slide foundation model for digital pathology from real-world data, Nature 2024",
    "gpfm": "Ma et al., Towards a generalizable pathology foundation model via unified knowledge distillation, "
    "arXiv:2407.18449, 2024",
    "h0_mini": "Filiot et al., Distilling foundation models for robust and efficient models in digital pathology, "
    "arXiv:2501.16239, 2025",
    "hibou": "Nechaev et al., Hibou: a family of foundational vision transformers for pathology, arXiv:2406.05074, "
    "2024",
    "hoptimus0": "Saillard et al., H-optimus-0, github.com/bioptimus/releases, 2024",
    "hoptimus1": "Bioptimus, H-optimus-1, huggingface.co/bioptimus/H-optimus-1, 2025",
    "kaiko": "kaiko.ai, Aben et al., Towards large-scale training of pathology foundation models, arXiv:2404.15217, "
    "2024",
    "keep": "Zhou et al., Knowledge-enhanced pretraining for vision-language pathology foundation model on cancer "
    "diagnosis, Cancer Cell 2026",
    "lunit": "Kang et al., Benchmarking self-supervised learning on diverse pathology datasets, CVPR 2023",
    "midnight": "Karasikov et al., Training state-of-the-art pathology foundation models with orders of magnitude less "
    "data, MICCAI 2025",
    "musk": "Xiang et al., A vision-language foundation model for precision oncology, Nature 2025",
    "phikon": "Filiot et al., Scaling self-supervised learning for histopathology with masked image modeling, "
    "medRxiv 2023",
    "phikon_v2": "Filiot et al., Phikon-v2, a large and public feature extractor for biomarker prediction, "
    "arXiv:2409.09173, 2024",
    "plip": "Huang et al., A visual-language foundation model for pathology image analysis using medical Twitter, "
    "Nature Medicine 2023",
    "uni_v1": "Chen et al., Towards a general-purpose foundation model for computational pathology, Nature Medicine "
    "2024",
    "uni_v2": "Chen et al., Towards a general-purpose foundation model for computational pathology, Nature Medicine "
    "2024, whose second version this is (huggingface.co/MahmoodLab/UNI2-h, 2025)",
    "virchow": "Vorontsov et al., A foundation model for clinical-grade computational pathology and rare cancers "
    "detection, Nature Medicine 2024",
    "virchow2": "Zimmermann et al., Virchow2: scaling self-supervised mixed magnification models in pathology, "
    "arXiv:2408.00738, 2024",
}
ALSO = {  # other names of the same
    "resnet50_trunc": ("resnet50_clam", "resnet50_baseline"),
    "resnet50": ("resnet50_imagenet",),
    "conch_v1": ("conch",),
    "conch_v15": ("conch_v1_5",),
    "gigapath": ("prov_gigapath",),
    "hibou": ("hibou_b", "hibou_l"),
    "hoptimus0": ("h_optimus_0",),
    "hoptimus1": ("h_optimus_1",),
    "kaiko": ("kaiko_vits8", "kaiko_vits16", "kaiko_vitb8", "kaiko_vitb16", "kaiko_vitl14"),
    "lunit": ("lunit_vits8",),
    "midnight": ("midnight12k", "midnight_12k"),
    "phikon_v2": ("phikonv2",),
    "uni_v1": ("uni",),
    "uni_v2": ("uni2", "uni2_h"),
}
_BY_NAME = {re.sub("_", "", name): PAPERS[key] for key in PAPERS for name in (key, *ALSO.get(key, ()))}


def encoder_paper(name: str) -> str | None:
    """The paper of an encoder, by its whole name as TRIDENT and others write it; None where we do not know it."""
    return _BY_NAME.get(re.sub(r"[^a-z0-9]", "", name.lower()))


def encoder_citation(name: str | None) -> tuple[str, str]:
    """What to cite, and what is left to the author; one of the two is "", and both of an encoder of ours.

    Args:
        name: As the embeddings' files tell it; None where they do not.
    """
    if not name:
        return "", "The files of embeddings do not tell their encoder: name and cite it yourself."
    if name in OWN:
        return "", ""
    paper = encoder_paper(name)
    if paper is None:
        return "", f"The paper of the encoder {name} is not known here: cite it yourself."
    return f"{name}: {paper}", ""
