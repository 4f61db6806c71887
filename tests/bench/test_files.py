"""The application made of files, of which two versions differ in one line."""

from bench.files import FILES, files


def test_application_has_40_files_and_200_kib_and_its_next_version_one_line_more() -> None:
    first, second = files(b"import twinslot\n"), files(b"import twinslot\n", mended=True)
    assert len(first) == FILES == 40
    assert 195 * 1024 <= sum(map(len, first.values())) <= 200 * 1024
    assert first.keys() == second.keys()
    changed = [path for path in first if first[path] != second[path]]
    assert len(changed) == 1
    assert len(second[changed[0]].splitlines()) == len(first[changed[0]].splitlines()) + 1
