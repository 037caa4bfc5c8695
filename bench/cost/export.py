"""A network -> the same network in onnxruntime, once both have given the same logits."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench.cost.clock import Device
from bench.cost.timing import Call, Load
from bench.spec import BenchError, ExitCode, Workload

NEEDED = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = {"fp32": 1e-3, "tf32": 2e-2, "fp16": 2e-2}
"""Largest difference from torch's logits, per largest of them: other kernels add in another order."""


def exported(
    workload: Workload, module: nn.Module, images: list[Tensor], device: Device, threads: int
) -> tuple[Load, Call]:
    """`module` as onnxruntime runs it on `device`; its outputs have been compared with torch's on one input.

    On a CUDA device inputs and outputs stay there.  Raises BenchError where the extra is not installed, the precision
    is not one that onnxruntime runs, the export fails, or the outputs differ.
    """
    _require()
    if workload.precision not in TOLERANCE or (workload.precision == "fp16" and not device.queued):
        raise BenchError(f"onnxruntime runs no {workload.precision} convolutions here", remedy="use fp32")
    session = _session(_model(module, images[0]), workload, device, threads)
    run = _bound(session, images, device) if device.queued else _plain(session, images)
    _compare(run[1](), module(images[0]), workload)
    return run


@dataclass(frozen=True)
class Exported:
    """An ONNX file's `content`; `apart` is the largest difference from torch's logits on one input, of which `largest`
    is the largest."""

    content: bytes
    shape: tuple[int, ...]
    apart: float
    largest: float


def to_onnx(module: nn.Module, images: Tensor, facts: Mapping[str, str]) -> Exported:
    """`module`, which gives one tensor, for images of exactly this shape (N, 3, H, W), compared on them.

    `facts` are written into the file.  Raises BenchError where the extra is not installed, the export fails or the
    outputs differ by more than rounding.
    """
    _require("an ONNX file")
    content = _model(module, images, facts)
    session = _opened(content, ["CPUExecutionProvider"], threads=torch.get_num_threads())
    ours = torch.from_numpy(session.run(None, {session.get_inputs()[0].name: images.numpy()})[0])
    with torch.inference_mode():
        theirs = module(images)
    apart, largest = _apart(ours, theirs)
    if not apart <= TOLERANCE["fp32"] * largest:
        raise BenchError(f"onnxruntime's logits are {apart:.2g} from torch's (largest logit {largest:.2g})")
    return Exported(content, tuple(ours.shape), apart, largest)


def _require(what: str = "mode onnx") -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise BenchError(
            f"{what} needs {', '.join(missing)}",
            remedy="install the extra: pip install 'bench[export]'",
            code=ExitCode.ENVIRONMENT,
        )


def _model(module: nn.Module, example: Tensor, facts: Mapping[str, str] | None = None) -> bytes:
    try:
        ends: dict[str, Any] = {"input_names": ["images"], "output_names": ["logits"]}
        program: Any = torch.onnx.export(module, (example,), dynamo=True, verbose=False, **ends)
        proto = program.model_proto
        for key, value in (facts or {}).items():
            proto.metadata_props.add(key=key, value=value)
        content: bytes = proto.SerializeToString()
    except Exception as error:  # the exporter raises its own, torch's and onnx's errors
        cause = error.__cause__ or error  # the exporter's own words are a page of advice, in colours
        why = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise BenchError(f"the network cannot be exported: {why}") from error
    return content


def _session(content: bytes, workload: Workload, device: Device, threads: int) -> Any:
    import onnxruntime  # type: ignore[import-not-found,import-untyped,unused-ignore]

    providers: list[Any] = ["CPUExecutionProvider"]
    if device.queued:
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise BenchError("this onnxruntime has no CUDA", remedy="pip install onnxruntime-gpu in its place")
        settings = {
            "device_id": str(device.place.index or 0),
            "use_tf32": "1" if workload.precision == "tf32" else "0",
            "cudnn_conv_algo_search": "EXHAUSTIVE",
        }
        providers = [("CUDAExecutionProvider", settings), *providers]
    return _opened(content, providers, threads)


def _opened(content: bytes, providers: list[Any], threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    return onnxruntime.InferenceSession(content, options, providers=providers)


def _plain(session: Any, images: list[Tensor]) -> tuple[Load, Call]:
    name = session.get_inputs()[0].name
    feeds = [{name: image.numpy()} for image in images]
    current = feeds[0]

    def load(number: int) -> None:
        nonlocal current
        current = feeds[number % len(feeds)]

    return load, lambda: torch.from_numpy(session.run(None, current)[0])


def _bound(session: Any, images: list[Tensor], device: Device) -> tuple[Load, Call]:
    """Inputs where they lie; the output in memory of the device that onnxruntime allocates and keeps."""
    import numpy as np

    name, output = session.get_inputs()[0].name, session.get_outputs()[0].name
    index = device.place.index or 0
    binding, seen = session.io_binding(), np.float16 if images[0].dtype == torch.float16 else np.float32

    def load(number: int) -> None:
        image = images[number % len(images)]
        binding.bind_input(name, "cuda", index, seen, tuple(image.shape), image.data_ptr())
        binding.bind_output(output, "cuda", index)

    def call() -> Any:
        session.run_with_iobinding(binding)
        return binding

    load(0)
    return load, call


def _compare(ours: Any, theirs: Tensor, workload: Workload) -> None:
    """Raise BenchError where the two differ by more than rounding."""
    logits = ours if isinstance(ours, Tensor) else torch.from_numpy(ours.copy_outputs_to_cpu()[0])
    apart, scale = _apart(logits, theirs)
    if not apart <= TOLERANCE[workload.precision] * scale:
        raise BenchError(
            f"onnxruntime's logits are {apart:.2g} from torch's (largest logit {scale:.2g}); it is not timed"
        )


def _apart(logits: Tensor, theirs: Tensor) -> tuple[float, float]:
    """The largest difference of the two, and the largest of torch's."""
    expected = theirs.detach().float().cpu()
    if logits.shape != expected.shape:
        raise BenchError(f"onnxruntime gives {tuple(logits.shape)} where torch gives {tuple(expected.shape)}")
    return float((logits.float() - expected).abs().max()), float(expected.abs().max())
