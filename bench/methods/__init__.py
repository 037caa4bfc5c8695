"""How a batch becomes losses: build(loss, num_classes, **options) -> Method.

method, target, unlabelled, combined   what a method is, what it is given, several at once
source_only, oracle, joint             the reference rows
fda, color_transfer                    source images in the target's look
adaptsegnet, advent, minent            outputs on the target made to look like those on the source, or sure
dacs, self_training, mic               a teacher's labels, step by step
cbst, iast                             labels in rounds
adabn, test_bn, tent                   statistics of normalisation
prior_correction                       shares of classes
distillation                           a larger network's opinion of the labelled images
"""

from bench.spec import MethodSpec

METHODS = {
    "adabn": MethodSpec(
        "bench.methods.adabn:adabn", "AdaBN", "arXiv 1603.04779", "images", "none", "1 / 1, and one over the target"
    ),
    "adaptsegnet": MethodSpec(
        "bench.methods.adaptsegnet:adaptsegnet",
        "AdaptSegNet",
        "arXiv 1802.10349",
        "images",
        "1 or 2 discriminators",
        "2 / 2",
    ),
    "advent": MethodSpec(
        "bench.methods.advent:advent", "AdvEnt", "arXiv 1811.12833", "images", "1 or 2 discriminators", "2 / 2"
    ),
    "cbst": MethodSpec("bench.methods.cbst:cbst", "CBST", "arXiv 1810.07911", "images", "1 copy", "3 / 2"),
    "color_transfer": MethodSpec(
        "bench.methods.color_transfer:color_transfer",
        "Colour transfer",
        "Reinhard et al. 2001",
        "images",
        "none",
        "1 / 1",
    ),
    "combined": MethodSpec("bench.methods.combined:combined", "several", "", "images", "its parts'", "its parts'"),
    "dacs": MethodSpec("bench.methods.dacs:dacs", "DACS", "arXiv 2007.08702", "images", "1 teacher", "3 / 2"),
    "distillation": MethodSpec(
        "bench.methods.distillation:distillation",
        "Distillation",
        "arXiv 1503.02531",
        "nothing",
        "1 teacher",
        "1 / 1, and the teacher's 2 / 1",
    ),
    "fda": MethodSpec("bench.methods.fda:fda", "FDA", "arXiv 2004.05498", "images", "none", "1 / 1"),
    "iast": MethodSpec("bench.methods.iast:iast", "IAST", "arXiv 2008.12197", "images", "1 copy", "3 / 2"),
    "joint": MethodSpec("bench.methods.oracle:joint", "joint", "", "labels", "none", "1 / 1"),
    "mic": MethodSpec("bench.methods.mic:mic", "MIC", "arXiv 2212.01322", "images", "1 teacher", "4 / 3"),
    "minent": MethodSpec("bench.methods.advent:minent", "MinEnt", "arXiv 1811.12833", "images", "none", "2 / 2"),
    "oracle": MethodSpec("bench.methods.oracle:oracle", "oracle", "", "labels", "none", "1 / 1"),
    "prior_correction": MethodSpec(
        "bench.methods.prior_correction:prior_correction",
        "Prior correction",
        "Saerens et al. 2002",
        "images",
        "none",
        "1 / 1, and one over the target",
    ),
    "self_training": MethodSpec(
        "bench.methods.self_training:self_training",
        "Self-training (DAFormer)",
        "arXiv 2111.14887",
        "images",
        "1 teacher",
        "3 / 2",
    ),
    "source_only": MethodSpec("bench.methods.source_only:source_only", "source only", "", "nothing", "none", "1 / 1"),
    "tent": MethodSpec("bench.methods.tent:tent", "TENT", "arXiv 2006.10726", "nothing", "none", "1 / 1"),
    "test_bn": MethodSpec("bench.methods.tent:test_bn", "Test-time BN", "arXiv 2006.10726", "nothing", "none", "1 / 1"),
}
"""Passes are forward / backward passes over full images of a step, where source-only has 1 / 1."""
