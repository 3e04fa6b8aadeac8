//! The train suite.

pub fn run(_arguments: &[String]) {
    todo!()
}
