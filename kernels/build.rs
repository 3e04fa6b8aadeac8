//! Finds libtorch, and tells the linker where the binary will find it.
//!
//! The binary looks for libtorch beside itself first (`libtorch/lib`, a relocated copy), then in the folder it was
//! built against.

use std::path::{Path, PathBuf};

/// The release that tch 0.24 binds; libtorch promises no binary compatibility between releases.
const LIBTORCH_VERSION: &str = "2.11.0";

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-changed=build.rs");
    if let Err(what_is_missing) = link_libtorch() {
        // Cargo shows standard error of a failed build script in full: one sentence serves better than a backtrace.
        eprintln!("\n{what_is_missing}\n");
        std::process::exit(1);
    }
}

fn link_libtorch() -> Result<(), String> {
    let folder = std::env::var_os("LIBTORCH")
        .map(PathBuf::from)
        .ok_or("LIBTORCH is not set: build from inside the repository, or run `make setup`.")?;
    let library = folder.join("lib").canonicalize().map_err(|error| {
        format!(
            "there is no libtorch in {}: {error}. Run `make setup`, or set LIBTORCH to the folder of libtorch {LIBTORCH_VERSION}.",
            folder.display()
        )
    })?;
    let version = version_of(&folder)?;
    if version != LIBTORCH_VERSION {
        return Err(format!("{} holds libtorch {version}; Torchboard is built with {LIBTORCH_VERSION}.", folder.display()));
    }
    println!("cargo:rustc-env=TORCHBOARD_LIBTORCH_VERSION={version}");

    let beside = if target_is("macos") { "@loader_path" } else { "$ORIGIN" };
    let library_has_cuda = library.join("libtorch_cuda.so").exists();
    let library = library.display();
    let mut arguments = vec![format!("-Wl,-rpath,{beside}/libtorch/lib"), format!("-Wl,-rpath,{library}")];
    if library_has_cuda {
        // Nothing calls libtorch_cuda by name: it announces itself to libtorch_cpu when it is loaded, so the linker would leave it out.
        arguments.extend([
            "-Wl,--push-state,--no-as-needed".into(),
            format!("-L{library}"),
            "-ltorch_cuda".into(),
            "-Wl,--pop-state".into(),
        ]);
    }
    for argument in &arguments {
        println!("cargo:rustc-link-arg={argument}");
    }
    // For the program's own build script: a path may hold spaces, but no tabulator.
    println!("cargo:arguments={}", arguments.join("\t"));
    Ok(())
}

/// From the headers, which every distribution of libtorch has (a pip-installed `PyTorch` lacks `build-version`).
fn version_of(folder: &Path) -> Result<String, String> {
    let header = folder.join("include/torch/headeronly/version.h");
    println!("cargo:rerun-if-changed={}", header.display());
    let text = std::fs::read_to_string(&header).map_err(|error| {
        format!("{}: {error}. LIBTORCH must be the folder of libtorch {LIBTORCH_VERSION}, with include/ and lib/.", header.display())
    })?;
    let part = |name: &str| {
        let definition = text.lines().find_map(|line| line.strip_prefix("#define TORCH_VERSION_")?.strip_prefix(name));
        definition.map(str::trim).ok_or_else(|| format!("{} does not define TORCH_VERSION_{name}", header.display()))
    };
    Ok(format!("{}.{}.{}", part("MAJOR")?, part("MINOR")?, part("PATCH")?))
}

fn target_is(system: &str) -> bool {
    std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|target| target == system)
}
