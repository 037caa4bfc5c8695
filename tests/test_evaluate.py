"""Confusion counts: exact, at label resolution, void in none of them, whatever the batches."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.overrides import TorchFunctionMode

from bench import scores
from bench.evaluate import counting, winner
from bench.evaluate.counting import confusion_update, evaluate, predict
from bench.models.segmodel import SegModel
from bench.spec import IGNORE, BenchError, ExitCode

Update = Callable[[Tensor, Tensor, Tensor], Tensor]

WIDTHS = [1, 2, 7, 15, 16, 19, 180, 181, 254]
"""Numbers of classes on both sides of every change of the code's dtype."""


def counted(predictions: Tensor, labels: Tensor, k: int) -> Tensor:
    """The definition, pixel by pixel: (B, K, K)."""
    table = np.zeros((len(labels), k, k), dtype=np.int64)
    for n, (p, t) in enumerate(zip(predictions.numpy(), labels.numpy(), strict=True)):
        valid = t != IGNORE
        np.add.at(table[n], (t[valid], p[valid]), 1)
    return torch.from_numpy(table)


def batch(
    k: int, b: int = 2, size: tuple[int, int] = (9, 13), seed: int = 0, void: float = 0.2
) -> tuple[Tensor, Tensor]:
    """Integer logits, so that ties are common and every sum is exact, and labels with void."""
    g = torch.Generator().manual_seed(seed)
    logits = torch.randint(-3, 4, (b, k, *size), generator=g).float()
    labels = torch.randint(0, k, (b, *size), generator=g).to(torch.uint8)
    labels[torch.rand(labels.shape, generator=g) < void] = IGNORE
    return logits, labels


def zeros(k: int, b: int | None = None) -> Tensor:
    return torch.zeros((k, k) if b is None else (b, k, k), dtype=torch.int64)


def upsampled(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return interpolate(logits, size, mode="bilinear", align_corners=False)


# ------------------------------------------------------------------ counts from logits at label size


def check_counts(update: Update, k: int = 7) -> None:
    logits, labels = batch(k)
    want = counted(logits.argmax(1), labels, k)
    assert torch.equal(update(zeros(k, 2), logits, labels), want)
    assert torch.equal(update(zeros(k), logits, labels), want.sum(0))


@pytest.mark.parametrize("k", WIDTHS)
def test_counts_equal_the_definition(k: int) -> None:
    check_counts(confusion_update, k)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda c, x, t: c + _per(counted((x.shape[1] - 1) - x.flip(1).argmax(1), t, x.shape[1]), c),
        lambda c, x, t: c + _per(counted(x.argmax(1), t, x.shape[1]).transpose(1, 2), c),
        lambda c, x, t: c + _per(counted(x.argmax(1), t.where(t != IGNORE, 0), x.shape[1]), c),
    ],
    ids=["last class wins a tie", "transposed", "void is class 0"],
)
def test_wrong_counts_are_caught(wrong: Update) -> None:
    with pytest.raises(AssertionError):
        check_counts(wrong)


def _per(table: Tensor, counts: Tensor) -> Tensor:
    return table if counts.ndim == 3 else table.sum(0)


@given(
    k=st.integers(1, 24),
    b=st.integers(0, 3),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    void=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 2**16),
)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_counts_of_any_shape(k: int, b: int, size: tuple[int, int], void: float, seed: int) -> None:
    logits, labels = batch(k, b, size, seed, void)
    got = confusion_update(zeros(k, b), logits, labels)
    assert torch.equal(got, counted(logits.argmax(1), labels, k))
    assert got.sum() == (labels != IGNORE).sum()
    assert torch.equal(confusion_update(zeros(k), logits, labels), got.sum(0))


def test_updates_add_up_in_place() -> None:
    counts, (logits, labels) = zeros(7), batch(7)
    assert confusion_update(counts, logits, labels) is counts
    confusion_update(counts, logits, labels)
    assert torch.equal(counts, 2 * counted(logits.argmax(1), labels, 7).sum(0))


def test_predictions_on_void_never_matter() -> None:
    logits, labels = batch(7)
    other = logits.where(
        (labels != IGNORE)[:, None], torch.randn(logits.shape, generator=torch.Generator().manual_seed(1))
    )
    assert not torch.equal(other.argmax(1), logits.argmax(1))
    assert torch.equal(confusion_update(zeros(7), other, labels), confusion_update(zeros(7), logits, labels))


