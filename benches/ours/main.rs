//! Our side of every benchmark: one subcommand per suite, one JSON line of timings on standard output.

mod fit;
mod load;
mod search;
mod serve;
mod train;
mod tsne;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let suite = arguments.next();
    let rest: Vec<String> = arguments.collect();
    match suite.as_deref() {
        Some("fit") => fit::run(&rest),
        Some("load") => load::run(&rest),
        Some("search") => search::run(&rest),
        Some("serve") => serve::run(&rest),
        Some("train") => train::run(&rest),
        Some("tsne") => tsne::run(&rest),
        other => {
            eprintln!("expected a suite (fit, load, search, serve, train, tsne), got {other:?}; `make bench` runs them all");
            std::process::exit(2);
        }
    }
}
