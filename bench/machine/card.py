"""A CUDA device -> what torch and its driver say of it, with a reason for each answer that is null."""

from __future__ import annotations

import hashlib

from bench.machine.nvml import Questions, asking, text, throttle_bits, throttle_words, uuid_of
from bench.spec import JSON

QUESTIONS: Questions = {
    "driver": lambda nvml, card: text(nvml.nvmlSystemGetDriverVersion()),
    "gsp_firmware": lambda nvml, card: text(nvml.nvmlDeviceGetGspFirmwareVersion(card)),
    "memory_bytes": lambda nvml, card: int(nvml.nvmlDeviceGetMemoryInfo(card).total),
    "sm_clock_mhz": lambda nvml, card: nvml.nvmlDeviceGetClockInfo(card, nvml.NVML_CLOCK_SM),
    "memory_clock_mhz": lambda nvml, card: nvml.nvmlDeviceGetClockInfo(card, nvml.NVML_CLOCK_MEM),
    "max_sm_clock_mhz": lambda nvml, card: nvml.nvmlDeviceGetMaxClockInfo(card, nvml.NVML_CLOCK_SM),
    "max_memory_clock_mhz": lambda nvml, card: nvml.nvmlDeviceGetMaxClockInfo(card, nvml.NVML_CLOCK_MEM),
    "application_sm_clock_mhz": lambda nvml, card: nvml.nvmlDeviceGetApplicationsClock(card, nvml.NVML_CLOCK_SM),
    "power_w": lambda nvml, card: nvml.nvmlDeviceGetPowerUsage(card) / 1000,
    "power_limit_w": lambda nvml, card: nvml.nvmlDeviceGetEnforcedPowerLimit(card) / 1000,
    "power_limit_default_w": lambda nvml, card: nvml.nvmlDeviceGetPowerManagementDefaultLimit(card) / 1000,
    "power_limits_w": lambda nvml, card: [w / 1000 for w in nvml.nvmlDeviceGetPowerManagementLimitConstraints(card)],
    "temperature_c": lambda nvml, card: nvml.nvmlDeviceGetTemperature(card, nvml.NVML_TEMPERATURE_GPU),
    "performance_state": lambda nvml, card: nvml.nvmlDeviceGetPerformanceState(card),
    "throttle": lambda nvml, card: throttle_words(throttle_bits(nvml, card)),
    "ecc": lambda nvml, card: bool(nvml.nvmlDeviceGetEccMode(card)[0]),
    "mig": lambda nvml, card: bool(nvml.nvmlDeviceGetMigMode(card)[0]),
    "virtualization": lambda nvml, card: int(nvml.nvmlDeviceGetVirtualizationMode(card)),
    "persistence": lambda nvml, card: bool(nvml.nvmlDeviceGetPersistenceMode(card)),
    "pcie_generation": lambda nvml, card: nvml.nvmlDeviceGetCurrPcieLinkGeneration(card),
    "pcie_generation_max": lambda nvml, card: nvml.nvmlDeviceGetMaxPcieLinkGeneration(card),
    "pcie_width": lambda nvml, card: nvml.nvmlDeviceGetCurrPcieLinkWidth(card),
    "pcie_width_max": lambda nvml, card: nvml.nvmlDeviceGetMaxPcieLinkWidth(card),
    "processes": lambda nvml, card: len(nvml.nvmlDeviceGetComputeRunningProcesses(card)),
}


def describe_card(device: str) -> dict[str, JSON]:
    """Facts of the card at "cuda" or "cuda:<n>"; its own number only as a digest."""
    import torch

    seen = torch.cuda.get_device_properties(torch.device(device))
    uuid = uuid_of(device)
    facts: dict[str, JSON] = {
        "name": seen.name,
        "capability": f"{seen.major}.{seen.minor}",
        "sm_count": seen.multi_processor_count,
        "l2_bytes": getattr(seen, "L2_cache_size", None),
        "memory_bus_bits": getattr(seen, "memory_bus_width", None),
        "uuid_sha256": hashlib.sha256(uuid.encode()).hexdigest()[:8] if uuid else None,
    }
    with asking(uuid) as ask:
        answers, absent = ask(QUESTIONS)
    facts.update(answers)
    if facts["memory_bytes"] is None:
        facts["memory_bytes"] = seen.total_memory
    facts["absent"] = absent
    return facts
