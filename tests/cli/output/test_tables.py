"""Tables on stdout."""

from mc_sched.cli.output.tables import print_fields, print_table


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


def test_numbers_are_aligned_to_the_right_under_their_headings(capsys):
    print_table(("piece", "ms"), [("conv1", "0.5"), ("fc8", "12.25")], numbers_from=1)
    lines = [line for line in capsys.readouterr().out.splitlines() if "│" in line or "┃" in line]
    assert [line.strip("│┃") for line in lines] == [
        " piece ┃    ms ", " conv1 │   0.5 ", " fc8   │ 12.25 ",
    ]  # fmt: skip


def test_a_title_longer_than_the_table_stays_on_one_line(capsys):
    title = "/a/long/path/to/my-bundle: top-5 [accuracy] in %"
    print_table(("output", "top-5"), [("local", "80.1")], title=title)
    assert capsys.readouterr().out.splitlines()[0] == title
