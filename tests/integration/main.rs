//! The one integration binary: each test binary links libtorch again.

mod architecture;
mod browser;
mod browser_datasets;
mod browser_fashion;
mod browser_runs;
mod browser_words;
mod classifiers;
mod command_line;
mod datasets;
mod fetch;
mod glove;
mod metrics;
mod networks;
mod overview_page;
mod project;
mod run_faults;
mod runs;
mod service;
mod support;
mod training;
mod words_api;
mod words_command;
mod words_files;
mod words_measures;
mod words_page;
mod words_parity;
