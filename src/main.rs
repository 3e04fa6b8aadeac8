//! Parses the command line and calls a command.

use std::process::ExitCode;

fn main() -> ExitCode {
    match torchboard::cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("torchboard: {error:#}");
            ExitCode::FAILURE
        }
    }
}
