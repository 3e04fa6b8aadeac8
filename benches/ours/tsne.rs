//! The tsne suite.

pub fn run(_arguments: &[String]) {
    todo!()
}
