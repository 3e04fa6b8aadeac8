"""Tests of the scripts. `make test` runs them; by hand: python3 -m unittest discover tools."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
import unittest.mock
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "benches"), str(ROOT / "benches" / "suites")]

import common
import dependencies
import dist
import elf
import licences
import run
import setup
import try_dist
import verify


class Licences(unittest.TestCase):
    def test_an_expression_is_met_as_spdx_says(self):
        allowed = {"MIT", "Apache-2.0", "BSD-3-Clause", "Apache-2.0 WITH LLVM-exception"}
        for expression in ["MIT", "MIT OR GPL-3.0", "(GPL-3.0 OR MIT) AND BSD-3-Clause", "MIT/X", "X / Apache-2.0", "Apache-2.0 WITH LLVM-exception", "MIT OR X AND Y"]:
            self.assertTrue(dependencies.permits(expression, allowed), expression)
        for expression in ["GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 AND MIT) OR X", "Apache-2.0 WITH Other", "X AND MIT OR Y"]:
            self.assertFalse(dependencies.permits(expression, allowed), expression)


class Sources(unittest.TestCase):
    TOP = {".cargo", ".ci", ".gitignore", ".npmrc", "ARCHITECTURE.md", "BENCHMARKS.md", "CHANGELOG.md", "CONTRIBUTING.md", "Cargo.lock", "Cargo.toml",
           "LICENSE-APACHE", "LICENSE-MIT", "Makefile", "README.md", "SECURITY.md", "benches", "build.rs", "data", "deny.toml", "docs", "kernels", "locales",
           "package-lock.json", "package.json", "packaging", "rustfmt.toml", "src", "static", "templates", "tests", "tools"}
    LARGEST = 9_000_000  # the embeddings and maps of a shipped run

    def test_nothing_is_kept_that_came_here_by_accident(self):
        if not (ROOT / ".git").exists():
            self.skipTest("not a clone")
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip("\0").split("\0")
        self.assertGreater(len(names), 500)
        self.assertEqual({name.split("/")[0] for name in names} - self.TOP, set(), "what is this for? name it here and in ARCHITECTURE.md")
        large = [name for name in names if (ROOT / name).is_file() and (ROOT / name).stat().st_size > self.LARGEST]
        self.assertEqual(large, [], "everybody who clones this carries these for ever")


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

    def test_what_tests_alone_need_never_stops_anybody(self):
        with unittest.mock.patch.object(setup.os, "geteuid", return_value=1000), contextlib.redirect_stdout(io.StringIO()) as said:
            with unittest.mock.patch.dict(setup.TEST_PACKAGES, {"chromium": lambda: None, "chromium-driver": lambda: True, "libfaketime": lambda: False}):
                setup.tests()
        self.assertIn("sudo apt-get install chromium libfaketime", said.getvalue())

    def test_a_wrong_libtorch_is_refused(self):
        environment = {**os.environ, "LIBTORCH": str(self.folder)}
        done = subprocess.run([sys.executable, ROOT / "tools" / "setup.py", "libtorch"], env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("has no include/torch", done.stderr)


    def test_licences_are_kept_by_project(self):
        wheel = self.folder / "nvidia_cuda_runtime-13.0.96-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("nvidia_cuda_runtime-13.0.96.dist-info/licenses/License.txt", "terms")
            archive.writestr("nvidia_cuda_runtime-13.0.96.dist-info/METADATA", "")
        setup.extract_licences(wheel, self.folder / "licences")
        self.assertEqual((self.folder / "licences/nvidia-cuda-runtime/License.txt").read_text(), "terms")
        self.assertEqual(os.listdir(self.folder / "licences" / "nvidia-cuda-runtime"), ["License.txt"])


class Tarball(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_what_is_packed_tells_nothing_of_this_machine_or_hour(self):
        packed = []
        for name, mode, hour in [("one", 0o700, 10**9), ("other", 0o777, 10**8)]:
            top = self.folder / name / "torchboard-1"
            (top / "bin").mkdir(parents=True)
            files = ["bin/b", "bin-a", *"edcba"]
            for part in files if name == "one" else reversed(files):
                (top / part).write_text(part)
                os.utime(top / part, (hour, hour))
                if os.geteuid() == 0:
                    os.chown(top / part, 12, 34)
            (top / "bin" / "b").chmod(mode)
            dist.pack(top, self.folder / f"{name}.tar.xz", 1_700_000_000)
            packed.append((self.folder / f"{name}.tar.xz").read_bytes())
        self.assertEqual(*packed)
        with tarfile.open(self.folder / "one.tar.xz") as archive:
            entries = {entry.name: entry for entry in archive}
        self.assertEqual(list(entries), ["torchboard-1", *(f"torchboard-1/{part}" for part in ["a", "b", "bin", "bin/b", "bin-a", *"cde"])])
        self.assertEqual({(entry.uid, entry.gid, entry.uname, entry.mtime) for entry in entries.values()}, {(0, 0, "root", 1_700_000_000)})
        self.assertEqual((entries["torchboard-1/bin/b"].mode, entries["torchboard-1/a"].mode), (0o755, 0o644))

    def test_checksums_are_as_sha256sum_reads_them(self):
        (self.folder / "a folder").mkdir()
        (self.folder / "a folder" / "file").write_text("abc")
        self.assertEqual(dist.checksums(self.folder), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a folder/file\n")

    def test_files_are_dated_as_asked(self):
        with unittest.mock.patch.dict(os.environ, {"SOURCE_DATE_EPOCH": "1234567890"}):
            self.assertEqual(dist.moment(), 1234567890)

    def test_the_libraries_that_libraries_need_are_found(self):
        needs = {"program": ["liba.so", "libc.so.6"], "liba.so": ["libb.so", "liba.so"], "libb.so": [], "libunused.so": []}
        for name in ("liba.so", "libb.so", "libunused.so"):
            (self.folder / name).touch()
        with unittest.mock.patch.object(elf, "needed", lambda path: needs[path.name]):
            self.assertEqual(elf.closure(Path("program"), self.folder), ["liba.so", "libb.so"])

    def test_what_readelf_says_is_understood(self):
        told = {
            "-d": " 0x1 (NEEDED)  Shared library: [libc.so.6]\n 0x1d (RUNPATH)  Library runpath: [$ORIGIN/x:/home/y]\n 0xf (NEEDED)  Shared library: [libm.so.6]\n",
            "-V": "  Name: GLIBC_2.9  Flags: none\n  Name: GLIBC_2.35  Flags: none\n  Name: GLIBCXX_3.4.99  Flags: none\n",
        }
        with unittest.mock.patch.object(elf, "readelf", lambda what, path: told[what]):
            self.assertEqual(elf.needed("program"), ["libc.so.6", "libm.so.6"])
            self.assertEqual(elf.search_path("program"), "$ORIGIN/x:/home/y")
            self.assertEqual(elf.newest_glibc(["program"]), "2.35")

    def test_where_the_loader_looks_is_written_over_what_it_was(self):
        old = "$ORIGIN/libtorch/lib:/home/somebody/lib"
        file = self.folder / "program"

        def told(_):
            text = file.read_bytes().split(b"\0")[1].decode()
            return text or None

        with unittest.mock.patch.object(elf, "search_path", told):
            file.write_bytes(b"before\0" + old.encode() + b"\0after")
            elf.look_in(file, "$ORIGIN/../lib")
            self.assertEqual(file.read_bytes(), b"before\0" + b"$ORIGIN/../lib".ljust(len(old), b"\0") + b"\0after")
            for content in [b"\0short\0", b"\0\0", f"\0{old}\0{old}\0".encode()]:
                file.write_bytes(content)
                with self.assertRaises(elf.Unfit):
                    elf.look_in(file, "$ORIGIN/../lib")
                self.assertEqual(file.read_bytes(), content)

    def test_what_can_not_be_loaded_is_told_in_words(self):
        for part in ("bin", "lib", "other"):
            (self.folder / part).mkdir()
        # Any program that needs libc stands in for ours, and a copy of that library, which it does not load, for another version's.
        program = os.path.realpath(shutil.which("env"))
        shutil.copy(program, self.folder / "lib" / "torchboard")
        libc = next(line.split()[2] for line in subprocess.run(["ldd", program], capture_output=True, text=True).stdout.splitlines() if "libc.so.6 =>" in line)
        (self.folder / "lib" / "libtorch_cpu.so").write_bytes(b"x" * 100)
        shutil.copy(libc, self.folder / "other" / "libc.so.6")

        def told(*arguments, **environment):
            command = [self.folder / "bin" / "torchboard", *arguments]
            done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
            return done.returncode, done.stdout.strip(), done.stderr.strip()

        dist.start(self.folder, ["libtorch_cpu.so"], "2.35")
        self.assertEqual(told("printf", "%s-%s", "a b", "c"), (0, "a b-c", ""))
        (self.folder / "link").symlink_to(self.folder / "bin" / "torchboard")
        self.assertEqual(subprocess.run([self.folder / "link", "true"]).returncode, 0)
        (self.folder / "lib" / "libtorch_cpu.so").write_bytes(b"x" * 99)
        self.assertRegex(told("true")[2], r"^torchboard: lib/libtorch_cpu.so is not the one of this version\. Unpack")
        (self.folder / "lib" / "libtorch_cpu.so").unlink()
        self.assertRegex(told("true")[2], r"^torchboard: lib/libtorch_cpu.so is missing\. Unpack the tarball again")
        shutil.copy(libc, self.folder / "lib" / "libc.so.6")
        dist.start(self.folder, ["libc.so.6"], "2.35")
        self.assertRegex(told("true")[2], r"^torchboard: Another libc.so.6 than this version's would be loaded\. Unset LD_LIBRARY_PATH")
        self.assertEqual(told("true", LD_LIBRARY_PATH=str(self.folder / "lib"))[0], 0)
        # As on a system that has no such loader.
        (self.folder / "lib" / "torchboard").write_bytes(Path(program).read_bytes().replace(b"/ld-linux", b"/no-linux"))
        self.assertRegex(told("true")[2], r"^torchboard: The program can't be loaded\. It needs Linux on \S+ with glibc 2.35 or newer\.")
        self.assertEqual(told("true")[0], 1)

    def test_a_text_is_told_once_for_all_crates_that_have_it(self):
        packages = [{"name": "torchboard", "version": "1", "license": "MIT", "repository": None, "source": None, "manifest_path": "/nowhere/Cargo.toml"}]
        for name, text in [("b", "shared"), ("a", "shared\n"), ("c", None)]:
            (self.folder / name).mkdir()
            (self.folder / name / "license.rs").touch() if text is None else (self.folder / name / "LICENSE-MIT").write_text(text)
            manifest = str(self.folder / name / "Cargo.toml")
            packages.append({"name": name, "version": "1.0", "license": "MIT", "repository": None, "source": "registry", "manifest_path": manifest})
        told = licences.of_crates(packages)
        self.assertIn("a 1.0: MIT; https://crates.io/crates/a\nb 1.0: MIT; https://crates.io/crates/b\nc 1.0", told)
        self.assertIn("\na 1.0, b 1.0\n", told)
        self.assertEqual(told.count("shared"), 1)
        self.assertNotIn("torchboard 1", told)

    def test_the_mirror_is_the_one_that_offers_the_suite(self):
        listing = "http://a/ bookworm-updates main\nhttp://b/ trixie main\nhttp://c/ bookworm contrib\nhttp://d/ bookworm main\nhttp://e/ bookworm main\n"
        self.assertEqual(try_dist.mirror_in(listing), "http://d/")
        self.assertIsNone(try_dist.mirror_in("http://a/ noble main\n"))

    def test_every_tool_that_a_trial_misses_is_named_at_once(self):
        with unittest.mock.patch.object(try_dist.shutil, "which", lambda tool: None), self.assertRaises(try_dist.Failed) as raised:
            try_dist.check_tools()
        self.assertIn("apt-get install debootstrap", str(raised.exception))
        self.assertIn("apt-get install xz-utils", str(raised.exception))

    def test_the_unit_lets_a_server_keep_its_trainings(self):
        unit = (ROOT / "packaging" / "torchboard.service").read_text().splitlines()
        for line in ["KillMode=mixed", "DynamicUser=yes", "StateDirectory=torchboard", "ExecStart=/opt/torchboard/bin/torchboard --data-dir %S/torchboard serve"]:
            self.assertIn(line, unit)
        code = "".join((ROOT / "src" / name).read_text() for name in ("cli/serve.rs", "web/serving.rs"))
        waits = [int(seconds) for seconds in re.findall(r"^const LAST_\w+: .*from_secs\((\d+)\);", code, re.MULTILINE)]
        self.assertGreaterEqual(len(waits), 2)
        (patience,) = (int(line.split("=")[1]) for line in unit if line.startswith("TimeoutStopSec="))
        self.assertGreater(patience, sum(waits))


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
