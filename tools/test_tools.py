"""Tests of the scripts. `make test` runs them; by hand: python3 -m unittest discover tools."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "benches"), str(ROOT / "benches" / "suites")]

import common
import dependencies
import run
import setup
import verify


class Licences(unittest.TestCase):
    def test_an_expression_is_met_as_spdx_says(self):
        allowed = {"MIT", "Apache-2.0", "BSD-3-Clause", "Apache-2.0 WITH LLVM-exception"}
        for expression in ["MIT", "MIT OR GPL-3.0", "(GPL-3.0 OR MIT) AND BSD-3-Clause", "MIT/X", "X / Apache-2.0", "Apache-2.0 WITH LLVM-exception", "MIT OR X AND Y"]:
            self.assertTrue(dependencies.permits(expression, allowed), expression)
        for expression in ["GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 AND MIT) OR X", "Apache-2.0 WITH Other", "X AND MIT OR Y"]:
            self.assertFalse(dependencies.permits(expression, allowed), expression)


class SetUp(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_a_folder_is_replaced_whole(self):
        target = self.folder / "libtorch"
        for content in ("first", "second"):
            with setup.replacing(target) as partial:
                (partial / "file").write_text(content)
            self.assertEqual((target / "file").read_text(), content)
        self.assertEqual(os.listdir(self.folder), ["libtorch"])

    def test_a_failure_leaves_what_was_there(self):
        target = self.folder / "libtorch"
        target.mkdir()
        with self.assertRaises(RuntimeError), setup.replacing(target) as partial:
            (partial / "half").touch()
            raise RuntimeError
        self.assertEqual(os.listdir(self.folder), ["libtorch"])
        self.assertEqual(os.listdir(target), [])

    def test_a_link_is_renewed_but_a_real_folder_is_kept(self):
        name = self.folder / "libtorch"
        for target in ("one", "two"):
            setup.link(name, self.folder / target)
            self.assertEqual(os.readlink(name), str(self.folder / target))
        name.unlink()
        name.mkdir()
        setup.link(name, self.folder / "one")
        self.assertFalse(name.is_symlink())

    def test_too_little_room_is_said_before_anything_is_fetched(self):
        with self.assertRaisesRegex(setup.Missing, "GB free"):
            setup.need_space(self.folder, 10**18)

    def test_every_missing_tool_is_named_at_once(self):
        done = subprocess.run([sys.executable, ROOT / "tools" / "setup.py"], env={"PATH": str(self.folder), "HOME": str(self.folder)}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("rustup", done.stderr)
        self.assertIn("apt-get install g++", done.stderr)

    def test_a_wrong_libtorch_is_refused(self):
        environment = {**os.environ, "LIBTORCH": str(self.folder)}
        done = subprocess.run([sys.executable, ROOT / "tools" / "setup.py", "libtorch"], env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("has no include/torch", done.stderr)


class Summary(unittest.TestCase):
    def test_skips_are_repeated_and_the_chatter_of_passing_tests_is_not_shown(self):
        lines = ["test a ... ok", "successes:", "chatter", "skipped: no data", "successes:", "    a", "test result: ok. 3 passed; 1 failed; 2 ignored; 0 measured"]
        code = f"print({chr(10).join(lines)!r}); raise SystemExit(7)"
        notes, counts = [], {"passed": 1, "failed": 0, "ignored": 0}
        with tempfile.TemporaryFile("w+") as shown:
            saved, sys.stdout = sys.stdout, shown
            try:
                passed = verify.run_tests([sys.executable, "-c", code], notes, counts)
            finally:
                sys.stdout = saved
            shown.seek(0)
            text = shown.read()
        self.assertFalse(passed)
        self.assertEqual(notes, ["skipped: no data"])
        self.assertEqual(counts, {"passed": 4, "failed": 1, "ignored": 2})
        self.assertIn("test a ... ok", text)
        self.assertNotIn("chatter", text)


class Benchmarks(unittest.TestCase):
    def test_a_ratio_says_how_many_times_better_ours_is(self):
        self.assertEqual(common.row("time", 2, 10, "gensim", "s")["ratio"], 5)
        self.assertEqual(common.row("rate", 10, 2, "gensim", "1/s", better="higher")["ratio"], 5)
        self.assertIsNone(common.row("memory", 10, None, None, "MB")["ratio"])
        self.assertIsNone(common.row("failed", 0, 3, "FastAPI", "%")["ratio"])

    def test_both_sides_are_measured_equally_often(self):
        calls = []
        values = common.interleaved(3, ours=lambda: calls.append("ours"), peer=lambda: calls.append("peer") or 4.0)
        self.assertEqual(sorted(calls), ["ours"] * 3 + ["peer"] * 3)
        self.assertEqual(common.medians(values)["peer"], 4.0)

    def test_a_slow_peer_is_measured_once_between_rounds_of_ours(self):
        calls = []
        common.between(2, ours=lambda: calls.append("ours"), peer=lambda: calls.append("peer"))
        self.assertEqual(calls, ["ours", "peer", "ours"])

    def test_a_bound_on_our_own_figure_is_held_whichever_way_is_better(self):
        bounded = lambda ours, better: run.wanted(common.row("x", ours, None, None, "", better=better, limit=1.3))
        self.assertEqual(bounded(1.3, "lower"), "at most 1.3 met")
        self.assertEqual(bounded(1.31, "lower"), "at most 1.3 **missed**")
        self.assertEqual(bounded(1.31, "higher"), "at least 1.3 met")
        self.assertEqual(bounded(1.29, "higher"), "at least 1.3 **missed**")
        self.assertEqual(run.wanted(common.row("x", 0, 4, "gensim", "%", limit=0, target=2)), "at most 0 met")

    def test_a_suite_that_lacks_what_it_needs_is_no_failure(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, code in [("lacking", "import common; raise SystemExit(common.SKIPPED)"), ("broken", "raise SystemExit(1)")]:
                Path(folder, f"{name}.py").write_text(f"import sys; sys.path.insert(0, {str(ROOT / 'benches' / 'suites')!r}); {code}")
            patched = {"SUITES": Path(folder), "RESULTS": Path(folder), "TARGET": Path(folder), "peers": lambda: sys.executable, "build": lambda: ("torchboard", "ours")}
            with unittest.mock.patch.multiple(run, **patched), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                self.assertEqual(run.measure(["lacking", "broken"], quick=True), ["broken"])

    def test_the_report_says_what_was_met_and_what_was_missed(self):
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder, "x.json")
            common.save(output, "x", "Trial", [common.row("fast", 1, 6, "gensim", "ms", target=5), common.row("slow", 1, 2, "gensim", "ms", target=5)])
            text = run.report([json.loads(output.read_text())])
        self.assertIn("| fast | 1 | 6 (gensim) | ms | 6x | 5x met |", text)
        self.assertIn("| slow | 1 | 2 (gensim) | ms | 2x | 5x **missed** |", text)
        self.assertIn("make bench SUITE=x", text)


if __name__ == "__main__":
    unittest.main()
