"""What a benchmark ran on, for its results."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

LIBRARIES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "numpy",
    "pypdfium2",
    "bm25s",
    "faiss-cpu",
    "onnxruntime",
    "openvino",
    "fastapi",
    "uvicorn",
)


def describe_machine() -> dict[str, object]:
    """Return processor, cores, memory, Python and the versions of the libraries that matter."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def processor() -> str:
    """Return the processor's name with the vector units that matter for training."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    lines = dict(
        (part.strip() for part in line.split(":", 1))
        for line in info.read_text(encoding="utf-8").splitlines()
        if ":" in line
    )
    flags = lines.get("flags", "").split()
    units = [u for u in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if u in flags]
    return f"{lines.get('model name', 'unknown')} ({', '.join(units)})"
