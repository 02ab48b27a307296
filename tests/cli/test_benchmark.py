"""`iics benchmark`: which kind is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from iics.cli import benchmark


def test_help_lists_the_kinds(iics):
    finished = iics("benchmark", "--help")
    assert finished.code == 0
    for kind, text in benchmark.KINDS.items():
        assert f"{kind} " in finished.stdout
        assert text in finished.stdout


@pytest.mark.parametrize("kind", benchmark.KINDS)
def test_each_kind_has_a_module_and_a_help_of_its_own(kind, iics):
    assert (Path(benchmark.__file__).parent / f"benchmark_{kind.replace('-', '_')}.py").exists()
    finished = iics("benchmark", kind, "--help")
    assert finished.code == 0
    assert f"iics benchmark {kind}" in finished.stdout


@pytest.mark.parametrize(("arguments", "given"), [([], "nothing"), (["bogus", "--seed=1"], "bogus --seed=1")])
def test_no_kind_is_refused(arguments, given, refusal):
    message = refusal("benchmark", *arguments)
    assert (
        message == f"What shall be timed? iics benchmark needs one of pseudo-labels, evaluation, training, got {given}."
    )


def test_flags_may_come_before_the_kind(refusal):
    assert (
        refusal("benchmark", "--repeats=0", "pseudo-labels")
        == "--repeats must be a whole number from 1 to 1,000; got 0."
    )
    assert (
        refusal("benchmark", "--repeats=-1", "training") == "--repeats must be a whole number from 1 to 1,000; got -1."
    )
