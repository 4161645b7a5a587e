"""What is collected from /out, and what is left behind with a reason."""

from __future__ import annotations

import pytest

from .conftest import Run

pytestmark = pytest.mark.abuse

PLANTED = {
    "symlink": ("os.symlink('/etc/passwd', 'results.json')", "results.json", "link"),
    "symlink-to-own-file": ("open('/tmp/a', 'w').write('x'); os.symlink('/tmp/a', 'flow.json')", "flow.json", "link"),
    "symlinked-folder": ("os.symlink('/etc', 'tables')", "tables", "not one of"),
    "hard-link": ("open('a', 'w').write('x'); os.link('a', 'results.json')", "results.json", "hard link"),
    "fifo": ("os.mkfifo('results.json')", "results.json", "not a regular file"),
    "socket": ("socket.socket(socket.AF_UNIX).bind('results.json')", "results.json", "link or can't be opened"),
    "sparse": ("open('results.json', 'wb').truncate(1 << 20)", "results.json", "sparse"),
    "oversize": ("open('results.json', 'wb').write(b'x' * (3 << 20))", "results.json", "more than is left"),
    "folder-as-file": ("os.mkdir('results.json')", "results.json", "only the folders"),
    "other-name": ("open('data.csv', 'w').write('x')", "data.csv", "not one of"),
    "pickle": ("open('tables/x.pkl', 'w').write('x')", "tables/x.pkl", "not one of"),
    "deep": ("os.makedirs('tables/deep'); open('tables/deep/a.csv', 'w')", "tables/deep", "too deep"),
    "hidden": ("open('tables/.a.csv', 'w')", "tables/.a.csv", "characters"),
    "control-character": ("open('tables/a\\n.csv', 'w')", "tables/a\\x0a.csv", "characters"),
    "right-to-left": ("open('tables/a\\u202e.csv', 'w')", "tables/a\\u202e.csv", "characters"),
    "not-utf8": ("open(b'tables/a\\xff.csv', 'w')", "tables/a\\xff.csv", "characters"),
    "unreadable": ("os.close(os.open('results.json', os.O_CREAT, 0))", "results.json", "can't be opened"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_planted_artifact_is_refused(name: str, run: Run) -> None:
    plant, expected, reason = PLANTED[name]
    folder = "" if "folder" in name else "os.makedirs('tables')"
    folder = "" if name == "deep" else folder
    done = run(f"import os, socket\n{folder}\n{plant}", artifact_mib=2)
    assert done.status == "ok", done.stderr.data.decode()
    assert done.artifacts == ()
    assert [item.name for item in done.rejected if reason in item.reason] == [expected], done.rejected


def test_too_many_files_are_refused_beyond_the_limit(run: Run) -> None:
    done = run(
        "import os\nos.mkdir('tables')\nfor n in range(9): open(f'tables/{n}.csv', 'w').write('x')",
        artifact_files=4,
    )
    assert (len(done.artifacts), len(done.rejected)) == (4, 5)
    assert "more than 4 files" in done.rejected[0].reason


def test_ten_thousand_files_end_in_a_short_list(run: Run) -> None:
    done = run("for n in range(10_000): open(f'/out/{n}', 'w').close()")
    assert done.status == "ok"
    assert len(done.rejected) == 201


def test_file_that_changes_until_the_end_is_whole(run: Run) -> None:
    done = run("""
        import os, time
        if os.fork() == 0:
            while True:
                for letter in 'ab':
                    open('/out/results.json.new', 'w').write(letter * 100_000)
                    os.rename('/out/results.json.new', '/out/results.json')
        time.sleep(0.2)
    """)
    assert done.artifacts[0].data in (b"a" * 100_000, b"b" * 100_000)


def test_outputs_of_a_killed_program_are_not_collected(run: Run) -> None:
    done = run("open('results.json', 'w').write('{}')\nimport time; time.sleep(60)", wall_s=1)
    assert (done.status, done.artifacts) == ("timeout", ())


def test_outputs_of_a_failed_program_are_collected(run: Run) -> None:
    done = run("open('results.json', 'w').write('{}')\n1/0")
    assert (done.status, [item.name for item in done.artifacts]) == ("error", ["results.json"])
