"""What the kernel says of its memory, and that freed memory is kept."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from iics import memory

GIB = 2**30
MEMINFO = "MemTotal:        8388608 kB\nMemFree:          100 kB\nMemAvailable:    2097152 kB\n"

# Whether 64 MiB are resident once written, and still once freed: as glibc comes, then as it was told.
PROGRAM = """
import os
from pathlib import Path

from iics.memory import keep_freed_memory

def kept():
    before = resident()
    array = bytearray(b"x") * (64 << 20)
    held = resident() - before
    del array
    return held >= 60 << 20, resident() - before >= 60 << 20

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

print(*kept(), keep_freed_memory(), *kept())
"""


# Megabytes in huge pages after 64 MiB were written, with what the kernel allows.
HUGE_PAGES = """
import sys
from pathlib import Path

from iics.memory import ask_for_huge_pages

ask_for_huge_pages()
assert "torch" not in sys.modules
import torch

held = torch.ones(16 << 20)
lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("AnonHugePages:")))
"""
ALLOWED = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.fixture
def files(tmp_path):
    """The two files that are read: 8 GiB of which 2 GiB are free, and no limit yet."""
    meminfo, limit = tmp_path / "meminfo", tmp_path / "memory.max"
    meminfo.write_text(MEMINFO)
    return meminfo, limit


def test_without_a_container_the_machine_counts(files):
    assert memory.free_memory(*files) == 2 * GIB
    assert memory.total_memory(*files) == 8 * GIB


@pytest.mark.parametrize(
    ("limit", "free", "total"),
    [
        ("max\n", 2 * GIB, 8 * GIB),
        (f"{GIB}\n", GIB, GIB),
        (f"{4 * GIB}\n", 2 * GIB, 4 * GIB),
        (f"{16 * GIB}\n", 2 * GIB, 8 * GIB),  # a limit above what there is limits nothing
        ("", 2 * GIB, 8 * GIB),
    ],
)
def test_a_containers_limit_counts_where_it_is_smaller(files, limit, free, total):
    files[1].write_text(limit)
    assert memory.free_memory(*files) == free
    assert memory.total_memory(*files) == total


def test_memory_is_unknown_where_the_kernel_does_not_tell(files):
    meminfo, limit = files
    limit.write_text(f"{GIB}\n")
    meminfo.write_text("MemFree: 9 kB\nSwapTotal: 9 kB\n")
    assert memory.free_memory(meminfo, limit) is memory.total_memory(meminfo, limit) is None
    meminfo.unlink()
    assert memory.free_memory(meminfo, limit) is memory.total_memory(meminfo, limit) is None


def test_this_machine_has_at_most_as_much_memory_free_as_in_total():
    free, total = memory.free_memory(), memory.total_memory()
    if memory.MEMINFO.exists():
        assert 0 < free <= total
    else:
        assert free is total is None


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_freed_memory_stays_once_glibc_was_told_to_keep_it():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["True", "False", "True", "True", "True"], "")


@pytest.mark.skipif(not ALLOWED.exists() or "[never]" in ALLOWED.read_text(), reason="no huge pages here")
@pytest.mark.parametrize(("asked", "least", "most"), [(None, 32 << 10, 1 << 20), ("0", 0, 32 << 10)])
def test_large_tensors_lie_in_huge_pages_unless_the_user_said_otherwise(asked, least, most):
    if asked == "0" and "[always]" in ALLOWED.read_text():
        pytest.skip("the kernel gives them unasked")
    environment = {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}
    environment |= {} if asked is None else {"THP_MEM_ALLOC_ENABLE": asked}
    done = subprocess.run([sys.executable, "-c", HUGE_PAGES], capture_output=True, text=True, env=environment)
    assert done.stderr == ""
    assert least <= int(done.stdout) <= most


def test_where_there_is_no_mallopt_nothing_is_kept(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    assert memory.keep_freed_memory() is False
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert memory.keep_freed_memory() is False


def test_what_a_container_uses_is_not_free_but_the_files_it_read_are(files):
    meminfo, limit = files
    limit.write_text(f"{8 * GIB}\n")
    meminfo.write_text(f"MemTotal: {64 * GIB // 1024} kB\nMemAvailable: {32 * GIB // 1024} kB\n")
    limit.with_name("memory.current").write_text(f"{6 * GIB}\n")
    limit.with_name("memory.stat").write_text(f"anon 1\nfile {GIB}\nkernel 5\n")
    assert memory.free_memory(meminfo, limit) == 3 * GIB
    limit.with_name("memory.current").write_text(f"{12 * GIB}\n")
    assert memory.free_memory(meminfo, limit) == 0
    assert memory.total_memory(meminfo, limit) == 8 * GIB


def test_what_torch_keeps_of_a_gpus_memory_is_free_too(monkeypatch):
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (10 * GIB, 80 * GIB))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda device: 7 * GIB)
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda device: 3 * GIB)
    assert memory.free_on(torch.device("cuda")) == 14 * GIB
    assert memory.free_on(torch.device("cpu")) == float("inf")
