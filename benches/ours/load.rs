//! The load suite.

pub fn run(_arguments: &[String]) {
    todo!()
}
