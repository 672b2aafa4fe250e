"""What a daemon says, to people and to the journal."""

from mc_sched.service.logger import process_log, set_level


def test_a_sentence_with_the_daemons_name(capsys, monkeypatch):
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    process_log("agent").info("serving on %s", "here")
    assert capsys.readouterr().err == "agent: serving on here\n"


def test_the_journal_gets_its_priorities(capsys, monkeypatch):
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    log = process_log("agent", "debug")
    for say in (log.debug, log.info, log.warning, log.error):
        say("x")
    assert capsys.readouterr().err.splitlines() == [f"<{n}>agent: x" for n in (7, 6, 4, 3)]


def test_the_level_changes_live(capsys):
    log = process_log("agent", "warning")
    log.info("not said")
    set_level(log, "info")
    log.info("said")
    assert "not said" not in (said := capsys.readouterr().err)
    assert "said" in said
