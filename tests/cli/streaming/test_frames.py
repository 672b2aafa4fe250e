"""Images of a source: their order and their labels."""

from mc_sched.cli.streaming.frames import load_class_folders, load_frames


def a_class(folder, label, *names):
    (folder / label).mkdir(parents=True)
    for name in names:
        (folder / label / name).write_bytes(name.encode())


def test_the_folders_of_images_are_their_labels(tmp_path):
    a_class(tmp_path, "cat", "1.jpg", "2.png", "notes.txt")
    a_class(tmp_path, "dog", "3.jpeg")
    frames = load_class_folders(str(tmp_path), 5)
    assert [(frame.name, frame.label) for frame in frames[:3]] == [
        ("1.jpg", "cat"), ("2.png", "cat"), ("3.jpeg", "dog"),
    ]  # fmt: skip
    assert frames[3:] == frames[:2]


def test_a_few_frames_of_many_come_from_all_classes(tmp_path):
    for label in "abcd":
        a_class(tmp_path, label, *(f"{label}{number}.jpg" for number in range(10)))
    assert [frame.label for frame in load_class_folders(str(tmp_path), 4)] == ["a", "b", "c", "d"]


def test_images_without_folders_have_no_labels(tmp_path):
    (tmp_path / "1.jpg").write_bytes(b"x")
    (frame,) = load_class_folders(str(tmp_path), 1)
    assert (frame.name, frame.label) == ("1.jpg", None)


def test_a_suffix_in_capitals_is_an_image_too(tmp_path):
    a_class(tmp_path, "cat", "1.JPG")
    assert len(load_class_folders(str(tmp_path), 1)) == 1


def test_a_file_with_brackets_in_its_name_is_a_file(frames):
    (frames / "frame[1].jpg").write_bytes(b"jpeg")
    (frame,) = load_frames(str(frames / "frame[1].jpg"), None, None)
    assert frame.data == b"jpeg"
