//! Where the built binary looks for libtorch at run time.
//!
//! In this order: beside the binary (a relocated copy), then the folder it was built against.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(libtorch) = std::env::var("DEP_TCH_LIBTORCH_LIB").or_else(|_| std::env::var("LIBTORCH").map(|root| format!("{root}/lib"))) {
        let directory = Path::new(&libtorch).canonicalize().unwrap_or_else(|_| libtorch.clone().into());
        println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/libtorch/lib");
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", directory.display());
    }
}
