//! Work that takes long: workers (one training each, in a process of its own), the queue of those that wait.
//!
//! Inference runs on one thread that owns the loaded networks ([`Inference`]); what they say of a split is computed once ([`Judge`]).
//!
//! **The server never trains.** [`supervise`] starts a worker, stores what it says and sees to its end; a server does so for each run
//! of its [`Queue`], `torchboard train` for one. Whoever supervises a run, and the worker itself, hold a lock on the run's `worker.log`
//! as long as they live, so that any process can tell a run that is trained from one whose worker is gone ([`recover`]).
//!
//! All of it as one file, while others work: [`back_up`], and from there again: [`restore`].
//!
//! A study's trials are runs ([`conduct`]): a server conducts those that wait ([`Studies`]), `torchboard tune` its own.

mod asked;
mod backup;
mod embeddings;
mod examples;
mod explain;
mod gist;
mod hardest;
mod inference;
mod judge;
mod judged;
mod kept;
mod kept_attention;
mod maps;
mod operating;
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
    asked::{Asked, DEFAULT_COSTS, Decision, Lesions, Setting, Settled},
    backup::{BackedUp, Restored, Watch, back_up, restore},
    embeddings::{Embedder, Embeddings, Retrieval, Retrieved, embeds, vote},
    examples::{Only, Order, Selection},
    explain::{Explained, Explainer, Near},
    gist::Gist,
    hardest::{HardTriplet, hardest_triplets},
    inference::{Inference, Said, Stage, Trained},
    judge::{Judge, Judgement},
    judged::{Intervals, Judged, Majority},
    maps::{Frame, Map, Maps, Method, Standing, Unfolding, Wanted},
    operating::{ChosenExponent, ChosenThreshold, Class, OperatingPoints, PriorSweep},
    plan::{Plan, hardware, repeat, resume, versions},
    portable::{
        Imported, Preview, PreviewedRun, SENT_AT_MOST, export, export_file, export_within, fetch_linked, import, import_file, preview,
        runs_of_study,
    },
    queue::Queue,
    recovery::recover,
    shipped::import_shipped,
    studies::{Studies, StudyEvent, Trainer, ask_study, best_trial, conduct, history, recover_studies},
    supervisor::{Halt, supervise},
    witness::Witness,
    worker::work,
};
