//! The search suite.

pub fn run(_arguments: &[String]) {
    todo!()
}