@given(order=st.permutations(range(5)), seed=st.integers(0, 2**16))
@settings(derandomize=True, deadline=None, max_examples=20)
def test_relabelling_classes_permutes_the_counts(order: list[int], seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    logits, labels = torch.randn(2, 5, 8, 8, generator=g), batch(5, 2, (8, 8), seed)[1]
    table = torch.full((256,), IGNORE, dtype=torch.uint8)
    table[torch.tensor(order)] = torch.arange(5, dtype=torch.uint8)
    counts = confusion_update(zeros(5), logits, labels)
    renamed = confusion_update(zeros(5), logits[:, order], table[labels.long()])
    assert torch.equal(renamed, counts[order][:, order])


@pytest.mark.parametrize(
    "layout", ["channels_last", "strided", "float64", "bfloat16", "requires_grad", "labels strided"]
)
def test_layout_and_dtype_do_not_matter(layout: str) -> None:
    logits, labels = batch(7, size=(12, 10))
    want = counted(logits.argmax(1), labels, 7).sum(0)
    if layout == "channels_last":
        logits = logits.contiguous(memory_format=torch.channels_last)
    elif layout == "strided":
        logits = logits.transpose(2, 3).contiguous().transpose(2, 3)
    elif layout == "labels strided":
        labels = labels.transpose(1, 2).contiguous().transpose(1, 2)
    elif layout == "requires_grad":
        logits.requires_grad_()
    else:
        logits = logits.to(getattr(torch, layout))
    assert torch.equal(confusion_update(zeros(7), logits, labels), want)


def test_counting_keeps_no_graph_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method may count pseudo-labels in the middle of a training step."""
    seen, tally = [], counting._tally
    monkeypatch.setattr(counting, "_tally", lambda *args: (seen.append(torch.is_grad_enabled()), tally(*args))[1])
    logits, labels = batch(7)
    confusion_update(zeros(7), logits.requires_grad_(), labels)
    assert seen == [False]
    assert torch.is_grad_enabled()


def test_logits_are_left_as_they_were() -> None:
    for size in ((9, 13), (18, 26)):
        logits, _ = batch(7)
        before = logits.clone()
        confusion_update(zeros(7), logits, torch.zeros(2, *size, dtype=torch.uint8))
        assert torch.equal(logits, before)


# ------------------------------------------------------------------ labels that are no class


@pytest.mark.parametrize("k", WIDTHS)
def test_a_label_outside_the_classes_is_refused(k: int) -> None:
    for stranger in {k, min(k + 1, 254), 128 if k < 128 else 254, 254}:
        logits, labels = batch(k)
        labels[1, 2, 3:5] = stranger
        counts = zeros(k)
        with pytest.raises(BenchError, match=r"2 pixels of image 1 .*outside") as caught:
            confusion_update(counts, logits, labels)
        assert caught.value.code is ExitCode.DATA
        assert "\n" not in str(caught.value)
        assert not counts.any()


def test_the_check_is_what_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_counts", lambda tallies, first=0: tallies[:, 1:-1])
    logits, labels = batch(7)
    labels[1, 2, 3] = 7
    confusion_update(zeros(7), logits, labels)


def test_labels_that_a_cast_would_hide_are_refused() -> None:
    logits, labels = batch(7)
    with pytest.raises(TypeError, match="uint8"):
        confusion_update(zeros(7), logits, labels.long())


@pytest.mark.parametrize(("k", "images"), [(6, 2), (7, 1)])
def test_shapes_that_do_not_fit_are_refused(k: int, images: int) -> None:
    logits, labels = batch(7)
    with pytest.raises(ValueError, match="do not fit"):
        confusion_update(zeros(k), logits, labels[:images])


# ------------------------------------------------------------------ resampling

SIZES = [
    ((8, 8), (64, 64)),
    ((5, 9), (40, 31)),
    ((33, 45), (257, 360)),
    ((20, 20), (7, 9)),
    ((1, 1), (6, 5)),
    ((6, 1), (6, 9)),
]


def check_resampling(winners: Callable[[Tensor, tuple[int, int]], Tensor]) -> None:
    """Equal to upsample-then-argmax but where the two best are within rounding."""
    for old, new in SIZES:
        logits = torch.randn(7, *old, generator=torch.Generator().manual_seed(3))
        full = upsampled(logits[None], new)[0]
        got = winners(logits, new).long()
        behind = full.max(0).values - full.gather(0, got[None])[0]
        assert behind.max() <= 1e-5, (old, new)


@pytest.mark.parametrize("pixels", [1, 50, 700, 2**18])
def test_bands_give_what_the_whole_gives(pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winner, "BAND_PX", pixels)
    check_resampling(winner.winner)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, size: interpolate(x[None], size, mode="bilinear", align_corners=True)[0].argmax(0),
        lambda x, size: interpolate(x[None], size, mode="nearest")[0].argmax(0),
        lambda x, size: interpolate(x.argmax(0)[None, None].float(), size, mode="nearest")[0, 0],
        lambda x, size: torch.cat(
            [upsampled(half[None], (rows, size[1]))[0].argmax(0) for half, rows in _halves(x, size)]
        ),
    ],
    ids=["align_corners", "nearest", "argmax first", "bands that do not see their neighbours"],
)
def test_wrong_resampling_is_caught(wrong: Callable[[Tensor, tuple[int, int]], Tensor]) -> None:
    with pytest.raises(AssertionError):
        check_resampling(wrong)


def _halves(x: Tensor, size: tuple[int, int]) -> list[tuple[Tensor, int]]:
    if x.shape[1] < 2:
        return [(x, size[0])]
    return [(x[:, : x.shape[1] // 2], size[0] // 2), (x[:, x.shape[1] // 2 :], size[0] - size[0] // 2)]


@pytest.mark.parametrize("pixels", [1, 500, 2**18])
def test_exact_arithmetic_leaves_no_pixel_different(pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At eight times the size shares are sixteenths, so that integer logits round nowhere: ties too must agree."""
    monkeypatch.setattr(winner, "BAND_PX", pixels)
    logits, _ = batch(7, b=3, size=(12, 9))
    labels = batch(7, b=3, size=(96, 72))[1]
    want = counted(upsampled(logits, (96, 72)).argmax(1), labels, 7)
    assert torch.equal(confusion_update(zeros(7, 3), logits, labels), want)


class Largest(TorchFunctionMode):
    """The most elements of any tensor that an operation gave."""

    elements = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(tensor, Tensor):
                self.elements = max(self.elements, tensor.numel())
        return out


def test_full_resolution_logits_never_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winner, "BAND_PX", 2**12)
    logits, labels = torch.randn(3, 7, 32, 32), torch.zeros(3, 256, 256, dtype=torch.uint8)
    with Largest() as ours:
        confusion_update(zeros(7), logits, labels)
    with Largest() as whole:
        upsampled(logits, (256, 256))
    assert ours.elements <= labels[0].numel()
    assert whole.elements == 7 * labels.numel()


