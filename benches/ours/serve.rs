//! The serve suite.

pub fn run(_arguments: &[String]) {
    eprintln!("the serve suite is not written yet");
    std::process::exit(2)
}
