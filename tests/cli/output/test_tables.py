"""Tables on stdout."""

from mc_sched.cli.output.tables import print_fields


def test_a_row_is_a_label_and_its_text(capsys):
    print_fields([("in time", "99.0%"), ("E3", "2.0")], "the run")
    out, err = capsys.readouterr()
    assert err == ""
    assert [line.split("│")[1:3] for line in out.splitlines() if "│" in line] == [
        [" in time ", " 99.0% "],
        [" E3      ", " 2.0   "],
    ]
    assert "the run" in out


def test_what_looks_like_markup_is_shown_as_it_is(capsys):
    print_fields([("cloud[0]", "[red]lost[/x] :dog:")])
    assert "│ cloud[0] │ [red]lost[/x] :dog: │" in capsys.readouterr().out
