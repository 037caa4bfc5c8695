"""OpenEarthMap: land cover of 97 regions in 44 countries, from the air and from space.

Source     Xia, Yokoya, Adriano, Broni-Bediako: OpenEarthMap: a benchmark dataset for global high-resolution land cover
           mapping, WACV 2023, arXiv 2210.10732; Zenodo 7223446.
Licence    CC BY-NC-SA 4.0; some regions have terms of their own.  Photos of the xBD regions are not part of the
           archive and come from xView2 after registration.
Images     About 1000x1000 (xBD 1024x1024) RGB TIFF, 0.25 to 0.5 m a pixel: 3000 train, 500 val; the 1500 of test have
           no public labels and are not read.
Layout     REGION/images/REGION_N.tif, REGION/labels/REGION_N.tif, train.txt and val.txt (a file name a line).
Domains    all, and the 97 regions by name.  Without the xBD photos `all` is the regions that have photos.
Splits     train = train.txt.  test = val.txt, the labelled images that are scored here; val = val.txt as well: there
           to watch a run, never to choose a model.  target = images of train.txt.
Labels     0 on disk is what no class was given to -> IGNORE, as in the paper's tables, whose mean is over eight
           classes; k in 1..8 -> class k-1; anything else is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bench.datasets.folders import FolderDataset, check_request, list_files, not_found, samples, unlabelled
from bench.datasets.reading import data_error, label_table
from bench.spec import IGNORE, DatasetInfo

# fmt: off
INFO = DatasetInfo(
    name="openearthmap",
    label="OpenEarthMap",
    domains=(
        "all",
        "aachen", "abancay", "accra", "adelaide", "al_qurnah", "austin", "baybay", "bielefeld", "bogota",
        "buenos_aires", "chiangmai", "chicago", "chiclayo", "chincha", "chisinau", "christchurch", "coxsbazar",
        "daressalaam", "dhaka", "dolnoslaskie", "dortmund", "dowa", "duesseldorf", "el_rodeo", "gorakhpur",
        "houston", "ica", "jeremie", "joplin", "kagera", "kampala", "khartoum", "kinshasa", "kitsap", "koeln",
        "kujawsko-pomorskie", "kyoto", "labuhan", "lambayeque", "leilane_estates", "les_cayes", "lima",
        "little_rock", "lodzkie", "lohur", "lubuskie", "mahe", "malopolskie", "maputo", "mazowieckie", "melbourne",
        "mexico_city", "monrovia", "muenster", "ngaoundere", "niamey", "oklahoma", "palu", "panama_city", "paris",
        "pedrogao_grande", "pisco", "piura", "podkarpackie", "podlaskie", "pointenoire", "pomorskie",
        "port_a_piment", "rio", "rosario", "rotterdam", "saint_louis_du_sud", "san_tome", "santa_rosa", "santiago",
        "sechura", "shanghai", "slaskie", "soriano", "svaneti", "swietokrzyskie", "thousand_oaks", "tokyo", "tonga",
        "tulsa", "tuscaloosa", "tyrolw", "ulaanbaatar", "vegas", "vienna", "viru", "wallace", "warminsko-mazurskie",
        "western", "wielkopolskie", "zachodniopomorskie", "zanzibar",
    ),
    class_names=("bareland", "rangeland", "developed_space", "road", "tree", "water", "agriculture", "building"),
    palette=(
        (128, 0, 0), (0, 255, 36), (148, 148, 148), (255, 255, 255),
        (34, 97, 38), (0, 69, 255), (75, 181, 73), (222, 31, 7),
    ),
    licence="CC BY-NC-SA 4.0",
    source="Xia et al. 2023, arXiv 2210.10732; Zenodo 7223446",
    needs_files=True,
)
# fmt: on

TIFF = (".tif", ".tiff")
_LABELS = label_table({0: IGNORE, **{k: k - 1 for k in range(1, 9)}})
_LINE = re.compile(r"([a-z_-]+)_[0-9]+\.tif")


def openearthmap(root: Path | None, domain: str, split: str) -> FolderDataset:
    """OpenEarthMap land cover, 97 regions or all: 8 classes, about 1000x1000.

    `root` holds train.txt, val.txt and the regions.  Raises BenchError when it does not, or when a listed photo or
    its mask is missing.
    """
    check_request(INFO, domain, split)
    if root is None or not root.is_dir():
        raise not_found(INFO, root)
    list_file = root / ("train.txt" if split in ("train", "target") else "val.txt")
    listed = _listed(list_file)
    photos: list[Path] = []
    masks: list[Path] = []
    for region in sorted(listed) if domain == "all" else [domain]:
        if domain == "all" and not _photos(root / region):
            continue
        wanted = listed.get(region, set())
        photos += _complete(_photos(root / region), wanted, root / region / "images")
        if split != "target":
            masks += _complete(list_files(root / region / "labels", TIFF), wanted, root / region / "labels")
    if not photos:
        raise data_error(f"names no images of {domain} that are there", list_file, "add the photos of this region")
    found = unlabelled(photos) if split == "target" else samples(photos, masks)
    return FolderDataset(INFO, domain, split, found, _LABELS)


def _photos(region: Path) -> list[Path]:
    return list_files(region / "images", TIFF) if (region / "images").is_dir() else []


def _complete(there: list[Path], wanted: set[str], folder: Path) -> Iterator[Path]:
    """The wanted files in numeric order; raises BenchError for the first that is missing."""
    missing = wanted - {path.name for path in there}
    if missing:
        remedy = "unpack the archive again; photos of xBD regions come from xView2"
        raise data_error(f"is listed but not there ({len(missing)} in all)", folder / min(missing), remedy)
    return (path for path in there if path.name in wanted)


def _listed(file: Path) -> dict[str, set[str]]:
    """Region -> the file names that the list gives it; raises BenchError for a line that is no such name."""
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeError) as error:
        raise data_error("the list of files cannot be read", file, "restore it from the archive") from error
    listed: dict[str, set[str]] = {}
    for number, line in enumerate(lines, 1):
        found = _LINE.fullmatch(line.strip())
        if found and found[1] in INFO.domains:
            listed.setdefault(found[1], set()).add(found[0])
        elif line.strip():
            raise data_error("is no file of a known region", file, "restore the list").at(line=number)
    return listed
