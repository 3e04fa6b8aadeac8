//! Work that takes long: workers (one training each, in a process of its own), the queue of those that wait.
//!
//! Inference runs on one thread that owns the loaded networks ([`Inference`]); what they say of a split is computed once ([`Judge`]).
//!
//! **The server never trains.** [`supervise`] starts a worker, stores what it says and sees to its end; a server does so for each run
//! of its [`Queue`], `torchboard train` for one. Whoever supervises a run, and the worker itself, hold a lock on the run's `worker.log`
//! as long as they live, so that any process can tell a run that is trained from one whose worker is gone ([`recover`]).
//!
//! A study's trials are runs ([`conduct`]): a server conducts those that wait ([`Studies`]), `torchboard tune` its own.

mod embeddings;
mod hardest;
mod inference;
mod judge;
mod kept;
mod maps;
mod plan;
mod portable;
mod predictions;
mod queue;
mod recovery;
mod remembered;
mod shipped;
mod split;
mod studies;
mod supervisor;
mod witness;
mod worker;

pub use self::{
    embeddings::{Embedder, Embeddings, Retrieval, Retrieved, embeds, vote},
    hardest::{HardTriplet, hardest_triplets},
    inference::{Inference, Stage, Trained},
    judge::{Intervals, Judge, Judgement},
    maps::{Frame, Map, Maps, Method, Standing, Unfolding, Wanted},
    plan::{Plan, hardware, repeat, resume, versions},
    portable::{Imported, export, export_file, import, import_file},
    queue::Queue,
    recovery::recover,
    shipped::import_shipped,
    studies::{Studies, StudyEvent, Trainer, ask_study, best_trial, conduct, history, recover_studies},
    supervisor::{Halt, supervise},
    witness::Witness,
    worker::work,
};
