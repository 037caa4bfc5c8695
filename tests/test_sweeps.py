"""The sweep files that come with the project expand to the runs they promise, under ids that do not move."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.spec import CostRequest
from bench.sweep import load_sweep, problems

FOLDER = Path(__file__).parents[1] / "sweeps"

RUNS = {
    "camvid_adaptation": [
        "r-a3aacdc6856a206f pidnet_s-day-cross_entropy-poly-source_only-s0",
        "r-2ac420ec3bb20d37 pidnet_s-day-cross_entropy-poly-source_only-s1",
        "r-a65494043f7bad52 pidnet_s-day-cross_entropy-poly-source_only-s2",
        "r-76712c7419ca288b pidnet_s-day-cross_entropy-poly-oracle-s0",
        "r-ac373e44da1c915c pidnet_s-day-cross_entropy-poly-oracle-s1",
        "r-c135ebad6c267c8c pidnet_s-day-cross_entropy-poly-oracle-s2",
        "r-8794ca451305d277 pidnet_s-day-cross_entropy-poly-joint-s0",
        "r-e9e3a3b1c3938fe9 pidnet_s-day-cross_entropy-poly-joint-s1",
        "r-8ed6efaa2368b92c pidnet_s-day-cross_entropy-poly-joint-s2",
        "r-098f3ff03d965c90 pidnet_s-day-cross_entropy-poly-adabn-s0",
        "r-d92287342a274fc1 pidnet_s-day-cross_entropy-poly-adabn-s1",
        "r-12d2dbbcffe921bb pidnet_s-day-cross_entropy-poly-adabn-s2",
        "r-bb19524aa7adeaf1 pidnet_s-day-cross_entropy-poly-fda-s0",
        "r-51fd056eb997bfe7 pidnet_s-day-cross_entropy-poly-fda-s1",
        "r-f882ff2978527157 pidnet_s-day-cross_entropy-poly-fda-s2",
        "r-76f50b218054de86 pidnet_s-day-cross_entropy-poly-advent-s0",
        "r-33398db4905f747e pidnet_s-day-cross_entropy-poly-advent-s1",
        "r-3f2be7acc957a55f pidnet_s-day-cross_entropy-poly-advent-s2",
        "r-2a97738333029e1a pidnet_s-day-cross_entropy-poly-dacs-s0",
        "r-94d912e514bda672 pidnet_s-day-cross_entropy-poly-dacs-s1",
        "r-cbccf1e157ebe125 pidnet_s-day-cross_entropy-poly-dacs-s2",
        "r-4daef1a9ddb2a437 pidnet_s-day-cross_entropy-poly-mic-s0",
        "r-31059682bea0f639 pidnet_s-day-cross_entropy-poly-mic-s1",
        "r-ec2a5d4ee9a3adcd pidnet_s-day-cross_entropy-poly-mic-s2",
    ],
    "camvid_day_dusk": [
        "r-c452525500503d78 pidnet_s-day-cross_entropy-poly-source_only-s0",
        "r-dcdbed88a817f40f pidnet_s-dusk-cross_entropy-poly-source_only-s0",
        "r-c8ec9c8d78bed02c unet_resnet18-day-cross_entropy-poly-source_only-s0",
        "r-97bb999008c9ca4a unet_resnet18-dusk-cross_entropy-poly-source_only-s0",
    ],
    "camvid_precision": [
        "r-21403507bee8ea77 pidnet_s-day-cross_entropy-poly-source_only-s0-precision=fp32",
        "r-1d7be6893e73dced pidnet_s-day-cross_entropy-poly-source_only-s1-precision=fp32",
        "r-6f8f8a73e077f676 pidnet_s-day-cross_entropy-poly-source_only-s2-precision=fp32",
        "r-78e24f22cbf09136 pidnet_s-day-cross_entropy-poly-source_only-s3-precision=fp32",
        "r-3ebb2b497e7ab64b pidnet_s-day-cross_entropy-poly-source_only-s4-precision=fp32",
        "r-36add17f585e8482 pidnet_s-day-cross_entropy-poly-source_only-s5-precision=fp32",
        "r-a193c81cb914419c pidnet_s-day-cross_entropy-poly-source_only-s0-precision=auto",
        "r-c3a0bc9657f18262 pidnet_s-day-cross_entropy-poly-source_only-s1-precision=auto",
        "r-d108159fc73d742e pidnet_s-day-cross_entropy-poly-source_only-s2-precision=auto",
        "r-7eeafc3525df6d6c pidnet_s-day-cross_entropy-poly-source_only-s3-precision=auto",
        "r-41081804fd6063d7 pidnet_s-day-cross_entropy-poly-source_only-s4-precision=auto",
        "r-0176b76e7a736ec8 pidnet_s-day-cross_entropy-poly-source_only-s5-precision=auto",
    ],
    "loveda": [
        "r-da7a59e90c0d95c8 deeplabv2_resnet101-urban-cross_entropy-poly-source_only-s0",
        "r-b2f0ca66db76330c deeplabv2_resnet101-rural-cross_entropy-poly-source_only-s0",
        "r-b51f9003c0989771 pidnet_s-urban-cross_entropy-poly-source_only-s0",
        "r-add8ae65425c5cd3 pidnet_s-rural-cross_entropy-poly-source_only-s0",
        "r-38e9ebebec47f673 unet_resnet18-urban-cross_entropy-poly-source_only-s0",
        "r-7aa00f40b209c4a0 unet_resnet18-rural-cross_entropy-poly-source_only-s0",
    ],
    "methods_landcover": [
        "r-e494a7916328df5a unet_resnet18-urban-cross_entropy-poly-source_only-s0",
        "r-2bc61c87c3b2ec36 unet_resnet18-urban-cross_entropy-poly-oracle-s0",
        "r-952edf4b6a1811dc unet_resnet18-urban-cross_entropy-poly-joint-s0",
        "r-e3da45d2faf6d1f1 unet_resnet18-urban-cross_entropy-poly-fda-s0",
        "r-0a3ae6ba4cd032d4 unet_resnet18-urban-cross_entropy-poly-color_transfer-s0",
        "r-2a82854ae4c0f9d1 unet_resnet18-urban-cross_entropy-poly-adaptsegnet-s0",
        "r-69e68df94e28ccf8 unet_resnet18-urban-cross_entropy-poly-advent-s0",
        "r-7208d943d6d6439e unet_resnet18-urban-cross_entropy-poly-minent-s0",
        "r-22ac577170449198 unet_resnet18-urban-cross_entropy-poly-dacs-s0",
        "r-71749d504c494860 unet_resnet18-urban-cross_entropy-poly-self_training-s0",
        "r-492cada99a6b97d0 unet_resnet18-urban-cross_entropy-poly-mic-s0",
        "r-00575785f21d353b unet_resnet18-urban-cross_entropy-poly-cbst-s0",
        "r-e3c81ff54168b0c7 unet_resnet18-urban-cross_entropy-poly-iast-s0",
        "r-5660f27ef02c4fbc unet_resnet18-urban-cross_entropy-poly-adabn-s0",
        "r-e30ee3a6f7144996 unet_resnet18-urban-cross_entropy-poly-test_bn-s0",
        "r-20967004d12f7d15 unet_resnet18-urban-cross_entropy-poly-tent-s0",
        "r-88e19ff9ec3a117c unet_resnet18-urban-cross_entropy-poly-prior_correction-s0",
        "r-a9b542a5e93fcee5 unet_resnet18-urban-cross_entropy-poly-fda+mic-s0",
    ],
    "shift_appearance": [
        "r-9f6399e300773ce5 unet_resnet18-urban-cross_entropy-poly-source_only-s0",
        "r-8666af25d30a0c15 unet_resnet18-urban-cross_entropy-poly-source_only-s1",
        "r-618f5c5ee64bc65d unet_resnet18-urban-cross_entropy-poly-source_only-s2",
        "r-94a69330b203ff86 unet_resnet18-urban-cross_entropy-poly-oracle-s0",
        "r-c57f9af1b43e29ea unet_resnet18-urban-cross_entropy-poly-oracle-s1",
        "r-269093ab6dcf897b unet_resnet18-urban-cross_entropy-poly-oracle-s2",
        "r-7a226d64c24faab7 unet_resnet18-urban-cross_entropy-poly-adabn-s0",
        "r-8dfb506cc48957c0 unet_resnet18-urban-cross_entropy-poly-adabn-s1",
        "r-7637c30411491728 unet_resnet18-urban-cross_entropy-poly-adabn-s2",
        "r-8d854274aba9a0cf unet_resnet18-urban-cross_entropy-poly-fda-s0",
        "r-4f5f2a7999bc151a unet_resnet18-urban-cross_entropy-poly-fda-s1",
        "r-8710d59c715499df unet_resnet18-urban-cross_entropy-poly-fda-s2",
        "r-5d3b6c77f6b041ea unet_resnet18-urban-cross_entropy-poly-color_transfer-s0",
        "r-4aa0a970967f01fc unet_resnet18-urban-cross_entropy-poly-color_transfer-s1",
        "r-ab76c229ec93d35e unet_resnet18-urban-cross_entropy-poly-color_transfer-s2",
        "r-881a1a7c01d30580 unet_resnet18-urban-cross_entropy-poly-self_training-s0",
        "r-06c6631cc786356e unet_resnet18-urban-cross_entropy-poly-self_training-s1",
        "r-98cf2da453821ec0 unet_resnet18-urban-cross_entropy-poly-self_training-s2",
    ],
    "shift_labels": [
        "r-40946092503caf90 unet_resnet18-urban-cross_entropy-poly-source_only-s0",
        "r-8fb27ef2c5b9ee6e unet_resnet18-urban-cross_entropy-poly-source_only-s1",
        "r-51ed43ddc09588c1 unet_resnet18-urban-cross_entropy-poly-source_only-s2",
        "r-0d3bee019668c72a unet_resnet18-urban-cross_entropy-poly-fda-s0",
        "r-f009d11c37f91968 unet_resnet18-urban-cross_entropy-poly-fda-s1",
        "r-91e341ed968d8d41 unet_resnet18-urban-cross_entropy-poly-fda-s2",
        "r-82b10ffdbd91cc9e unet_resnet18-urban-cross_entropy-poly-prior_correction-s0",
        "r-5592b001bf0443de unet_resnet18-urban-cross_entropy-poly-prior_correction-s1",
        "r-414e03d79eb6f944 unet_resnet18-urban-cross_entropy-poly-prior_correction-s2",
    ],
    "smoke": [
        "r-ff8dfa8ac9e4ea0d pidnet_s-urban-cross_entropy-poly-source_only-s0",
        "r-798a602c835186e7 pidnet_s-rural-cross_entropy-poly-source_only-s0",
    ],
    "urban_rural": [
        "r-1a42117ea6eccdf1 deeplabv2_resnet101-urban-cross_entropy-poly-source_only-s0",
        "r-76b05fc02d3d3827 deeplabv2_resnet101-urban-ohem-poly-source_only-s0",
        "r-6c435325d2ef3604 deeplabv2_resnet101-rural-cross_entropy-poly-source_only-s0",
        "r-8f16eb989ff7306d deeplabv2_resnet101-rural-ohem-poly-source_only-s0",
        "r-6625b9e63a069c7b pidnet_s-urban-cross_entropy-poly-source_only-s0",
        "r-51c973af155f11e2 pidnet_s-urban-ohem-poly-source_only-s0",
        "r-b31996ddd1775351 pidnet_s-rural-cross_entropy-poly-source_only-s0",
        "r-40fb8628a531a0d4 pidnet_s-rural-ohem-poly-source_only-s0",
        "r-93214491b38bc3e0 unet_resnet18-urban-cross_entropy-poly-source_only-s0",
        "r-1b1d9d311164d653 unet_resnet18-urban-ohem-poly-source_only-s0",
        "r-3ca15eec99b892e4 unet_resnet18-rural-cross_entropy-poly-source_only-s0",
        "r-a837f5151d2dce0f unet_resnet18-rural-ohem-poly-source_only-s0",
    ],
}

COST = {
    "camvid_adaptation": None,
    "camvid_day_dusk": CostRequest(size=(360, 480)),
    "camvid_precision": None,
    "loveda": CostRequest(size=(512, 512)),
    "methods_landcover": None,
    "shift_appearance": None,
    "shift_labels": None,
    "smoke": CostRequest(size=(64, 64), budget_s=1, repeats=1),
    "urban_rural": CostRequest(size=(512, 512)),
}


def test_every_file_is_pinned() -> None:
    assert sorted(RUNS) == sorted(file.stem for file in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", RUNS)
def test_a_file_gives_its_pinned_runs(name: str) -> None:
    sweep = load_sweep(FOLDER / f"{name}.yaml")
    assert sweep.name == name
    assert [f"{run.run_id} {run.name}" for run in sweep.runs] == RUNS[name]
    assert sweep.cost == COST[name]


@pytest.mark.parametrize("name", RUNS)
def test_a_file_opens_with_its_question_its_runs_and_its_cost(name: str) -> None:
    about = load_sweep(FOLDER / f"{name}.yaml").about
    said = re.search(r"(\d+) runs, (about|under) .*", about)
    assert "?" in about
    assert said
    assert int(said[1]) == len(RUNS[name])


@pytest.mark.parametrize("name", RUNS)
def test_a_file_can_be_cut_down_from_the_command_line(name: str) -> None:
    file = FOLDER / f"{name}.yaml"
    length = ["epochs=null", "steps=2"] if name == "loveda" else ["steps=2"]
    assert problems(file, length) == []
    short = load_sweep(file, overrides=length)
    assert {run.config.steps for run in short.runs} == {2}
    assert [run.name for run in short.runs] == [run.name for run in load_sweep(file).runs]
    assert not {run.run_id for run in short.runs} & {run.run_id for run in load_sweep(file).runs}


def test_the_published_table_is_asked_for_as_published() -> None:
    for run in load_sweep(FOLDER / "loveda.yaml").runs:
        config = run.config
        assert (config.resize_px, config.crop_px, config.batch_size, config.epochs) == ((512, 512), None, 6, 20)
        assert config.optimizer.options == {"lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4, "nesterov": False}
        assert config.scheduler.options == {"power": 0.9}
        assert config.augment == ()