# ------------------------------------------------------------------ the route of accelerators, on the CPU


@pytest.mark.parametrize("width", [1, 63, 64, 65, 200])
def test_the_table_without_a_wait_equals_bincount(width: int) -> None:
    code = torch.randint(0, 63, (17, width), dtype=torch.int32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(counting._table_fixed(code, 63), torch.bincount(code.flatten(), minlength=63))


def test_winners_at_once_equal_winners_in_bands() -> None:
    check_resampling(lambda logits, size: winner._winner_at_once([logits], size))
    logits, _ = batch(7)
    assert torch.equal(winner._winner_at_once([logits[0]], (9, 13)), winner.winner(logits[0], (9, 13)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_counts_equal_and_nothing_waits() -> None:
    model, device = Net(), torch.device("cuda")
    data = [(torch.randn(2, 3, 16, 16), batch(5, 2, (33, 40), seed)[1]) for seed in range(3)]
    want = evaluate(model, data, 5)
    there = [(images.to(device), labels.to(device)) for images, labels in data]
    model.to(device)

    def guarded() -> Iterator[tuple[Tensor, Tensor]]:
        for pair in there:
            torch.cuda.set_sync_debug_mode("error")
            yield pair
        torch.cuda.set_sync_debug_mode("default")

    try:
        got = evaluate(model, guarded(), 5)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert (got - want).abs().sum() <= 1e-3 * want.sum()
    assert torch.equal(got.sum((1, 2)), want.sum((1, 2)))


# ------------------------------------------------------------------ evaluate and predict


class Net(SegModel):
    """A small network of stride 2 whose train mode is random."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 5, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(5)
        self.drop = nn.Dropout(0.5)
        self.grad: list[bool] = []

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        self.grad.append(torch.is_grad_enabled())
        return {"out": self.drop(self.norm(self.conv(images)))}


class Echo(SegModel):
    """Predicts what channel 0 of the images says."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        classes = torch.arange(self.num_classes, dtype=images.dtype)
        return {"out": (images[:, :1] == classes[:, None, None]).float()}


@pytest.fixture
def data() -> tuple[Tensor, Tensor]:
    images = torch.randn(5, 3, 16, 20, generator=torch.Generator().manual_seed(2))
    return images, batch(5, 5, (16, 20), seed=4)[1]


def test_counts_are_per_image_in_order(data: tuple[Tensor, Tensor]) -> None:
    model = Net().eval()
    images, labels = data
    with torch.no_grad():
        want = counted(upsampled(model(images)["out"], (16, 20)).argmax(1), labels, 5)
    got = evaluate(model, [data], 5)
    assert got.dtype == torch.int64
    assert got.device.type == "cpu"
    assert torch.equal(got, want)


@pytest.mark.parametrize("sizes", [[5], [1, 1, 1, 1, 1], [2, 3], [4, 1]])
def test_splitting_batches_never_changes_a_count(sizes: list[int], data: tuple[Tensor, Tensor]) -> None:
    images, labels = data
    batches = zip(images.split(sizes), labels.split(sizes), strict=True)
    assert torch.equal(evaluate(Net(), batches, 5), evaluate(Net(), [data], 5))


def test_batches_of_different_sizes(data: tuple[Tensor, Tensor]) -> None:
    images, labels = data
    got = evaluate(Net(), [data, (images[:1, :, :8], labels[:1, :8])], 5)
    assert got.shape == (6, 5, 5)
    assert got.sum() == (labels != IGNORE).sum() + (labels[0, :8] != IGNORE).sum()


def test_labels_finer_than_the_images(data: tuple[Tensor, Tensor]) -> None:
    labels = batch(5, 5, (45, 64))[1]
    assert evaluate(Net(), [(data[0], labels)], 5).sum() == (labels != IGNORE).sum()


def test_no_images_no_counts() -> None:
    assert evaluate(Net(), [], 5).shape == (0, 5, 5)


def test_perfect_predictions_score_one() -> None:
    labels = torch.randint(0, 7, (2, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = labels[:, None].float().expand(-1, 3, -1, -1)
    labels[:, :2] = IGNORE
    counts = evaluate(Echo(7), [(images, labels)], 7).sum(0).numpy()
    assert scores.miou(counts) == scores.pixel_accuracy(counts) == scores.mean_dice(counts) == 1


def test_modes_come_back_module_by_module(data: tuple[Tensor, Tensor]) -> None:
    for work in (lambda m: evaluate(m, [data], 5), lambda m: predict(m, data[0], (16, 20))):
        model = Net().train()
        model.norm.eval()
        before = model.norm.running_mean.clone()
        assert torch.equal(work(model), work(model))  # dropout was off
        assert [model.training, model.norm.training, model.drop.training] == [True, False, True]
        assert torch.equal(model.norm.running_mean, before)
        assert not any(model.grad)


def test_modes_come_back_after_an_error(data: tuple[Tensor, Tensor]) -> None:
    def broken() -> Iterator[tuple[Tensor, Tensor]]:
        yield data
        raise OSError("gone")

    model = Net().train()
    with pytest.raises(OSError, match="gone"):
        evaluate(model, broken(), 5)
    assert model.training
    assert model.drop.training


def test_neither_loader_nor_counts_are_inference_tensors(data: tuple[Tensor, Tensor]) -> None:
    made = []

    def loader() -> Iterator[tuple[Tensor, Tensor]]:
        made.append(torch.zeros(1))  # what a cache would keep for training
        yield data

    counts = evaluate(Net(), loader(), 5)
    picture = predict(Net(), data[0], (16, 20))
    assert not any(t.is_inference() for t in (*made, counts, picture))
    counts += 1
    with torch.inference_mode():  # the control: this is what would be refused
        assert torch.zeros(1).is_inference()


def test_a_wrong_label_names_its_image_at_once(data: tuple[Tensor, Tensor]) -> None:
    images, labels = data
    bad = labels.clone()
    bad[2, 0, 0] = 5
    read = []

    def loader() -> Iterator[tuple[Tensor, Tensor]]:
        for pair in [(images, labels), (images, bad), (images, labels)]:
            read.append(pair)
            yield pair

    with pytest.raises(BenchError, match=r"1 pixels of image 7 .*0\.\.4 and 255"):
        evaluate(Net(), loader(), 5)
    assert len(read) == 2


@pytest.mark.parametrize("size", [(16, 20), (31, 45)])
def test_predict_gives_the_classes_that_evaluate_counts(size: tuple[int, int], data: tuple[Tensor, Tensor]) -> None:
    images, labels = data[0], batch(5, 5, size)[1]
    picture = predict(Net(), images, size)
    assert picture.dtype == torch.uint8
    assert picture.shape == (5, *size)
    assert torch.equal(counted(picture, labels, 5), evaluate(Net(), [(images, labels)], 5))


# ------------------------------------------------------------------ oracles


def test_torchmetrics_counts_and_scores_the_same() -> None:
    classification = pytest.importorskip("torchmetrics.classification")
    logits, labels = torch.randn(3, 7, 20, 20, generator=torch.Generator().manual_seed(0)), batch(7, 3, (20, 20))[1]
    labels[labels == 4] = IGNORE
    logits[:, 4] = -9  # class 4 absent, class 5 predicted but never labelled
    labels[labels == 5] = IGNORE
    theirs = classification.MulticlassConfusionMatrix(7, ignore_index=IGNORE)(logits, labels.long())
    counts = confusion_update(zeros(7), logits, labels)
    assert torch.equal(counts, theirs)
    jaccard = classification.MulticlassJaccardIndex(7, ignore_index=IGNORE)(logits, labels.long())
    assert scores.absent(counts.numpy()) == (4,)
    assert scores.iou(counts.numpy())[5] == 0
    assert scores.miou(counts.numpy()) == pytest.approx(jaccard.item(), abs=1e-6)
    flawed = [0 if v is None else v for v in scores.iou(counts.numpy())]  # an absent class as 0
    assert sum(flawed) / 7 != pytest.approx(jaccard.item(), abs=1e-3)


CAMVID = Path(os.environ.get("BENCH_DATA", Path(__file__).parents[2] / "shared" / "data")) / "camvid"


@pytest.mark.skipif(not (CAMVID / "testannot").is_dir(), reason="no CamVid under BENCH_DATA")
def test_camvid_scores_and_the_definitions_that_are_not_ours() -> None:
    """The test labels against themselves 6 px further on (void there predicted as road), scored once independently."""
    from PIL import Image

    with (CAMVID / "frames.csv").open(newline="") as file:
        names = [row["frame"] for row in csv.DictReader(file) if row["split"] == "test"]
    labels = torch.stack(
        [torch.from_numpy(np.array(Image.open(CAMVID / "testannot" / f"{n}.png"))) for n in sorted(names)]
    )
    labels[labels == 11] = IGNORE
    shifted = labels.roll((6, 6), (1, 2))
    images = shifted.where(shifted != IGNORE, 3)[:, None]
    counts = evaluate(Echo(11), zip(images.split(4), labels.split(4), strict=True), 11)
    total = scores.summary(counts.sum(0).numpy())
    ours = [total.miou, total.pixel_accuracy, total.mean_accuracy, total.mean_dice]
    assert [round(100 * v, 2) for v in ours if v is not None] == [57.94, 85.67, 68.82, 69.63]
    by_image = [scores.miou(c.numpy()) for c in counts]
    by_batch = [scores.miou(c.sum(0).numpy()) for c in counts.split(6)]
    assert [round(100 * float(np.mean(v)), 2) for v in (by_image, by_batch)] == [49.95, 52.26]


def test_scores_take_tensors_as_they_take_arrays() -> None:
    counts = [[3, 1, 0], [2, 4, 2], [0, 0, 0]]
    assert scores.summary(torch.tensor(counts)) == scores.summary(np.array(counts))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="K x K"):
        scores.summary(-torch.tensor(counts))  # type: ignore[arg-type]
