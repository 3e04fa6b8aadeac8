//! Checks that the set-up was done, and passes on to the linker where the binary will find libtorch.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // What `kernels/build.rs` found; cargo hands linker arguments of a library to no program by itself.
    for argument in
        std::env::var("DEP_TORCHBOARD_KERNELS_ARGUMENTS").unwrap_or_default().split('\t').filter(|argument| !argument.is_empty())
    {
        println!("cargo:rustc-link-arg={argument}");
    }
    if let Err(what_is_missing) = check_packages() {
        // Cargo shows standard error of a failed build script in full: one sentence serves better than a backtrace.
        eprintln!("\n{what_is_missing}\n");
        std::process::exit(1);
    }
}

/// The fonts that the pages and charts embed come from npm.
fn check_packages() -> Result<(), String> {
    println!("cargo:rerun-if-changed=package-lock.json");
    println!("cargo:rerun-if-changed=node_modules/.package-lock.json");
    if Path::new("node_modules/.package-lock.json").exists() {
        return Ok(());
    }
    Err("node_modules is missing: the fonts that the pages embed are not here yet. Run `make setup`.".into())
}
