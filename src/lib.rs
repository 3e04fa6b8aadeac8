//! Torchboard: one binary that serves, trains, tunes, evaluates, explains and shares four small deep-learning systems.
//!
//! Imports run downward; `tests/integration/architecture.rs` reads the sources and holds it:
//!
//! | module | what it is | may import |
//! |---|---|---|
//! | [`cli`] | one file per command, thin | everything |
//! | [`web`] | pages and JSON API; the only one that names axum and askama | everything below |
//! | [`accounts`] | signing in: passwords, secrets, invitations, how often one may try | store |
//! | [`train`] | training of networks: configuration, fit loop, events, checkpoints | models, data, metrics |
//! | [`tune`] | search spaces of hyperparameters, what to try next, what mattered; pure functions | train |
//! | [`words`] | vector sets, exact search, analogies, training of vectors | data, figure, project |
//! | [`jobs`] | workers, their supervision, the queue | data, models, store, train |
//! | [`store`] | runs, events, studies, accounts in `SQLite`; the only one that names rusqlite | train |
//! | [`metrics`] | how good a classifier's answers are: plain slices in, numbers out | |
//! | [`report`] | the course report's own figures on Fashion-MNIST, typed | |
//! | [`project`] | PCA and t-SNE: many dimensions in, two out | |
//! | [`figure`] | typed numbers with five faces; the only one that names plotters | |
//! | [`data`] | data sets: what can be fetched, fetching, finding and reading it | |
//! | [`models`] | networks and the device they run on; names tch | |
//! | [`config`], [`error`] | settings; the application's error | |
//!
//! `metrics`, `project` and `models` are a crate of their own, in `kernels/`.

pub mod accounts;
pub mod cli;
pub mod config;
pub mod data;
pub mod error;
pub mod figure;
pub mod jobs;
pub mod report;
pub mod store;
pub mod train;
pub mod tune;
pub mod web;
pub mod words;

pub use torchboard_kernels::{metrics, models, project};
