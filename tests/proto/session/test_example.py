"""The example of docs/sessions.md works."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "sessions.md"


async def test_the_example_of_the_page_classifies_an_image(agent, capsys):
    (source,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    example = {"__name__": "example"}
    exec(compile(source, str(PAGE), "exec"), example)
    await example["classify"](agent.address, b"the bytes of an image")
    printed = capsys.readouterr().out
    assert printed.startswith("credits: 8\naccepted exit: ")
    assert 'name: "ring"' in printed
    assert bytes(agent.uploads["1"].payload) == b"the bytes of an image"
