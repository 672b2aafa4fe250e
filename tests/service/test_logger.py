"""The lines of a daemon's logger, for a terminal and for the journal."""

from mc_sched.service.logger import process_log, set_level


def test_a_line_has_the_daemons_name(capsys, monkeypatch):
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    process_log("agent").info("serving on %s", "here")
    assert capsys.readouterr().err == "agent: serving on here\n"


def test_the_journal_gets_its_priorities(capsys, monkeypatch):
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    log = process_log("agent", "debug")
    for write in (log.debug, log.info, log.warning, log.error):
        write("x")
    assert capsys.readouterr().err.splitlines() == [f"<{n}>agent: x" for n in (7, 6, 4, 3)]


def test_the_level_changes_live(capsys, monkeypatch):
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    log = process_log("agent", "warning")
    log.info("below the level")
    set_level(log, "info")
    log.info("at the level")
    assert capsys.readouterr().err.splitlines() == ["agent: at the level"]
