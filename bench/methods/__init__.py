"""How a batch becomes losses: build(loss, num_classes, **options) -> Method.

method, target, unlabelled, combined   what a method is, what it is given, several at once
source_only, oracle, joint             the reference rows
fda, color_transfer                    source images in the target's look
adaptsegnet, advent, minent            outputs on the target made to look like those on the source, or sure
dacs, self_training, mic               a teacher's labels, step by step
cbst, iast                             labels in rounds
adabn, test_bn, tent                   statistics of normalisation
prior_correction                       shares of classes
"""

METHODS = {
    "adabn": "bench.methods.adabn:adabn",
    "adaptsegnet": "bench.methods.adaptsegnet:adaptsegnet",
    "advent": "bench.methods.advent:advent",
    "cbst": "bench.methods.cbst:cbst",
    "color_transfer": "bench.methods.color_transfer:color_transfer",
    "combined": "bench.methods.combined:combined",
    "dacs": "bench.methods.dacs:dacs",
    "fda": "bench.methods.fda:fda",
    "iast": "bench.methods.iast:iast",
    "joint": "bench.methods.oracle:joint",
    "mic": "bench.methods.mic:mic",
    "minent": "bench.methods.advent:minent",
    "oracle": "bench.methods.oracle:oracle",
    "prior_correction": "bench.methods.prior_correction:prior_correction",
    "self_training": "bench.methods.self_training:self_training",
    "source_only": "bench.methods.source_only:source_only",
    "tent": "bench.methods.tent:tent",
    "test_bn": "bench.methods.tent:test_bn",
}
