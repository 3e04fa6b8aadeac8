//! The serve suite.

pub fn run(_arguments: &[String]) {
    todo!()
}
