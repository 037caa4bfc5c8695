"""Splits joined into one: views, counts and names in order, and batches drawn as from one."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from bench.batches import training_batches
from bench.cache import Split, joined
from bench.cache.joined import Rows
from bench.samplers.uniform import uniform

CPU = torch.device("cpu")


def split(start: int, number: int, size: tuple[int, int] = (6, 8)) -> Split:
    """Images and labels whose every pixel is the image's number."""
    codes = torch.arange(start, start + number, dtype=torch.uint8).view(-1, 1, 1)
    labels = codes.expand(number, *size).contiguous()
    counts = np.eye(16, dtype=np.int64)[start : start + number] * size[0] * size[1]
    names = tuple(f"i{k}" for k in range(start, start + number))
    return Split(labels[:, None].repeat(1, 3, 1, 1), labels, names, f"digest{start}", counts)


def copied(*splits: Split) -> Split:
    """The same in memory of its own: what is compared with."""
    first = splits[0]
    assert all(part.counts is not None for part in splits)
    return replace(
        first,
        images=torch.cat([part.images for part in splits]),
        labels=torch.cat([part.labels for part in splits]),
        names=tuple(name for part in splits for name in part.names),
        counts=np.concatenate([part.counts for part in splits]),  # type: ignore[misc]
    )


def test_one_split_is_itself() -> None:
    own = split(0, 3)
    assert joined([own]) is own


def test_rows_are_views_in_order() -> None:
    parts = [split(0, 3), split(3, 1), split(4, 4)]
    whole = joined(parts)
    assert len(whole) == 8
    assert whole.names == tuple(f"i{k}" for k in range(8))
    assert whole.images.shape == (8, 3, 6, 8)
    assert whole.labels.shape == (8, 6, 8)
    assert whole.nbytes == sum(part.nbytes for part in parts)
    for k in range(8):
        assert (whole.images[k, ..., 2:4, 1:3] == k).all()
        assert whole.labels[k, :, :].shape == (6, 8)
    whole.images[4, ...].fill_(99)
    assert (parts[2].images[0] == 99).all()  # nothing was copied
    np.testing.assert_array_equal(whole.counts, copied(*parts).counts)


def test_the_digest_tells_order_and_content() -> None:
    one, other = split(0, 3), split(3, 2)
    digests = {joined(parts).digest for parts in ([one, other], [other, one], [one, one])}
    assert len(digests) == 3
    assert joined([one, other]).digest in digests


@pytest.mark.parametrize("share", [None, 0.5])
def test_batches_are_drawn_as_from_one_split(share: float | None) -> None:
    parts = split(0, 3), split(3, 5)

    def drawn(source: Split) -> list[tuple[torch.Tensor, torch.Tensor]]:
        batches = training_batches(
            source,
            batch_size=3,
            seed=4,
            device=CPU,
            crop_px=(4, 4),
            crop_max_share=share,
            sampler=uniform(np.ones((len(source), 1), np.int64)),
        )
        return [(batch.images.clone(), batch.labels.clone()) for batch in islice(batches, 7)]

    for (images, labels), (wanted, told) in zip(drawn(joined(parts)), drawn(copied(*parts)), strict=True):
        assert torch.equal(images, wanted)
        assert torch.equal(labels, told)
    seen = {int(label) for _, labels in drawn(joined(parts)) for label in labels.unique()}
    assert seen >= {0, 5, 7}  # of both


def test_crops_fit_the_smaller_of_two_sizes() -> None:
    whole = joined([split(0, 2, (6, 8)), split(2, 2, (10, 5))])
    assert whole.images.shape == (4, 3, 6, 5)
    (batch,) = islice(training_batches(whole, batch_size=4, seed=0, device=CPU), 1)
    assert batch.images.shape == (4, 3, 6, 5)
    assert set(batch.labels.unique().tolist()) == {0, 1, 2, 3}


def test_counts_are_known_if_all_are_and_a_mapped_part_makes_it_mapped() -> None:
    one, other = split(0, 2), split(2, 2)
    assert joined([one, replace(other, counts=None)]).counts is None
    assert not joined([one, other]).mapped
    assert joined([one, replace(other, mapped=True)]).mapped


def test_labels_are_read_in_host_memory() -> None:
    one, other = split(0, 2), split(2, 2)
    elsewhere = replace(other, labels=torch.zeros_like(other.labels), host_labels=other.labels)
    whole = joined([one, elsewhere])
    assert whole.host_labels is not None
    assert (whole.host_labels[3, :, :] == 3).all()
    assert (whole.labels[3, :, :] == 0).all()


def test_parts_on_several_devices_are_brought_together() -> None:
    """A second split may no longer fit beside the first on a card; cpu() stands for the way back."""

    class Far(torch.Tensor):
        device = torch.device("meta")

        def cpu(self) -> torch.Tensor:  # type: ignore[override]
            return self.as_subclass(torch.Tensor)

    one, other = split(0, 2), split(2, 2)
    whole = joined([replace(one, images=one.images.as_subclass(Far)), other])
    assert whole.images.device == CPU
    assert (whole.images[0, ...] == 0).all()


def test_rows_find_the_part_of_a_row() -> None:
    rows = Rows([np.arange(3), np.arange(3, 4), np.arange(4, 9)])
    assert [rows[(k,)] for k in range(9)] == list(range(9))
    with pytest.raises(IndexError):
        rows[(9,)]
