"""The flags of the engine: what they choose is said on the command line."""

import pytest


@pytest.fixture
def start(iics, market_people, tiny_flags, tmp_path, monkeypatch):
    """Start `iics train` and stop it before it trains."""

    def call(*flags):
        history = [{"round": 1, "evaluation": {}}]
        monkeypatch.setattr("iics.runs.run.Run.finish", lambda run, checkpoint: history)
        command = "train", "market-layout", "--data-dir", market_people, "--out", tmp_path / "run", "--evaluate=never"
        finished = iics(*command, *tiny_flags.but(*flags))
        assert finished.code == 0, finished.stderr

    return call


def test_the_command_line_says_what_was_chosen(start, caplog):
    start(
        "--engine.precision=bf16",
        "--engine.features=float32",
        "--engine.compile",
        "--engine.parts=2",
        "--engine.threads=1",
    )
    chosen = "bf16, features in float32, channels_last, compiled, batches in 2 parts, 1 thread"
    assert f"Computing on cpu, {chosen}." in caplog.messages


def test_parts_below_1_are_refused(refusal, market_people, tmp_path, tiny_flags):
    command = "train", "market-layout", "--data-dir", market_people, "--out", tmp_path / "run"
    assert (
        refusal(*command, *tiny_flags, "--engine.parts=0")
        == "engine.parts must be a whole number from 1 to 1,024; got 0."
    )


def test_every_group_of_flags_has_its_own_text(iics, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    text = " ".join(iics("train", "--help-all").stdout.replace("│", " ").split())
    assert "How training is computed (docs/performance.md); what was chosen is printed at the start." in text
    assert "Intra-camera training (Sec. 3.2)." in text
    assert "carry no prefix" not in text
