//! Our side of every benchmark: one subcommand per suite, one JSON line of timings on standard output.

mod fit;
mod grid;
mod load;
mod predict;
mod resnet;
mod runs;
mod search;
mod serve;
mod train;
mod triplet;
mod tsne;
mod tune;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let suite = arguments.next();
    let rest: Vec<String> = arguments.collect();
    match suite.as_deref() {
        Some("fit") => fit::run(&rest),
        Some("grid") => grid::run(&rest),
        Some("load") => load::run(&rest),
        Some("predict") => predict::run(&rest),
        Some("resnet") => resnet::run(&rest),
        Some("runs") => runs::run(&rest),
        Some("search") => search::run(&rest),
        Some("serve") => serve::run(&rest),
        Some("train") => train::run(&rest),
        Some("triplet") => triplet::run(&rest),
        Some("tsne") => tsne::run(&rest),
        Some("tune") => tune::run(&rest),
        other => {
            eprintln!(
                "expected a suite (fit, grid, load, predict, resnet, runs, search, serve, train, triplet, tsne, tune), got {other:?}; `make bench` runs them all"
            );
            std::process::exit(2);
        }
    }
}
