//! What the binary says of itself, how it refuses, and that it runs wherever it is copied.

use std::process::{Command, Output};

#[test]
fn version_is_the_package_version() {
    let output = torchboard(&["--version"]);
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), format!("torchboard {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_names_every_command_and_the_shared_options() {
    let output = torchboard(&["--help"]);
    assert!(output.status.success());
    let help = text(&output.stdout);
    for expected in ["serve", "train", "words", "fetch", "backup", "restore", "--data-dir", "--datasets", "--device", "--threads"] {
        assert!(help.contains(expected), "{expected} is not in\n{help}");
    }
}

#[test]
fn a_wrong_call_exits_with_2_and_shows_how_to_call() {
    for wrong in [&[] as &[&str], &["serv"], &["--no-such-option", "serve"]] {
        let output = torchboard(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(text(&output.stderr).contains("Usage: torchboard"), "{wrong:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_device_that_makes_no_sense_is_a_wrong_call() {
    let output = torchboard(&["--device", "gpu", "serve"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("expected auto, cpu or cuda:N"), "{}", text(&output.stderr));
}

#[test]
fn a_gpu_that_is_not_there_ends_any_command_in_one_sentence() {
    let output = torchboard(&["--device", "cuda:4096", "serve"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.starts_with("torchboard: --device cuda:4096: "), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert_eq!(text(&output.stdout), "");
}

#[test]
#[cfg(target_os = "linux")]
fn the_copied_binary_runs_without_any_environment() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("torchboard");
    std::fs::copy(env!("CARGO_BIN_EXE_torchboard"), &copy).unwrap();
    let output = Command::new(&copy).arg("--version").env_clear().current_dir("/").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
#[cfg(target_os = "linux")]
fn a_libtorch_beside_the_binary_is_preferred() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("torchboard");
    std::fs::copy(env!("CARGO_BIN_EXE_torchboard"), &copy).unwrap();
    let built_against = loaded_libtorch(&copy);
    assert!(!built_against.starts_with(folder.path().to_str().unwrap()), "{built_against}");

    let beside = folder.path().join("libtorch");
    std::fs::create_dir(&beside).unwrap();
    std::os::unix::fs::symlink(std::path::Path::new(&built_against).parent().unwrap(), beside.join("lib")).unwrap();
    assert_eq!(loaded_libtorch(&copy), beside.join("lib/libtorch_cpu.so").to_str().unwrap());
}

/// The path of libtorch that the loader picks; with this variable it says so instead of running the program, as `ldd` does.
#[cfg(target_os = "linux")]
fn loaded_libtorch(binary: &std::path::Path) -> String {
    let output = Command::new(binary).env_clear().env("LD_TRACE_LOADED_OBJECTS", "1").output().unwrap();
    let listing = text(&output.stdout);
    let line = listing.lines().find(|line| line.contains("libtorch_cpu.so")).unwrap_or_else(|| panic!("no libtorch in\n{listing}"));
    line.split_whitespace().nth(2).unwrap_or_else(|| panic!("{line}")).to_owned()
}

fn torchboard(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_torchboard")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
